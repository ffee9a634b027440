"""ROI metrics against the papers' formulas, written pixel by pixel in plain Python."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats as scipy_stats

from rightreasons.core.errors import UserError
from rightreasons.metrics import SCALES, _intensity, intensity, region_view
from rightreasons.metrics.compute import image_metrics, resolve, significance_tests
from rightreasons.regions.rois import rectangle_mask

HEIGHT, WIDTH, COUNT = 9, 13, 25
RECTANGLES = {
    "inner": (0.2, 0.5, 0.7, 0.9),
    "corner": (0.0, 0.6, 0.4, 1.0),
    "one pixel": (0.5, 0.5, 0.51, 0.51),
    "all rows": (0.3, 0.0, 0.6, 1.0),
    "whole image": (0.0, 0.0, 1.0, 1.0),
}
nan = math.nan


def random_maps(seed: int) -> np.ndarray:
    """Maps with a zero map, a map of one pixel, a sparse one and very small and large ones."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(COUNT, HEIGHT, WIDTH)).astype(np.float32)
    maps[seed % 5] = 0
    maps[7] = 0
    maps[7, 6, 5] = -3
    maps[8] *= rng.random((HEIGHT, WIDTH)) < 0.1
    maps[9] *= 1e-30
    maps[10] *= 1e30
    return maps


def random_masks(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    masks = rng.random((COUNT, HEIGHT, WIDTH)) < 0.3
    masks[:, :2] = False
    masks[3] = False
    masks[11] = False
    masks[4] = True
    masks[5] = False
    masks[5, 6, 7] = True
    return masks


def slow_intensity(raw: list[list[float]], scale: str) -> list[list[float]]:
    peak = max(abs(r) for row in raw for r in row)
    total = sum(abs(r) for row in raw for r in row)
    if peak == 0:
        return [[0.0] * len(row) for row in raw]
    if scale == "max":
        return [[abs((r / peak + 1) / 2 - 0.5) for r in row] for row in raw]
    return [[abs(r) / (total if scale == "mass" else 1) for r in row] for row in raw]


def split(p: list[list[float]], mask: list[list[bool]]) -> tuple[list[float], list[float]]:
    pairs = [
        (v, m) for row, line in zip(p, mask, strict=True) for v, m in zip(row, line, strict=True)
    ]
    return [v for v, m in pairs if m], [v for v, m in pairs if not m]


def slow_metrics(
    maps: np.ndarray, vanilla: np.ndarray, masks: np.ndarray, scale: str, eps: dict[str, float]
) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {name: [] for name in ("rrf", "hrf", "mrr", "adr", "dif", "det")}
    for raw, raw_vanilla, mask in zip(maps.tolist(), vanilla.tolist(), masks.tolist(), strict=True):
        inside, outside = split(slow_intensity(raw, scale), mask)
        before, _ = split(slow_intensity(raw_vanilla, scale), mask)
        if not inside:
            for values in out.values():
                values.append(nan)
            continue
        size, total = len(inside), sum(inside) + sum(outside)
        mean = sum(inside) / size
        rest = sum(outside) / len(outside) if outside else nan
        out["rrf"].append(sum(inside) / total if total else nan)
        out["hrf"].append(sum(v > eps["hrf"] for v in inside) / size)
        out["mrr"].append(mean / rest if rest else nan)
        out["adr"].append(sum(b - v for b, v in zip(before, inside, strict=True)) / size)
        out["dif"].append(
            sum(b - v > eps["dif"] for b, v in zip(before, inside, strict=True)) / size
        )
        out["det"].append(mean - rest)
    return out


def compare(maps, vanilla, roi, masks, scale, **eps):
    metrics = resolve({name: {"eps": value} for name, value in eps.items()})
    view = region_view(maps, roi, scale=scale)
    fast = image_metrics(metrics, view=view, vanilla=region_view(vanilla, roi, scale=scale))
    slow = slow_metrics(maps, vanilla, masks, scale, {"hrf": 0.05, "dif": 1e-3} | eps)
    for name in ("rrf", "hrf", "mrr", "adr", "dif"):
        np.testing.assert_allclose(fast[name], slow[name], rtol=2e-5, atol=1e-7, err_msg=name)
    return fast, slow


@pytest.mark.parametrize("roi", RECTANGLES.values(), ids=RECTANGLES.keys())
@pytest.mark.parametrize("scale", ["max", "mass"])
def test_rectangles_against_loops(roi, scale):
    masks = np.stack([rectangle_mask(roi, height=HEIGHT, width=WIDTH)] * COUNT)
    compare(random_maps(1), random_maps(2), roi, masks, scale)


@pytest.mark.parametrize("scale", ["max", "mass"])
def test_masks_against_loops(scale):
    masks = random_masks(3)
    fast, _ = compare(random_maps(1), random_maps(2), masks, masks, scale)
    assert np.isnan([fast[name][[3, 11]] for name in ("rrf", "hrf", "mrr", "adr", "dif")]).all()
    assert np.flatnonzero(fast["no_roi"]).tolist() == [3, 11]


def test_raw_scale_against_loops():
    roi = RECTANGLES["inner"]
    masks = np.stack([rectangle_mask(roi, height=HEIGHT, width=WIDTH)] * COUNT)
    maps, vanilla = random_maps(1), random_maps(2)
    maps[10] = vanilla[10] = 1  # its 1e30 leaves no digits for differences
    compare(maps, vanilla, roi, masks, "raw")


def test_thresholds_are_parameters():
    roi = RECTANGLES["inner"]
    masks = np.stack([rectangle_mask(roi, height=HEIGHT, width=WIDTH)] * COUNT)
    default, _ = compare(random_maps(1), random_maps(2), roi, masks, "max")
    other, _ = compare(random_maps(1), random_maps(2), roi, masks, "max", hrf=0.2, dif=0.1)
    for name in ("hrf", "dif"):
        assert np.nanmean(other[name]) < np.nanmean(default[name])


def test_a_mask_of_the_rectangle_gives_the_rectangles_numbers():
    roi = RECTANGLES["inner"]
    masks = np.stack([rectangle_mask(roi, height=HEIGHT, width=WIDTH)] * COUNT)
    metrics = resolve()
    by_roi, by_mask = (
        image_metrics(
            metrics,
            view=region_view(random_maps(1), r),
            vanilla=region_view(random_maps(2), r),
        )
        for r in (roi, masks)
    )
    for name, values in by_roi.items():
        np.testing.assert_allclose(by_mask[name], values, rtol=1e-6, atol=1e-7)


def test_zero_maps_are_counted_and_not_nan_where_a_number_exists():
    maps = random_maps(1)
    view = region_view(maps, RECTANGLES["inner"])
    values = image_metrics(resolve(), view=view, vanilla=view)
    assert np.flatnonzero(values["zero_map"]).tolist() == [1]
    assert np.isnan([values["rrf"][1], values["mrr"][1]]).all()
    assert [values[name][1] for name in ("hrf", "adr", "dif")] == [0, 0, 0]


def test_relevance_only_inside():
    """A map that is zero outside the ROI, to the last bit, has no ratio to the outside."""
    mask = rectangle_mask(RECTANGLES["inner"], height=HEIGHT, width=WIDTH)
    maps = np.random.default_rng(0).normal(size=(3, HEIGHT, WIDTH)).astype(np.float32) * mask
    values = image_metrics(resolve(), view=region_view(maps, RECTANGLES["inner"]))
    assert (values["rrf"] == 1).all()
    assert np.isnan(values["mrr"]).all()


def test_whole_image_has_no_outside():
    values = region_view(random_maps(0)[5:], (0, 0, 1, 1))
    metrics = image_metrics(resolve(), view=values)
    np.testing.assert_allclose(metrics["rrf"], 1)
    assert np.isnan(metrics["mrr"]).all()
    assert math.isnan(significance_tests(resolve(), view=values)["det"].value)


@pytest.mark.parametrize("scale", SCALES)
def test_intensity_against_loops(scale):
    maps = random_maps(4)
    slow = [slow_intensity(raw, scale) for raw in maps.tolist()]
    np.testing.assert_allclose(intensity(maps, scale), slow, rtol=1e-5, atol=1e-7)


def test_intensity_ranges():
    maps = random_maps(0)
    p = intensity(maps)
    assert p.dtype == np.float32
    assert p.max() == 0.5
    assert (p[0] == 0).all()
    np.testing.assert_allclose(intensity(maps, "mass").sum(axis=(1, 2))[1:], 1, rtol=1e-5)


def test_intensity_knows_no_units_and_no_sign():
    maps = random_maps(1)[:9]
    for scale in ("max", "mass"):
        np.testing.assert_allclose(intensity(-7 * maps, scale), intensity(maps, scale), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e33])
