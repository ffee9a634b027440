"""Randomise the original network layer by layer and see whether its maps change."""

from __future__ import annotations

from rightreasons.core.job import Running
from rightreasons.stages.explain import ExplainInput, MapsJob
from rightreasons.stages.files import Sanity


class SanityJob(MapsJob):
    """Check one set of explainers on the original network of one group.

    Attributes
    ----------
    stages
        Steps in which all layers are made random, the head alone first.
    replicates
        Bootstrap replicates.
    """

    input: ExplainInput
    output: Sanity
    stages: int
    replicates: int


def sanity(job: SanityJob, running: Running) -> None:
    """Choose the images, build a fresh network, compare, write."""
    import numpy as np
    import pandas as pd
    import torch

    from rightreasons.artifacts.injected import open_images, single
    from rightreasons.core.files import read_json, write_parquet
    from rightreasons.core.seeds import derive
    from rightreasons.learning.images import Rows
    from rightreasons.learning.predictions import role_of
    from rightreasons.learning.training import predict_logits
    from rightreasons.models.architectures import build_classifier
    from rightreasons.models.storage import load_model
    from rightreasons.runtime.devices import pick_device
    from rightreasons.saliency.maps import sample_images
    from rightreasons.saliency.sanity import randomisation_table

    device, group = pick_device(), job.group
    architecture = read_json(job.input.metadata)["model"]["architecture"]
    model = load_model(job.input.model, architecture, device)
    test = role_of(pd.read_parquet(job.input.split), "test")
    pool = open_images(job.input.images, job.artifact)
    chosen = sample_images(test, job.images, group.seed, group.task, single(pool))
    images = Rows(pool, chosen["row"].to_numpy())
    true = job.explained_class == "true"
    classes = chosen["target"] if true else predict_logits(model, images, device).argmax(1)
    fresh = derive(group.seed, "sanity", *group.stream, "fresh")
    table = randomisation_table(
        model,
        build_classifier(architecture, seed=fresh).eval(),
        images,
        torch.from_numpy(np.asarray(classes, dtype=np.int64)),
        job.explainers,
        stages=job.stages,
        device=device,
        batch_size=job.batch_size,
        seed=derive(group.seed, "sanity", *group.stream),
        replicates=job.replicates,
        progress=running.progress,
    )
    write_parquet(table, job.output.sanity)
