"""Metrics of whole maps against their definitions, written slowly: ties, pairs, windows."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from rightreasons.core.errors import UserError
from rightreasons.metrics import LocatedMaps, ReferenceMaps, _intensity
from rightreasons.metrics._located import locate, top_share
from rightreasons.metrics._similarity import similarity
from rightreasons.metrics.compute import located_metrics, resolve
from rightreasons.regions.rois import rectangle_mask

HEIGHT, WIDTH, COUNT = 9, 13, 24
ROI = (0.2, 0.5, 0.7, 0.9)
RECTANGLE = rectangle_mask(ROI, height=HEIGHT, width=WIDTH)
PROTECTED = np.arange(COUNT) % 2
RANKED = ("top_fraction", "pointing_game", "relevance_rank_accuracy", "localisation_auc")


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, HEIGHT, WIDTH)).astype(np.float32)


def few_values(seed: int = 0) -> np.ndarray:
    """Maps of four values, as occlusion with large boxes gives."""
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, (COUNT, HEIGHT, WIDTH)).astype(np.float32)


def scattered(seed: int = 0) -> np.ndarray:
    """Masks of any form; image 3 has none, image 4 everything, image 5 one pixel."""
    masks = np.random.default_rng(seed).random((COUNT, HEIGHT, WIDTH)) < 0.2
    masks[:, :2] = False
    masks[3], masks[4], masks[5] = False, True, False
    masks[5, 6, 7] = True
    return masks


def measured(maps: np.ndarray, roi: Any = ROI, **params: Any) -> dict[str, np.ndarray]:
    return located_metrics(resolve(params), maps=maps, roi=roi, protected=PROTECTED)


def one_order(strength: np.ndarray, inside: np.ndarray, count: int, order: np.ndarray) -> float:
    """The share inside of the `count` highest pixels, tied ones taken as they come in `order`."""
    chosen = sorted(order, key=lambda i: -strength.ravel()[i])[:count]
    return float(np.mean(inside.ravel()[chosen]))


# Ties


@pytest.mark.parametrize("count", range(1, 7))
def test_a_top_share_is_the_mean_over_all_orders_of_ties(count: int) -> None:
    rng = np.random.default_rng(count)
    maps = rng.integers(0, 3, (8, 2, 3)).astype(np.float32)
    masks = rng.random((8, 2, 3)) < 0.5
    got = top_share(maps, masks, np.full(8, count))
    orders = list(itertools.permutations(range(6)))
    for value, strength, inside in zip(got, maps, masks, strict=True):
        slow = [one_order(strength, inside, count, order) for order in orders]
        assert value == pytest.approx(np.mean(slow))


def test_a_top_share_with_a_count_for_each_map() -> None:
    maps, masks = few_values(), scattered()
    counts = np.arange(1, COUNT + 1) % 5 + 1
    alone = [top_share(maps[[i]], masks[[i]], counts[[i]])[0] for i in range(COUNT)]
    np.testing.assert_array_equal(top_share(maps, masks, counts), alone)


@pytest.mark.parametrize("name", ["top_fraction", "relevance_rank_accuracy", "pointing_game"])
def test_few_valued_maps_against_random_orders(name: str) -> None:
    maps, masks = few_values(), scattered()
    params = {"top_fraction": {"top": 0.1}}
    got = measured(maps, masks, **params)[name]
    rng = np.random.default_rng(1)
    for i in (0, 5, 7, 11):
        rows, columns = np.nonzero(masks[i])
        box = np.zeros((HEIGHT, WIDTH), bool)
        box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        inside = box if name == "top_fraction" else masks[i]
        count = {"top_fraction": 12, "pointing_game": 1}.get(name, masks[i].sum())
        orders = [rng.permutation(HEIGHT * WIDTH) for _ in range(400)]
        slow = [one_order(np.abs(maps[i]), inside, count, order) for order in orders]
        assert got[i] == pytest.approx(np.mean(slow), abs=4 * np.std(slow) / 20 + 1e-9)


def test_a_constant_map_has_the_share_of_the_area() -> None:
    constant = np.full((COUNT, HEIGHT, WIDTH), -2, np.float32)
    values = measured(constant)
    share = RECTANGLE.mean()
    for name in RANKED[:3]:
        np.testing.assert_allclose(values[name], share)
    np.testing.assert_allclose(values["localisation_auc"], 0.5)
    masks = scattered()
    boxes = next(locate(constant, masks, PROTECTED))[1].boxes
    np.testing.assert_allclose(
        np.nan_to_num(measured(constant, masks)["top_fraction"]), boxes.mean(axis=(1, 2))
    )


# Definitions


def test_maps_without_ties_against_sorting() -> None:
    maps, masks = noise(), scattered()
    got = measured(maps, masks, top_fraction={"top": 0.05})
    for i in range(COUNT):
        if not masks[i].any():
            assert np.isnan([got[name][i] for name in RANKED]).all()
            continue
        order = np.argsort(-np.abs(maps[i]).ravel())
        rows, columns = np.nonzero(masks[i])
        places = [divmod(int(pixel), WIDTH) for pixel in order[:6]]  # 5 % of 117 pixels
        in_box = [
            rows.min() <= y <= rows.max() and columns.min() <= x <= columns.max() for y, x in places
        ]
        assert got["top_fraction"][i] == pytest.approx(np.mean(in_box))
        assert got["pointing_game"][i] == masks[i].ravel()[order[0]]
        top = order[: masks[i].sum()]
        assert got["relevance_rank_accuracy"][i] == pytest.approx(masks[i].ravel()[top].mean())


@pytest.mark.parametrize("maps", [noise(), few_values()], ids=["noise", "few values"])
@pytest.mark.parametrize("sign", ["absolute", "positive"])
def test_localisation_auc_is_sklearns(maps: np.ndarray, sign: str) -> None:
    masks = scattered()
    got = measured(maps, masks, localisation_auc={"sign": sign})["localisation_auc"]
    assert np.flatnonzero(np.isnan(got)).tolist() == [3, 4]
    strength = np.abs(maps) if sign == "absolute" else np.maximum(maps, 0)
    for i in np.flatnonzero(~np.isnan(got)):
        assert got[i] == pytest.approx(roc_auc_score(masks[i].ravel(), strength[i].ravel()))


def test_at_least_one_pixel_is_ranked() -> None:
    maps = noise()
    one = measured(maps, top_fraction={"top": 1e-9})["top_fraction"]
    np.testing.assert_array_equal(one, measured(maps)["pointing_game"])
    assert set(one) == {0, 1}


def test_relevance_only_in_the_roi_is_all_of_it() -> None:
    values = measured(np.abs(noise()) * RECTANGLE + RECTANGLE)
    for name in RANKED:
        np.testing.assert_array_equal(values[name], 1)
    values = measured(noise() * ~RECTANGLE)
    for name in RANKED[:3]:
        np.testing.assert_array_equal(values[name], 0)


def test_noise_lies_in_the_roi_by_chance() -> None:
    values = [measured(noise(seed), top_fraction={"top": 0.05}) for seed in range(60)]
    for name, chance in [*((name, RECTANGLE.mean()) for name in RANKED[:3]), (RANKED[3], 0.5)]:
        sample = np.concatenate([v[name] for v in values])
        assert abs(sample.mean() - chance) < 4 * sample.std() / math.sqrt(len(sample))


@pytest.mark.parametrize("roi", [ROI, scattered()], ids=["rectangle", "masks"])
def test_the_sign_of_a_region_is_summed_pixel_by_pixel(roi: Any) -> None:
    maps = noise(3)
    maps[7] = 0
    found = measured(maps, roi, region_sign={})["region_sign"]
    for i, map_ in enumerate(maps):
        mask = RECTANGLE if roi is ROI else roi[i]
        pairs = list(zip(map_.ravel().tolist(), mask.ravel(), strict=True))
        inside, total = sum(r for r, m in pairs if m), sum(abs(r) for r, _ in pairs)
        missing = not mask.any() or total == 0
        assert math.isnan(found[i]) if missing else found[i] == pytest.approx(inside / total)
    assert math.isnan(found[7])
    flipped = measured(-maps, roi, region_sign={})["region_sign"]
    np.testing.assert_array_equal(flipped, -found)


def test_the_sign_is_a_parameter() -> None:
    maps = noise()
    params = {name: {"sign": "positive"} for name in (*RANKED, "k_ssd")}
    positive, absolute = measured(maps, **params), measured(maps)
    ranked = set(measured(maps)) - {"region_sign"}  # which is about both signs
    for name, values in ((n, v) for n, v in measured(np.maximum(maps, 0)).items() if n in ranked):
        np.testing.assert_array_equal(positive[name], values)
        assert name in ("fam", "ccm") or not np.array_equal(absolute[name], values, equal_nan=True)


@pytest.mark.parametrize("sign", ["absolute", "positive"])
def test_a_mask_of_the_rectangle_gives_the_rectangles_numbers(sign: str) -> None:
    params = {name: {"sign": sign} for name in (*RANKED, "k_ssd")}
    masks = np.stack([RECTANGLE] * COUNT)
    for name, values in measured(noise(), ROI, **params).items():
        np.testing.assert_array_equal(measured(noise(), masks, **params)[name], values)


def test_images_without_a_roi_have_no_box() -> None:
    (_, located), *_ = locate(noise(), scattered(), PROTECTED)
    assert not located.boxes[3].any()
    assert located.boxes[4].all()
    assert located.boxes[5].sum() == 1


# Similarity


def slow_ssim(a: np.ndarray, b: np.ndarray, side: int) -> float:
    """Wang et al. 2004, eq. 13, with sample covariances, over all windows that fit."""
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for y, x in itertools.product(range(a.shape[0] - side + 1), range(a.shape[1] - side + 1)):
        p, q = (m[y : y + side, x : x + side].astype(float).ravel() for m in (a, b))
        (var_p, both), (_, var_q) = np.cov(p, q)
        luminance = (2 * p.mean() * q.mean() + c1) / (p.mean() ** 2 + q.mean() ** 2 + c1)
        values.append(luminance * (2 * both + c2) / (var_p + var_q + c2))
    return float(np.mean(values))


@pytest.mark.parametrize(("height", "width", "side"), [(9, 13, 7), (5, 8, 5), (6, 4, 3)])
def test_ssim_against_windows(height: int, width: int, side: int) -> None:
    a, b = (np.abs(m[:4, :height, :width]) for m in (noise(1), few_values(2)))
    got = similarity(a, b, "ssim")
    for value, one, other in zip(got, a, b, strict=True):
        slow = slow_ssim(one / one.max(), other / other.max(), side)
        assert value == pytest.approx(slow, abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (300, 260), (64, 40)])
def test_ssim_is_scikit_images_for_dense_sparse_and_constant_maps(height: int, width: int) -> None:
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(0)
    dense = rng.uniform(size=(height, width))
    dense /= dense.max()
    sparse, box, grey = dense**40, np.zeros_like(dense), np.full_like(dense, 0.7)
    box[height // 2 :, : width // 3] = 1
    grey[0, 0] = 1
    maps = np.stack([dense, sparse, box, grey]).astype(np.float32)
    for one, other in itertools.product(maps, maps):
        exact = structural_similarity(
            one.astype(float), other.astype(float), win_size=7, data_range=1.0
        )
        got = similarity(one[None], other[None], "ssim")[0]
        assert got == pytest.approx(exact, abs=1e-9)
    together = similarity(maps, maps[::-1], "ssim")
    alone = [similarity(a[None], b[None], "ssim")[0] for a, b in zip(maps, maps[::-1], strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-7)


def test_ssim_of_tiny_maps_is_refused() -> None:
    with pytest.raises(UserError, match="too small"):
        similarity(np.ones((1, 2, 8), np.float32), np.ones((1, 2, 8), np.float32), "ssim")


def test_correlations_are_scipys() -> None:
    a, b = np.abs(few_values(1)), np.abs(noise(2))
    for kind, slow in [("spearman", scipy_stats.spearmanr), ("correlation", scipy_stats.pearsonr)]:
        got = similarity(a, b, kind)  # type: ignore[arg-type]
        for value, one, other in zip(got, a, b, strict=True):
            assert value == pytest.approx(slow(one.ravel(), other.ravel()).statistic)


def test_the_overlap_is_what_two_maps_of_sum_1_share() -> None:
    a, b = np.abs(few_values(1)), np.abs(noise(2))
    for value, one, other in zip(similarity(a, b, "overlap"), a, b, strict=True):
        p, q = (m.astype(float) / m.sum(dtype=float) for m in (one, other))
        slow = sum(min(x, y) for x, y in zip(p.ravel(), q.ravel(), strict=True))
        assert value == pytest.approx(slow)
        assert value == pytest.approx(1 - np.abs(p - q).sum() / 2)


def signals() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Maps (1, 64, 64) that show a signal's place more and less, and the place's mask."""
    rng = np.random.default_rng(0)
    mask = rectangle_mask((0.06, 0.78, 0.5, 0.97), height=64, width=64).astype(np.float32)
    drawn, outside = np.abs(rng.normal(size=(2, 64, 64)))
    half = mask * (np.cumsum(mask, axis=1) <= 14)
    pixel = np.zeros((64, 64))
    pixel[3, 60] = 1
    maps = {
        "the place": mask,
        "half of it": half,
        "it and noise elsewhere": mask * drawn / mask.sum() + (1 - mask) * outside / 4096,
        "noise": drawn,
        "elsewhere": mask[::-1],
        "one pixel elsewhere": pixel,
    }
    return {name: m[None].astype(np.float32) for name, m in maps.items()}, mask[None]


