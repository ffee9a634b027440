"""Randomise the original network layer by layer and see whether its maps change."""

from __future__ import annotations

from rightreasons.core.job import Running
from rightreasons.stages.explain import Explained, ExplainInput, MapsJob
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
    import torch

    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import derive
    from rightreasons.learning.training import predict_logits
    from rightreasons.models.trained import fresh_like
    from rightreasons.saliency.sanity import randomisation_table

    it, group = Explained.of(job, job.input), job.group
    if job.explained_class == "true":
        classes = it.chosen["target"].to_numpy()
    else:
        classes = predict_logits(it.model, it.images, it.device).argmax(1)
    fresh = derive(group.seed, "sanity", *group.stream, "fresh")
    table = randomisation_table(
        it.model,
        fresh_like(it.model, it.architecture, fresh).eval(),
        it.images,
        torch.from_numpy(np.asarray(classes, dtype=np.int64)),
        job.explainers,
        stages=job.stages,
        device=it.device,
        batch_size=job.batch_size,
        seed=derive(group.seed, "sanity", *group.stream),
        replicates=job.replicates,
        progress=running.progress,
    )
    write_parquet(table, job.output.sanity)
