"""The same maps in other ways: what is the same, what differs, and by how much."""

from __future__ import annotations

import numpy as np
import pytest

from rightreasons.metrics import METRICS, SCALES, region_view
from rightreasons.metrics.compute import image_metrics, located_metrics, resolve
from rightreasons.metrics.variants import ANY, IMAGES, has_scale, of_variants, variants

N, ROI = IMAGES + 5, (0.2, 0.2, 0.8, 0.6)
RNG = np.random.default_rng(0)
MAPS = {name: RNG.normal(size=(N, 6, 8)).astype(np.float32) for name in ("first", "second")}
MASKS = RNG.random((N, 6, 8)) < 0.3
PROTECTED = np.arange(N) % 2
METRIC_NAMES = ("rrf", "adr", "pointing_game")


def measured(chosen: tuple, scale: str = "max") -> dict:
    rois = {"task": ROI, "mask": MASKS}
    values = of_variants(chosen, resolve(), MAPS, rois, PROTECTED, original="first", scale=scale)
    return {
        (model, one.metric, one.scale, one.sign, one.roi): values[m, v]
        for m, model in enumerate(MAPS)
        for v, one in enumerate(chosen)
    }


def test_metrics_without_a_scale_come_once() -> None:
    chosen = variants(METRIC_NAMES, SCALES, ["absolute", "positive"], ["task", "mask"])
    count = {name: sum(one.metric == name for one in chosen) for name in METRIC_NAMES}
    assert count == {"rrf": 4, "adr": 12, "pointing_game": 4}
    assert {one.scale for one in chosen if one.metric != "adr"} == {ANY}


@pytest.mark.parametrize("scale", SCALES)
def test_every_variant_is_the_metric_of_changed_maps(scale: str) -> None:
    chosen = variants(METRIC_NAMES, [scale], ["absolute", "positive"], ["task", "mask"])
    found = measured(chosen, scale)
    for sign, change in (
        ("absolute", np.abs),
        ("positive", lambda maps: np.where(maps > 0, maps, 0)),
    ):
        for name, roi in (("task", ROI), ("mask", MASKS)):
            first, second = (region_view(change(MAPS[m]), roi, scale=scale) for m in MAPS)
            slow = image_metrics(resolve(), view=second, vanilla=first)
            slow |= located_metrics(
                resolve(), maps=change(MAPS["second"]), roi=roi, protected=PROTECTED
            )
            for metric in METRIC_NAMES:
                key = ("second", metric, scale if metric == "adr" else ANY, sign, name)
                assert np.array_equal(found[key], slow[metric], equal_nan=True), key
            assert (found["first", "adr", scale, sign, name] == 0).all()


def test_what_is_said_to_have_no_scale_has_none() -> None:
    free = [m.name for m in METRICS if m.traits["scale_free"]]
    assert {"rrf", "mrr"} <= set(free)
    assert not any(map(has_scale, free))
    for name in free:
        by_scale = [
            image_metrics(resolve(), view=region_view(MAPS["first"], ROI, scale=scale))[name]
            for scale in SCALES
        ]
        assert np.allclose(by_scale[0], by_scale[1:], rtol=1e-5), name