def test_the_overlap_with_a_place_is_less_the_less_a_map_shows_it() -> None:
    maps, mask = signals()
    got = {name: similarity(m, mask, "overlap")[0] for name, m in maps.items()}
    assert got["the place"] == pytest.approx(1)
    assert got["half of it"] == pytest.approx(0.5)
    assert 0.3 < got["it and noise elsewhere"] < 0.6
    assert got["noise"] == pytest.approx(mask.mean(), rel=0.1)  # chance: the share of the image
    assert got["elsewhere"] == got["one pixel elsewhere"] == 0


def test_ssim_with_a_place_rewards_what_is_sparse_anywhere() -> None:
    """Why K-SSD does not compare by SSIM: two empty windows are alike."""
    maps, mask = signals()
    got = {name: similarity(m, mask, "ssim")[0] for name, m in maps.items()}
    assert got["one pixel elsewhere"] > 0.8
    assert got["elsewhere"] > 0.5 > got["it and noise elsewhere"]


@pytest.mark.parametrize("kind", ["ssim", "spearman", "correlation", "overlap"])
def test_the_same_maps_are_alike_in_any_unit(kind: Any) -> None:
    maps = np.abs(noise())
    np.testing.assert_allclose(similarity(maps, maps, kind), 1, rtol=1e-12)
    np.testing.assert_allclose(similarity(maps, 1e-3 * maps, kind), 1, rtol=1e-5)
    assert np.isnan(similarity(0 * maps, maps, kind)).all()
    maps[2] = 0
    assert np.flatnonzero(np.isnan(similarity(maps, noise(1) ** 2, kind))).tolist() == [2]


