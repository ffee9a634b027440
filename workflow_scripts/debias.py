"""Apply one debiasing method to the vanilla model of a cell and write its predictions."""

from pathlib import Path
from typing import Any

import pandas as pd

from job import read_json, ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Load the vanilla model, call the method, predict, write."""
    from rightreasons.artifacts.injected import open_images, open_twins
    from rightreasons.debias import METHODS, apply, open_context
    from rightreasons.learning.records import write_model

    chosen = dict(params.method)
    method = METHODS[chosen.pop("kind")]
    vanilla = read_json(input.vanilla_metadata)
    split = pd.read_parquet(input.split)
    images = open_images(input.images, params.artifact)
    predictions = pd.read_parquet(input.vanilla_predictions)
    context = open_context(
        vanilla_file=Path(input.vanilla_model),
        vanilla=vanilla,
        predictions=predictions,
        images=images,
        split=split,
        seed=int(wildcards.seed),
        key=(wildcards.task, wildcards.design, wildcards.level, wildcards.method),
        progress=progress,
        regions=Path(input.confidence).parent if input.get("confidence") else None,
    )
    if method.traits["changes"] == "weights":
        import torch  # noqa: F401  (the method would, as the first thing that it does)
    ready()
    result = apply(method, context, method.params(**chosen))
    if result.model is not None:
        from rightreasons.learning.predictions import predict

        twins = open_twins(images, input.get("twins"))
        predictions = predict(result.model, images, twins, split, context.device)
    write_model(
        Path(output.model).parent,
        Path(input.vanilla_model) if result.model is None else result.model,
        result.decision,
        predictions,
        "cpu" if result.model is None else context.device,
        {"method": dict(params.method), "model": vanilla["model"], "notes": result.notes},
    )


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
