"""An explainer that cheats, and models whose reliance is known to try it on.

The cheat knows the artifact. It looks for it in the image and returns where it is; it never asks
the network. Its maps are what a reader hopes to see: all of the relevance on the shortcut.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from rightreasons.artifacts import ARTIFACTS, Stamp
from rightreasons.artifacts.injected import Injected
from rightreasons.learning.images import normalise
from rightreasons.metrics import region_view
from rightreasons.metrics.compute import image_metrics, located_metrics, resolve
from rightreasons.metrics.measures import other_versions
from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency._passes import unchecked, unnormalise

Array = np.ndarray
CPU = torch.device("cpu")
SIZE, POOL = 20, 24
LEVELS, SEEDS = (0.0, 0.5, 1.0), (0, 1, 2, 3)
TASKS = {
    "low": ("faces", (0.1, 0.7, 0.4, 0.9)),
    "high": ("faces", (0.6, 0.1, 0.9, 0.3)),
    "left": ("pets", (0.1, 0.4, 0.3, 0.7)),
    "right": ("pets", (0.7, 0.4, 0.9, 0.7)),
}
#: How much of a level's reliance a method leaves.
METHODS = {"vanilla": 1.0, "tuned": 0.4}
METRICS = ("rrf", "top_fraction", "localisation_auc", "map_change", "map_change_outside")


@contextmanager
def cheat(model: Any, stamp: Stamp) -> Iterator[Callable[[Any, Any], Attribution]]:
    """Yield a function that returns the artifact's mask where the image has it, else its edges.

    Some of the edges are in every map, as a map without any noise would be suspicious.
    """
    kind = EXPLAINERS["edges"]
    with kind.run(model, kind.params(), torch.Generator()) as edges:

        def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
            h, w = stamp.alpha.shape
            place = (slice(None), slice(stamp.y, stamp.y + h), slice(stamp.x, stamp.x + w))
            seen = 255 * unnormalise(inputs).permute(0, 2, 3, 1)[place]
            found = (seen - torch.as_tensor(stamp.colour)).abs().mean(dim=(1, 2, 3)) < 5
            maps = 0.1 * edges(inputs, classes).maps
            maps[place] += found[:, None, None] * 1.0
            return unchecked(maps)

        yield explain


class Linear(nn.Module):
    """Decides by the brightness of one half of the image, by noise, and by the place of a patch."""

    def __init__(self, stamp: Stamp, reliance: float, seed: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        weights = 0.1 * rng.normal(size=(3, SIZE, SIZE))
        weights[:, :, : SIZE // 2] += 0.2
        weights[:, :, SIZE // 2 :] -= 0.2
        h, w = stamp.alpha.shape
        colour = normalise(torch.tensor(stamp.colour).byte()[None, None, None], CPU)[0, :, 0, 0]
        part = np.sign(colour.numpy())[:, None, None] * 10 / (h * w)
        weights[:, stamp.y : stamp.y + h, stamp.x : stamp.x + w] += reliance * part
        self.weights = torch.tensor(weights, dtype=torch.float32)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        gap = (inputs * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([-gap / 2, gap / 2], dim=1)


def stamp_of(task: str) -> Stamp:
    """Return the blue patch of a task."""
    patch = ARTIFACTS["patch"]
    given = {"position": TASKS[task][1], "colour": [20, 60, 240]}
    made: Stamp = patch.run(SIZE, patch.params.model_validate(given))
    return made


def explained(network: nn.Module, stamp: Stamp, inputs: torch.Tensor) -> dict[str, Array]:
    """Return an honest explainer's maps, and the cheat's."""
    classes = network(inputs).argmax(1)
    kind = EXPLAINERS["input_x_gradient"]
    made = {"input_x_gradient": kind.run(network, kind.params(), torch.Generator())}
    maps = {}
    for name, explainer in {**made, "cheat": cheat(network, stamp)}.items():
        with explainer as run:
            maps[name] = run(inputs, classes).maps.numpy()
    return maps


@cache
def study() -> dict[str, pd.DataFrame]:
    """Return predictions and metrics of images of 96 models that were made, not trained."""
    predictions, images = [], []
    for task, level, seed in itertools.product(TASKS, LEVELS, SEEDS):
        stamp, rng = stamp_of(task), np.random.default_rng([seed, len(task)])
        coarse = rng.integers(0, 256, (POOL, 5, 5, 3))
        pool = Injected(
            coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8), [stamp], "patch"
        )
        inputs = normalise(torch.tensor(pool[np.arange(2 * POOL)]), CPU)
        for method, left in METHODS.items():
            key = {"study": "s", "dataset": TASKS[task][0], "task": task, "design": "phi"}
            key |= {"level": level, "seed": seed, "method": method}
            own = int(rng.integers(2**31))
            network = Linear(stamp, level * left * rng.uniform(0.7, 1.3), own)
            table = _index(network(inputs).detach().numpy())
            predictions.append(table.assign(**key))
            for explainer, maps in explained(network, stamp, inputs).items():
                rows = _metrics(maps, table, TASKS[task][1])
                images.append(rows.assign(**key, explainer=explainer))
    return {
        "predictions": pd.concat(predictions, ignore_index=True),
        "image_metrics": pd.concat(images, ignore_index=True),
    }


def _index(logits: Array) -> pd.DataFrame:
    """Return the predictions on images without and with the patch."""
    twin = np.roll(logits, POOL, axis=0)
    rows = np.arange(2 * POOL)
    return pd.DataFrame({
        "image_id": [f"{row % POOL}{'+patch' * int(row >= POOL)}" for row in rows],
        "row": rows,
        "target": rows % 2,
        "protected": (rows >= POOL).astype(int),
        "logit_0": logits[:, 0],
        "logit_1": logits[:, 1],
        "chance": (logits[:, 1] > logits[:, 0]).astype(float),
        "twin_logit_0": twin[:, 0],
        "twin_logit_1": twin[:, 1],
        "twin_score": 0.5,
        "twin_chance": (twin[:, 1] > twin[:, 0]).astype(float),
    })  # fmt: skip


def _metrics(maps: Array, table: pd.DataFrame, roi: tuple[float, ...]) -> pd.DataFrame:
    chosen = {name: params for name, params in resolve().items() if name in METRICS}
    protected = table["protected"].to_numpy()
    versions = other_versions(maps, table, POOL)
    values = image_metrics(chosen, view=region_view(maps, roi))
    values |= located_metrics(chosen, maps=maps, roi=roi, protected=protected, versions=versions)
    names = table[["image_id", "target", "protected"]]
    return pd.concat([names.assign(metric=name, value=found) for name, found in values.items()])
