"""Make the maps of one model with all explainers of a set."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from job import read_json, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Choose the images and classes, explain, write maps and their index."""
    import torch

    from rightreasons.artifacts.injected import open_images, single
    from rightreasons.core.arrays import mapped
    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import derive
    from rightreasons.learning.predictions import role_of
    from rightreasons.learning.training import Rows, predict_logits
    from rightreasons.models.storage import load_model
    from rightreasons.runtime.devices import pick_device
    from rightreasons.saliency.maps import explain, map_index, sample_images

    device = pick_device()
    seed = int(wildcards.seed)
    architecture = read_json(input.metadata)["model"]["architecture"]
    model = load_model(Path(input.model), architecture, device)
    test = role_of(pd.read_parquet(input.split), "test")
    pool = open_images(input.images, params.artifact)
    chosen = sample_images(test, params.images, seed, wildcards.task, single(pool))
    images = Rows(pool, chosen["row"].to_numpy())
    logits = predict_logits(model, images, device)
    true = params.explained_class == "true"
    classes = chosen["target"].to_numpy() if true else logits.argmax(1)
    shape = (len(params.explainers), *images.shape[:3])
    with mapped(Path(output.maps), np.float32, shape) as maps:
        _, errors = explain(
            model,
            images,
            torch.from_numpy(classes.astype(np.int64)),
            params.explainers,
            device=device,
            batch_size=params.batch_size,
            seed_of=lambda name: derive(seed, "explain", *wildcards, name),
            progress=progress,
            out=maps,
        )
    index = map_index(chosen, classes, logits, params.explainers, errors)
    write_parquet(index, Path(output.index))


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
