"""How fast the metrics of maps are: maps per second, beside reading the maps once.

Run: python benchmarks/metrics.py [maps] [pixels]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rightreasons.metrics import METRICS, ReferenceMaps, RegionView, region_view
from rightreasons.metrics.compute import (
    WHOLE,
    Metrics,
    image_metrics,
    located_metrics,
    resolve,
    significance_tests,
)

ROI = (0.22, 0.80, 0.75, 0.94)  # the necktie's


def main(count: int = 2000, size: int = 224) -> None:
    """Print a table of times for `count` maps of size x size pixels."""
    rng = np.random.default_rng(0)
    vanilla = rng.standard_normal((count, size, size), dtype=np.float32)
    maps = rng.standard_normal((count, size, size), dtype=np.float32)
    masks = np.zeros(maps.shape, dtype=bool)
    masks[:, int(0.8 * size) : int(0.94 * size), int(0.22 * size) : int(0.75 * size)] = True
    known = region_view(vanilla, ROI)
    measure(known, maps)  # scipy is imported here, once per process
    jobs: dict[str, Callable[[], Any]] = {
        "read one array once (np.sum)": lambda: maps.sum(),
        "seven ROI metrics, vanilla's view known": lambda: measure(known, maps),
        "seven ROI metrics, both views": lambda: measure(region_view(vanilla, ROI), maps),
        "view through masks, one per image": lambda: region_view(maps, masks),
        "plain numpy, metric by metric": lambda: plain(vanilla, maps),
    }
    jobs |= whole_maps(maps, vanilla, ROI, "rectangle") | whole_maps(maps, vanilla, masks, "masks")
    times = {name: seconds(job) for name, job in jobs.items()}
    once = times["read one array once (np.sum)"]
    print(f"{count} maps of {size} x {size}, {maps.nbytes / 1e6:.0f} MB per array")
    for name, taken in times.items():
        rate = f"{count / taken:10,.0f} maps/s"
        print(f"{name:42s} {1e3 * taken:8.1f} ms {rate} {taken / once:6.1f} x reading")


def measure(vanilla: RegionView, maps: np.ndarray) -> None:
    """Compute RRF, HRF, MRR, ADR, DIF, RDDT and DET."""
    view = region_view(maps, ROI)
    metrics = resolve()
    image_metrics(metrics, view=view, vanilla=vanilla)
    significance_tests(metrics, view=view, vanilla=vanilla)


def whole_maps(
    maps: np.ndarray, normal: np.ndarray, roi: Any, name: str
) -> dict[str, Callable[[], Any]]:
    """Return a job per metric of whole maps, and one of all of them."""
    defaults = resolve()
    chosen = {m.name: defaults[m.name] for m in METRICS if m.traits["needs"] in WHOLE}
    protected = np.arange(len(maps)) % 2

    def job(metrics: Metrics) -> dict[str, np.ndarray]:
        reference = ReferenceMaps(normal, np.arange(len(maps)))
        normals = reference if {"fam", "ccm"} & set(metrics) else None
        return located_metrics(metrics, maps=maps, roi=roi, protected=protected, normal=normals)

    single = {f"{key}, {name}": partial(job, {key: params}) for key, params in chosen.items()}
    return {**single, f"all metrics of whole maps, {name}": partial(job, chosen)}


def plain(vanilla: np.ndarray, maps: np.ndarray) -> list[np.ndarray]:
    """Compute the seven numbers straight from their formulas on whole arrays."""
    size = maps.shape[1]
    rows = slice(round(ROI[1] * size), round(ROI[3] * size))
    columns = slice(round(ROI[0] * size), round(ROI[2] * size))
    p, q = (np.abs(r) / (2 * np.abs(r).max(axis=(1, 2), keepdims=True)) for r in (maps, vanilla))
    box, box_vanilla = p[:, rows, columns], q[:, rows, columns]
    outside = p.copy()
    outside[:, rows, columns] = 0
    rest = outside.sum(axis=(1, 2)) / (p[0].size - box[0].size)
    means, means_vanilla = box.mean(axis=(1, 2)), box_vanilla.mean(axis=(1, 2))
    return [
        box.sum(axis=(1, 2)) / p.sum(axis=(1, 2)),
        (box > 0.05).mean(axis=(1, 2)),
        means / rest,
        (box_vanilla - box).mean(axis=(1, 2)),
        (box_vanilla - box > 1e-3).mean(axis=(1, 2)),
        means_vanilla - means,
        means - rest,
    ]


def seconds(job: Callable[[], Any], repeats: int = 3) -> float:
    """Return the best of `repeats` wall-clock times of a job."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