def test_maps_that_are_not_finite_name_the_image(bad, monkeypatch):
    monkeypatch.setattr(_intensity, "CHUNK", 3 * HEIGHT * WIDTH)
    maps = random_maps(1)
    maps[17, 8, 12] = bad
    with pytest.raises(UserError, match="map 17 "):
        region_view(maps, RECTANGLES["inner"])
    with pytest.raises(UserError, match="map 17 "):
        intensity(maps)


def test_chunks_do_not_matter(monkeypatch):
    whole = region_view(random_maps(1), RECTANGLES["inner"])
    monkeypatch.setattr(_intensity, "CHUNK", 4 * HEIGHT * WIDTH)
    parts = region_view(random_maps(1), RECTANGLES["inner"])
    for field in vars(whole):
        np.testing.assert_array_equal(getattr(whole, field), getattr(parts, field))


def test_input_is_left_alone_and_may_be_half_precision():
    maps = random_maps(1)
    maps[10] = 1
    kept = maps.copy()
    view = region_view(maps, RECTANGLES["inner"])
    intensity(maps)
    np.testing.assert_array_equal(maps, kept)
    half = region_view(maps.astype(np.float16), RECTANGLES["inner"])
    np.testing.assert_allclose(half.inside_mean[:9], view.inside_mean[:9], rtol=1e-2)


