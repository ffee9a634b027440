"""Do two patch classifiers point at the same pixels? Published and dense, two seeds of each.

    python benchmarks/region_agreement.py POOL ATTRIBUTE [--epochs 15] [--train 3000] [--maps 200]

POOL is a pool folder that a study made (results/<study>/pool/<dataset>), whose images are square.
Each network is trained as the stage `region` does it. Printed are accuracy and ECE over all
patches of `--maps` validation images, and the correlation of pixel maps: mean over single images,
and of the mean maps. Two networks of one kind that differ in nothing but the seed say what another
kind can reach at most; with r the correlation of two seeds of each kind, two measurements of one
truth would agree to sqrt(r_published r_dense) (the attenuation of a correlation by noise,
Spearman 1904). Averaging the two seeds of each kind shows how much of the difference is noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rightreasons.data.pool import Pool
from rightreasons.learning.images import Rows
from rightreasons.regions import stage
from rightreasons.regions.geometry import normalised, spread
from rightreasons.regions.maps import confidence_maps
from rightreasons.regions.params import RegionParams
from rightreasons.runtime.devices import pick_device

SEEDS = (0, 1)


def quiet(iterable: Iterable[Any], description: str) -> Iterable[Any]:
    """Show no progress bar."""
    return iterable


def correlation(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the mean correlation of single maps (N, I, I), and that of their means."""
    each = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    means = np.corrcoef(a.mean(axis=0).ravel(), b.mean(axis=0).ravel())[0, 1]
    return float(np.nanmean(each)), float(means)


def pixel_maps(grids: np.ndarray, size: int, patch: int) -> np.ndarray:
    """Return the pixel maps (N, I, I) of confidences (N, g, g)."""
    return normalised(spread(grids.astype(np.float32), size, patch))


def main() -> None:
    """Read the command line, train four networks, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("attribute")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--train", type=int, default=3000)
    parser.add_argument("--maps", type=int, default=200)
    parser.add_argument("--patch", type=int, default=16)
    parser.add_argument("--positions", type=int, default=169)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pool = Pool.open(arguments.pool)
    grids: dict[tuple[str, int], np.ndarray] = {}
    print(f"{arguments.attribute}, {pool.size} px, patches of {arguments.patch}")
    for kind in ("published", "dense"):
        params = RegionParams(
            network=kind, patch=arguments.patch, positions=arguments.positions,
            epochs=arguments.epochs, step_epochs=max(1, arguments.epochs * 3 // 4),
            max_images=arguments.train, batch_size=256,
        )  # fmt: skip
        data = stage.labels(pool.index, arguments.attribute, params, 0)
        shown = np.unique(data.validation)[: arguments.maps]
        rng = np.random.default_rng(0)
        data = replace(data, validation=rng.permutation(data.validation)[: arguments.maps])
        for seed in SEEDS:
            start = time.perf_counter()
            network, _ = stage.train(pool.images, data, params, arguments.attribute, seed, quiet)
            seconds = time.perf_counter() - start
            table = stage.calibrate(network, pool.images, data, params, quiet)["calibration"]
            grids[kind, seed] = confidence_maps(
                network, Rows(pool.images, shown), params.confidence,
                device=pick_device(), progress=quiet,
            )  # fmt: skip
            accuracy, ece = table.loc[0, ["accuracy", "ece"]]
            print(f"  {kind:<9} seed {seed}: accuracy {accuracy:.3f}, ECE {ece:.3f}, "
                  f"trained in {seconds:.0f} s", flush=True)  # fmt: skip
    maps = {key: pixel_maps(grid, pool.size, arguments.patch) for key, grid in grids.items()}
    for a, b in combinations(maps, 2):
        single, mean = correlation(maps[a], maps[b])
        print(f"  {a[0]}-{a[1]} and {b[0]}-{b[1]}: single maps {single:.3f}, mean map {mean:.3f}")
    both = [
        pixel_maps(np.mean([grids[kind, seed].astype(np.float32) for seed in SEEDS], axis=0),
                   pool.size, arguments.patch)
        for kind in ("published", "dense")
    ]  # fmt: skip
    single, mean = correlation(*both)
    print(f"  seeds averaged, published and dense: single maps {single:.3f}, mean map {mean:.3f}")


if __name__ == "__main__":
    main()
