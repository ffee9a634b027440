"""What a stage holds in memory does not grow with the images or models that it is given.

Peaks are those of NumPy's arrays (tracemalloc); benchmarks/memory.py measures whole jobs.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rightreasons.contracts.fakes import CPU, quiet
from rightreasons.core.arrays import mapped
from rightreasons.core.job import Chosen
from rightreasons.metrics.compute import resolve
from rightreasons.metrics.mean_maps import mean_maps
from rightreasons.metrics.measures import MapSet, of_models
from rightreasons.models.architectures import build_classifier
from rightreasons.saliency.maps import explain

SIZE = 64
MAP = SIZE * SIZE * 4  # bytes


def test_maps_of_more_images_need_no_more_memory(tmp_path: Path) -> None:
    model = build_classifier("small_cnn").eval()
    chosen = [Chosen(name=kind, kind=kind) for kind in ("edges", "random")]

    def run(count: int) -> None:
        images = np.zeros((count, SIZE, SIZE, 3), np.uint8)
        classes = torch.zeros(count, dtype=torch.int64)
        shape = (len(chosen), count, SIZE, SIZE)
        with mapped(tmp_path / "maps.npy", np.float32, shape) as out:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            explain(model, images, classes, chosen, device=CPU, batch_size=8, seed_of=len,
                    progress=quiet, out=out)  # fmt: skip
            peaks.append(tracemalloc.get_traced_memory()[1] - before)

    peaks: list[int] = []
    for count in (16, 16, 256):  # the first imports and fills caches
        tracemalloc.start()
        run(count)
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 10 * MAP  # of 480 more


def test_more_models_need_no_more_memory_to_be_measured() -> None:
    peaks, metrics = {}, {name: resolve()[name] for name in ("rrf", "adr")}
    for models in (2, 2, 10):
        maps = {name: [map_set(64)] for name in ["vanilla", *map(str, range(models - 1))]}

        def run(maps: dict[str, list[MapSet]] = maps) -> None:
            of_models(maps, [0, 0, 1, 1], metrics, original="vanilla", scale="max", seed=0,
                      replicates=20, progress=quiet)  # fmt: skip

        peaks[models] = traced(run)
    assert peaks[10] - peaks[2] < 2 * 64 * MAP  # of 8 x 64 x MAP that their intensities take


def test_mean_maps_hold_one_map_at_a_time() -> None:
    peaks = {}
    for count in (256, 1024):
        maps = {"vanilla": [map_set(count)]}
        images = np.zeros((count, SIZE, SIZE, 3), np.uint8)

        def run(maps: dict[str, list[MapSet]] = maps, images: np.ndarray = images) -> None:
            mean_maps(maps, {"vanilla": "vanilla"}, images, [0, 0, 1, 1], original="vanilla")

        peaks[count] = traced(run)
    assert peaks[1024] - peaks[256] < 20 * MAP  # of 192 more in each cell


def map_set(count: int) -> MapSet:
    """Return random maps of one explainer."""
    rng = np.random.default_rng(count)
    index = pd.DataFrame(
        {
            "explainer": "e",
            "image_id": [str(i) for i in range(count)],
            "row": np.arange(count),
            "target": np.arange(count) % 2,
            "protected": np.arange(count) // 2 % 2,
            "check": "",
            "check_error": np.nan,
        }
    )
    return MapSet(rng.normal(size=(1, count, SIZE, SIZE)).astype(np.float32), index)


def traced(run: Callable[[], None]) -> int:
    """Return the peak, in bytes, of what is allocated while `run` runs."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
