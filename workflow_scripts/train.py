"""Train the vanilla model of a cell and write its predictions."""

from pathlib import Path
from typing import Any

import pandas as pd

from job import run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Build, train, predict, write."""
    from rightreasons.artifacts.injected import open_images, open_twins
    from rightreasons.core.seeds import derive, torch_generator
    from rightreasons.learning.config import TrainingConfig
    from rightreasons.learning.decisions import Decision
    from rightreasons.learning.predictions import labelled, predict
    from rightreasons.learning.records import write_model
    from rightreasons.learning.training import train
    from rightreasons.models.architectures import build_classifier
    from rightreasons.runtime.devices import fit_batch, pick_device

    device = pick_device()
    seed, key = int(wildcards.seed), (wildcards.task, wildcards.design, wildcards.level)
    images = open_images(input.images, params.artifact)
    twins = open_twins(images, input.get("twins"))
    split = pd.read_parquet(input.split)
    training = TrainingConfig(**params.training)

    def fit(batch_size: int) -> tuple[Any, list[dict[str, float]]]:
        model = build_classifier(**params.model, seed=derive(seed, "init", *key)).to(device)
        history = train(
            model,
            labelled(images, split, "train"),
            training.model_copy(update={"batch_size": batch_size}),
            generator=torch_generator(seed, "train", *key),
            device=device,
            progress=progress,
        )
        return model, history

    model, history = fit_batch(fit, training.batch_size, "train", least=2)
    write_model(
        Path(output.model).parent,
        model,
        Decision(),
        predict(model, images, twins, split, device),
        device,
        {"model": params.model, "training": params.training, "history": history},
    )


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
