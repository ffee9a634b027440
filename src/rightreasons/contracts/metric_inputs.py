"""What metrics are called with, made up."""

from __future__ import annotations

from typing import Any

import numpy as np

from rightreasons.metrics import LocatedMaps, ReferenceMaps, Twins, WitnessedMaps, region_view

N = 6
ALTERNATING = np.arange(N) % 2


def witnessed(*maps: np.ndarray) -> WitnessedMaps:
    """Return maps of N images by a model and by both witnesses."""
    model, *others = maps
    return WitnessedMaps(
        model, ALTERNATING, *(ReferenceMaps(other, np.arange(N)) for other in others)
    )


def inputs(needs: str, seed: int, unit: float = 1) -> tuple[Any, ...]:
    """Return random input of a metric with such needs; maps are multiplied by `unit`."""
    rng = np.random.default_rng(seed)
    maps, vanilla = rng.normal(size=(2, N, 5, 8)).astype(np.float32) * np.float32(unit)
    roi = (0.2, 0.2, 0.8, 0.6)
    masks = np.zeros((N, 5, 8), dtype=bool)
    masks[:, 1:3, 2:6] = True
    located, normal = (LocatedMaps(m, masks, ALTERNATING) for m in (maps, vanilla))
    target, score = rng.integers(0, 2, N), rng.random(N)
    return {
        "view": (region_view(maps, roi),),
        "pair": (region_view(vanilla, roi), region_view(maps, roi)),
        "located": (located,),
        "reference": (located, normal),
        "versions": (located, normal),
        "witnesses": (witnessed(maps, vanilla, rng.normal(size=maps.shape)),),
        "counts": (rng.uniform(1, 9, (3, N, 2, 2, 2)),),
        "scores": (target, score, rng.integers(1, 4, (3, N, N))),
        "twins": (Twins(target, score, 1 - score, score > 0.5, score < 0.5),),
    }[needs]


def no_inputs(needs: str) -> tuple[Any, ...]:
    """Return input from which no metric can be computed: no image, no ROI, no map, no twin."""
    maps, masks = np.ones((N, 5, 8), dtype=np.float32), np.zeros((N, 5, 8), dtype=bool)
    none = np.full(N, np.nan)
    view = region_view(maps, masks)
    zero = LocatedMaps(np.zeros_like(maps), ~masks, ALTERNATING)
    return {
        "located": (LocatedMaps(maps, masks, ALTERNATING),),
        "reference": (zero, zero),
        "versions": (zero, zero),
        "witnesses": (witnessed(*np.zeros((3, *maps.shape))),),
        "view": (view,),
        "pair": (view, view),
        "counts": (np.zeros((3, N, 2, 2, 2), dtype=np.int64),),
        "scores": (np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros((3, N, 0))),
        "twins": (Twins(np.zeros(N), none, none, none, none),),
    }[needs]