def test_a_constant_map_correlates_with_nothing() -> None:
    constant = np.full((COUNT, HEIGHT, WIDTH), 0.1, np.float32)
    for kind in ("spearman", "correlation"):
        assert np.isnan(similarity(constant, np.abs(noise()), kind)).all()  # type: ignore[arg-type]
    assert np.isfinite(similarity(constant, np.abs(noise()), "ssim")).all()


@pytest.mark.parametrize("kind", ["overlap", "ssim"])
def test_k_ssd_compares_with_the_signal_on_images_that_have_it(kind: Any) -> None:
    masks = scattered()
    params = {} if kind == "overlap" else {"k_ssd": {"similarity": kind}}
    got = measured(noise(), masks, **params)["k_ssd"]
    alike = similarity(np.abs(noise()), masks.astype(np.float32), kind)
    wanted = np.where(PROTECTED == 1, alike, np.nan)
    np.testing.assert_allclose(got, wanted)
    assert np.isnan(got[3])  # with the attribute, without a ROI
    exact = measured(masks * np.float32(-5), masks)["k_ssd"]
    np.testing.assert_allclose(exact[(PROTECTED == 1) & masks.any(axis=(1, 2))], 1)


# The normal model


def against(normal: np.ndarray, rows: np.ndarray, **params: Any) -> dict[str, np.ndarray]:
    return located_metrics(
        resolve(params), maps=noise(), roi=ROI, protected=PROTECTED,
        normal=ReferenceMaps(normal, rows),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["ssim", "spearman"])