def test_no_images():
    view = region_view(np.zeros((0, HEIGHT, WIDTH), dtype=np.float32), RECTANGLES["inner"])
    assert all(v.shape == (0,) for v in image_metrics(resolve(), view=view, vanilla=view).values())
    tests = significance_tests(resolve(), view=view, vanilla=view)
    assert all(math.isnan(test.value) and test.n == 0 for test in tests.values())


def test_wrong_input_is_refused():
    maps = random_maps(1)
    with pytest.raises(UserError, match="masks"):
        region_view(maps, np.ones((COUNT, WIDTH, HEIGHT), dtype=bool))
    with pytest.raises(UserError, match="scale"):
        region_view(maps, RECTANGLES["inner"], scale="min")
    with pytest.raises(UserError, match="shape"):
        intensity(maps[0])
    view, other = (region_view(maps[:n], RECTANGLES["inner"]) for n in (5, 6))
    with pytest.raises(UserError, match="differ"):
        image_metrics(resolve(), view=view, vanilla=other)


# Tests over images


def slow_t_test(d: list[float]) -> tuple[float, float]:
    t = statistics.mean(d) / (statistics.stdev(d) / math.sqrt(len(d)))
    return t, float(scipy_stats.t.sf(t, len(d) - 1))


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.5])
def test_rddt_against_loops(shift):
    roi = RECTANGLES["inner"]
    mask = rectangle_mask(roi, height=HEIGHT, width=WIDTH)
    masks = np.stack([mask] * COUNT)
    maps, vanilla = random_maps(1), random_maps(2)
    vanilla *= 1 + shift * mask
    slow = slow_metrics(maps, vanilla, masks, "max", {"hrf": 0.05, "dif": 1e-3})
    result = significance_tests(
        resolve(), view=region_view(maps, roi), vanilla=region_view(vanilla, roi)
    )["rddt"]
    t, p = slow_t_test(slow["adr"])
    reference = scipy_stats.ttest_1samp(slow["adr"], 0, alternative="greater")
    ranks = scipy_stats.wilcoxon(slow["adr"], alternative="greater")
    assert result.n == COUNT
    assert result.effect == pytest.approx(statistics.mean(slow["adr"]), rel=1e-4)
    assert result.statistic == pytest.approx(t, rel=1e-4)
    assert result.p_value == pytest.approx(p, rel=1e-3)
    assert p == pytest.approx(reference.pvalue)
    assert result.wilcoxon_p == pytest.approx(ranks.pvalue)
    assert result.value == float(p < 0.01)


def test_det_against_loops():
    masks = random_masks(3)
    slow = slow_metrics(random_maps(1), random_maps(1), masks, "max", {"hrf": 0.05, "dif": 1e-3})[
        "det"
    ]
    known = [d for d in slow if not math.isnan(d)]
    result = significance_tests(resolve(), view=region_view(random_maps(1), masks))["det"]
    t, p = slow_t_test(known)
    assert result.n == len(known) == COUNT - 3
    assert result.statistic == pytest.approx(t, rel=1e-4)
    assert result.p_value == pytest.approx(p, rel=1e-3)


def test_identical_maps_never_differ():
    view = region_view(random_maps(1), RECTANGLES["inner"])
    again = region_view(random_maps(1), RECTANGLES["inner"])
    result = significance_tests(resolve(), view=again, vanilla=view)["rddt"]
    assert (result.value, result.p_value, result.wilcoxon_p, result.effect) == (0, 1, 1, 0)
    values = image_metrics(resolve(), view=again, vanilla=view)
    assert not values["adr"].any()
    assert not values["dif"].any()


def test_the_same_difference_everywhere_is_certain():
    maps = np.ones((4, 4, 6), dtype=np.float32)
    less = maps.copy()
    less[:, 2:, 3:] = 0.5
    roi = (0.5, 0.5, 1, 1)
    full, reduced = region_view(maps, roi), region_view(less, roi)
    down = significance_tests(resolve(), view=reduced, vanilla=full)["rddt"]
    up = significance_tests(resolve(), view=full, vanilla=reduced)["rddt"]
    assert (down.value, down.p_value, down.effect) == (1, 0, 0.25)
    assert (up.value, up.p_value, up.effect) == (0, 1, -0.25)


def test_det_finds_no_difference_in_noise():
    """Noise is called significant about as often as alpha says, neither more nor never."""
    rng = np.random.default_rng(5)
    roi, metrics = (0.2, 0.3, 0.7, 0.8), resolve({"det": {"alpha": 0.05}})
    found = 0.0
    for _ in range(300):
        noise = rng.normal(size=(30, 8, 10)).astype(np.float32)
        found += significance_tests(metrics, view=region_view(noise, roi))["det"].value
    assert scipy_stats.binomtest(int(found), 300, 0.05).pvalue > 0.01


def test_det_finds_a_bright_region():
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(30, 8, 10)).astype(np.float32)
    maps[:, 2:6, 2:7] *= 1.5
    assert significance_tests(resolve(), view=region_view(maps, (0.2, 0.25, 0.7, 0.75)))[
        "det"
    ].value
