"""Metrics of maps, against reading the maps once, plain numpy, scikit-image and Quantus."""

from __future__ import annotations

from collections.abc import Iterator
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

from .measure import Comparison
from .options import Options
from .quantus_client import quantus

ROI = (0.22, 0.80, 0.75, 0.94)  # the necktie's
ROI_AIM = 5.0  # times reading the maps


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the ROI metrics together, then the metrics of whole maps, then Quantus."""
    count, size = options.pick((2000, 224), (8, 48))
    rng = np.random.default_rng(0)
    vanilla = rng.standard_normal((count, size, size), dtype=np.float32)
    maps = rng.standard_normal((count, size, size), dtype=np.float32)
    yield from roi_metrics(maps, vanilla)
    yield from whole_maps(maps[: options.pick(200, 8)], vanilla)
    yield from quantus(options, maps, ROI)


def roi_metrics(maps: np.ndarray, vanilla: np.ndarray) -> Iterator[Comparison]:
    """Yield RRF, HRF, MRR, ADR, DIF, RDDT and DET together."""
    known = region_view(vanilla, ROI)
    masks = np.zeros(maps.shape, dtype=bool)
    rows, columns = box(maps.shape[1])
    masks[:, rows, columns] = True
    shared: dict[str, Any] = {
        "group": "metrics",
        "data": described(maps),
        "unit": "maps",
        "units": len(maps),
    }
    reading: dict[str, Any] = {
        "other": maps.sum,
        "against": "np.sum: every map read once",
        "kind": "cost",
    }
    yield Comparison(
        what="7 ROI metrics, vanilla's view known",
        ours=partial(measure, known, maps, ROI),
        aim=ROI_AIM,
        **shared,
        **reading,
    )
    yield Comparison(
        what="7 ROI metrics, views of both models",
        ours=lambda: measure(region_view(vanilla, ROI), maps, ROI),
        other=lambda: (vanilla.sum(), maps.sum()),
        against="np.sum of both: every map read once",
        kind="cost",
        aim=ROI_AIM,
        **shared,
    )
    yield Comparison(
        what="7 ROI metrics, a mask per image",
        ours=partial(measure, region_view(vanilla, masks), maps, masks),
        **shared,
        **reading,
    )
    yield Comparison(
        what="7 ROI metrics, views of both models",
        ours=lambda: measure(region_view(vanilla, ROI), maps, ROI),
        other=partial(plain, vanilla, maps),
        against="numpy, metric by metric",
        aim=1.0,
        **shared,
    )


def measure(vanilla: RegionView, maps: np.ndarray, roi: Any) -> None:
    """Compute RRF, HRF, MRR, ADR, DIF, RDDT and DET."""
    view = region_view(maps, roi)
    metrics = resolve()
    image_metrics(metrics, view=view, vanilla=vanilla)
    significance_tests(metrics, view=view, vanilla=vanilla)


def plain(vanilla: np.ndarray, maps: np.ndarray) -> list[np.ndarray]:
    """Compute the seven numbers straight from their formulas on whole arrays."""
    rows, columns = box(maps.shape[1])
    p, q = (np.abs(r) / (2 * np.abs(r).max(axis=(1, 2), keepdims=True)) for r in (maps, vanilla))
    inside, inside_vanilla = p[:, rows, columns], q[:, rows, columns]
    outside = p.copy()
    outside[:, rows, columns] = 0
    rest = outside.sum(axis=(1, 2)) / (p[0].size - inside[0].size)
    means, means_vanilla = inside.mean(axis=(1, 2)), inside_vanilla.mean(axis=(1, 2))
    return [
        inside.sum(axis=(1, 2)) / p.sum(axis=(1, 2)),
        (inside > 0.05).mean(axis=(1, 2)),
        means / rest,
        (inside_vanilla - inside).mean(axis=(1, 2)),
        (inside_vanilla - inside > 1e-3).mean(axis=(1, 2)),
        means_vanilla - means,
        means - rest,
    ]


def whole_maps(maps: np.ndarray, normal: np.ndarray) -> Iterator[Comparison]:
    """Yield every metric of whole maps by itself, and all together against plain libraries."""
    defaults = resolve()
    chosen = {m.name: defaults[m.name] for m in METRICS if m.traits["needs"] in WHOLE}
    shared: dict[str, Any] = {
        "group": "metrics",
        "data": described(maps),
        "unit": "maps",
        "units": len(maps),
    }
    yield Comparison(
        what=f"all {len(chosen)} metrics of whole maps",
        ours=partial(locate, chosen, maps, normal),
        other=partial(with_libraries, maps, normal),
        against="scikit-learn and scikit-image, map by map",
        aim=1.0,
        **shared,
    )
    for name, params in chosen.items():
        yield Comparison(
            what=name,
            ours=partial(locate, {name: params}, maps, normal),
            other=maps.sum,
            against="np.sum: every map read once",
            kind="cost",
            **shared,
        )


def locate(metrics: Metrics, maps: np.ndarray, normal: np.ndarray) -> dict[str, np.ndarray]:
    """Compute metrics of whole maps; half of the images have the protected attribute."""
    reference = ReferenceMaps(normal, np.arange(len(maps)))
    protected = np.arange(len(maps)) % 2
    return located_metrics(metrics, maps=maps, roi=ROI, protected=protected, normal=reference)


def with_libraries(maps: np.ndarray, normal: np.ndarray) -> list[list[float]]:
    """Compute the same seven numbers of each map as a script with the usual libraries would."""
    rows, columns = box(maps.shape[1])
    mask = np.zeros(maps.shape[1:], dtype=bool)
    mask[rows, columns] = True
    return [by_libraries(*pair, mask, i) for i, pair in enumerate(zip(maps, normal, strict=False))]


def by_libraries(r: np.ndarray, normal: np.ndarray, mask: np.ndarray, i: int) -> list[float]:
    """Compute the numbers of one map; odd images have the protected attribute."""
    from skimage.metrics import structural_similarity
    from sklearn.metrics import roc_auc_score

    p, q = np.abs(r), np.abs(normal)
    order = np.argsort(p.ravel())[::-1]
    inside = mask.ravel()[order]
    size = int(mask.sum())
    numbers = [
        inside[0],
        inside[:size].mean(),
        inside[: round(0.005 * p.size)].mean(),
        roc_auc_score(mask.ravel(), p.ravel()),
        structural_similarity(p / p.max(), q / q.max(), data_range=1.0),  # FAM or CCM
    ]
    if i % 2:
        numbers.append(structural_similarity(p / p.max(), mask.astype(np.float32), data_range=1.0))
    return [float(number) for number in numbers]


def box(size: int) -> tuple[slice, slice]:
    """Return the rows and columns of the ROI."""
    x0, y0, x1, y1 = (round(edge * size) for edge in ROI)
    return slice(y0, y1), slice(x0, x1)


def described(maps: np.ndarray) -> str:
    """Return the number and size of maps as text."""
    return "{} maps of {} x {}".format(*maps.shape)