def test_fam_and_ccm_divide_the_images(kind: Any) -> None:
    params = {name: {"similarity": kind} for name in ("fam", "ccm")}
    got = against(noise(5), np.arange(COUNT), **params)
    alike = similarity(np.abs(noise()), np.abs(noise(5)), kind)
    np.testing.assert_allclose(got["fam"], np.where(PROTECTED == 1, alike, np.nan))
    np.testing.assert_allclose(got["ccm"], np.where(PROTECTED == 0, alike, np.nan))


def test_the_normal_model_is_like_itself() -> None:
    got = against(noise(), np.arange(COUNT))
    np.testing.assert_array_equal(got["fam"][PROTECTED == 1], 1)
    np.testing.assert_array_equal(got["ccm"][PROTECTED == 0], 1)


def test_images_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The normal model's maps in another order, some absent, and more than there are images."""
    monkeypatch.setattr(_intensity, "CHUNK", 5 * HEIGHT * WIDTH)
    order = np.random.default_rng(3).permutation(COUNT)
    shuffled = np.concatenate([noise(5)[order], noise(6)])
    rows = np.argsort(order)
    rows[[2, 3, 10, 11, 12, 13, 14]] = -1
    got, whole = against(shuffled, rows), against(noise(5), np.arange(COUNT))
    for name in ("fam", "ccm"):
        np.testing.assert_array_equal(got[name], np.where(rows < 0, np.nan, whole[name]))


