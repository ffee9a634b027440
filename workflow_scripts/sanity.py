"""Randomise a vanilla model layer by layer and see whether its maps change."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from job import read_json, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Choose the images, build a fresh network, compare, write."""
    import torch

    from rightreasons.artifacts.injected import open_images, single
    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import derive
    from rightreasons.learning.predictions import role_of
    from rightreasons.learning.training import Rows, predict_logits
    from rightreasons.models.architectures import build_classifier
    from rightreasons.models.storage import load_model
    from rightreasons.runtime.devices import pick_device
    from rightreasons.saliency.maps import sample_images
    from rightreasons.saliency.sanity import randomisation_table

    device = pick_device()
    seed, key = int(wildcards.seed), (wildcards.task, wildcards.design, wildcards.level)
    architecture = read_json(input.vanilla_metadata)["model"]["architecture"]
    model = load_model(Path(input.vanilla_model), architecture, device)
    test = role_of(pd.read_parquet(input.split), "test")
    pool = open_images(input.images, params.artifact)
    chosen = sample_images(test, params.images, seed, wildcards.task, single(pool))
    images = Rows(pool, chosen["row"].to_numpy())
    true = params.explained_class == "true"
    classes = chosen["target"] if true else predict_logits(model, images, device).argmax(1)
    table = randomisation_table(
        model,
        build_classifier(architecture, seed=derive(seed, "sanity", *key, "fresh")).eval(),
        images,
        torch.from_numpy(np.asarray(classes, dtype=np.int64)),
        params.explainers,
        stages=params.stages,
        device=device,
        batch_size=params.batch_size,
        seed=derive(seed, "sanity", *key),
        replicates=params.replicates,
        progress=progress,
    )
    write_parquet(table, Path(output.sanity))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
