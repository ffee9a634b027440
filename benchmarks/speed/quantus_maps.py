"""Quantus's localisation metrics of stored maps, run by the Python of an environment with it.

    PYTHON quantus_maps.py MAPS.npy ROI

MAPS: float32 (N, H, W); ROI: JSON list x0, y0, x1, y1 in fractions. Reads one JSON list of names
of metrics per line and answers with one JSON object: seconds, and the metrics' means.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import quantus
import torch


def main() -> None:
    """Answer until the input ends."""
    maps, mask = np.load(sys.argv[1]), None
    mask = masks(maps.shape, json.loads(sys.argv[2]))
    torch.set_num_threads(1)
    out, sys.stdout = sys.stdout, sys.stderr  # what Quantus prints is not the answer
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        start = time.perf_counter()
        means = {name: mean(name, maps, mask) for name in json.loads(line)}
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "means": means}), file=out, flush=True)


def masks(shape: tuple[int, ...], roi: list[float]) -> np.ndarray:
    """Return the ROI as a mask per map, bool (N, 1, H, W)."""
    n, height, width = shape
    made = np.zeros((n, 1, height, width), dtype=bool)
    x0, y0, x1, y1 = roi
    rows = slice(round(y0 * height), round(y1 * height))
    made[:, :, rows, round(x0 * width) : round(x1 * width)] = True
    return made


def mean(name: str, maps: np.ndarray, mask: np.ndarray) -> float:
    """Return a metric's mean over the maps. The model is not asked: the maps are given."""
    options = {"k": round(0.005 * maps[0].size)} if name == "TopKIntersection" else {}
    metric = getattr(quantus, name)(abs=True, normalise=False, disable_warnings=True, **options)
    images = np.zeros((len(maps), 3, *maps.shape[1:]), dtype=np.float32)
    scores = metric(
        model=torch.nn.Identity(),
        x_batch=images,
        y_batch=np.zeros(len(maps), dtype=np.int64),
        a_batch=maps[:, None],
        s_batch=mask,
    )
    return float(np.mean(scores))


if __name__ == "__main__":
    main()