def test_no_image_in_common_is_no_error() -> None:
    got = against(noise(5), np.full(COUNT, -1))
    assert np.isnan([got["fam"], got["ccm"]]).all()


def test_normal_maps_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match="one size"):
        against(noise(5)[:, :8], np.arange(COUNT))


def test_fam_and_ccm_need_no_roi() -> None:
    masks = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    got = located_metrics(
        resolve(), maps=noise(), roi=masks, protected=PROTECTED,
        normal=ReferenceMaps(noise(5), np.arange(COUNT)),
    )  # fmt: skip
    np.testing.assert_array_equal(np.isnan(got["fam"]), PROTECTED == 0)
    assert np.isnan([got[name] for name in (*RANKED, "k_ssd")]).all()


# Reading


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(few_values(), scattered())
    monkeypatch.setattr(_intensity, "CHUNK", 5 * HEIGHT * WIDTH)
    for name, values in measured(few_values(), scattered()).items():
        np.testing.assert_array_equal(values, whole[name])


def test_broken_maps_and_wrong_masks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_intensity, "CHUNK", 5 * HEIGHT * WIDTH)
    maps = noise()
    maps[17, 3, 3] = np.nan
    with pytest.raises(UserError, match="map 17 "):
        measured(maps)
    with pytest.raises(UserError, match="bool masks"):
        measured(noise(), scattered().astype(np.uint8))


def test_input_is_left_alone() -> None:
    maps = noise()
    maps.setflags(write=False)
    measured(maps)
    measured(maps.astype(np.float16), scattered())


def test_a_rectangle_is_no_copy_per_image() -> None:
    _, located = next(locate(noise(), ROI, PROTECTED))
    assert isinstance(located, LocatedMaps)
    assert located.masks.strides[0] == 0


def test_memory_does_not_grow_with_the_number_of_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_intensity, "CHUNK", 2 * 40 * 40)
    peaks = []
    for count in (4, 4, 64):  # the first imports scipy
        maps = np.random.default_rng(0).normal(size=(count, 40, 40)).astype(np.float32)
        normal = ReferenceMaps(maps[::-1], np.arange(count))
        tracemalloc.start()
        located_metrics(
            resolve(), maps=maps, roi=ROI, protected=np.arange(count) % 2, normal=normal
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + maps.nbytes / 4
