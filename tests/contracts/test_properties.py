"""What must hold for any split, metric and seed, over generated cases.

Counts and phi of each design are in its own test file, metrics against slow loops in theirs.
"""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import derive
from rightreasons.metrics import METRICS, TestResult, Twins, region_view
from rightreasons.metrics._located import LocatedMaps
from rightreasons.splits import BALANCED, DESIGNS, achieved, label, label_injected
from rightreasons.splits.phi_design import largest_counts
from split_labels import labels_of

FEW = {"min_images": {"train": 4, "debias": 4, "test": 4}}
DESIGN_PARAMS: dict[str, dict[str, Any]] = {
    "one_sided": {"n": "largest", "min_images": {"debias": 4, "test": 4}, "balanced": "none"}
}
QUICK = settings(max_examples=10, deadline=None)


@st.composite
def indices(draw: st.DrawFn) -> pd.DataFrame:
    """A pool's index with two attributes; some images share an identity, some have none."""
    counts = draw(st.tuples(*[st.integers(60, 160)] * 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, people = sum(counts), draw(st.integers(60, 300))
    names = [None if k < 0 else f"p{k}" for k in rng.integers(-people // 4, people, n)]
    frame = labels_of(counts, names).sample(frac=1, random_state=rng).reset_index(drop=True)
    frame["row"] = np.arange(n)
    return frame


def split_of(
    design: str, index: pd.DataFrame, protected: str, seed: int, level: float | None = None
) -> pd.DataFrame:
    """Draw a split; a case with too few images is none."""
    component = DESIGNS[design]
    params = component.params(**DESIGN_PARAMS.get(design, FEW))
    images = index.rename(columns={"target": "cat", "protected": "hat"})
    labels = (
        label(images, "cat", "hat")
        if protected == "attribute"
        else label_injected(images, "cat", "mark")
    )
    try:
        rng = np.random.default_rng(seed)
        return component.run(labels, params.levels[-1] if level is None else level, params, rng)
    except UserError:
        assume(False)
        raise


DESIGN_CASES = [(d, p) for d in DESIGNS.names() for p in ("attribute", "artifact")]


@pytest.mark.parametrize(("design", "protected"), DESIGN_CASES)
@QUICK
@given(indices(), st.integers(0, 1000))
def test_no_image_and_no_person_has_two_roles(
    design: str, protected: str, index: pd.DataFrame, seed: int
) -> None:
    split = split_of(design, index, protected, seed)
    split = split[split["role"] != BALANCED]
    source = split["row"].to_numpy() % len(index)
    if protected == "attribute":
        assert split["row"].is_unique
        np.testing.assert_array_equal(split["protected"], index["protected"].to_numpy()[source])
    np.testing.assert_array_equal(split["target"], index["target"].to_numpy()[source])
    used = pd.DataFrame({"source": source, "role": split["role"].to_numpy()})
    used["person"] = index["identity"].to_numpy()[source]
    assert (used.groupby("source")["role"].nunique() == 1).all()
    assert (used.dropna(subset="person").groupby("person")["role"].nunique() == 1).all()


@pytest.mark.parametrize(("design", "protected"), DESIGN_CASES)
@QUICK
@given(indices(), st.integers(0, 1000))
def test_names_do_not_matter(design: str, protected: str, index: pd.DataFrame, seed: int) -> None:
    """Other names for the same people and images give the same rows."""
    renamed = index.assign(
        image_id="x" + index["image_id"], identity=index["identity"].str.replace("p", "someone ")
    )
    one, other = (split_of(design, frame, protected, seed) for frame in (index, renamed))
    pd.testing.assert_frame_equal(one.drop(columns="image_id"), other.drop(columns="image_id"))
    assert other["image_id"].str.startswith("x").all()


@pytest.mark.parametrize("level", [-0.8, 0.0, 0.35, 0.9])
@QUICK
@given(indices(), st.integers(0, 1000))
def test_phi_of_an_artifact_is_within_one_image(
    level: float, index: pd.DataFrame, seed: int
) -> None:
    table = achieved(split_of("phi", index, "artifact", seed, level)).set_index("role")
    for role in ("train", "debias"):
        assert abs(table.loc[role, "phi"] - level) <= 1 / table.loc[role, "N"] + 1e-9
    assert table.loc["test", ["n00", "n01", "n10", "n11"]].nunique() == 1


CELL_COUNTS = st.tuples(*[st.integers(0, 60)] * 4)


@given(CELL_COUNTS, st.floats(-1, 1), st.integers(0, 3), st.integers(1, 20))
@settings(deadline=None)
def test_more_images_never_make_a_smaller_split(
    available: tuple[int, ...], level: float, cell: int, more: int
) -> None:
    larger = tuple(count + more * (k == cell) for k, count in enumerate(available))
    assert sum(largest_counts(larger, level)) >= sum(largest_counts(available, level))


@given(CELL_COUNTS, st.floats(-1, 1))
@settings(deadline=None)
def test_the_other_groups_name_turns_phi_around(available: tuple[int, ...], level: float) -> None:
    """Exchanging protected 0 and 1 exchanges (n11, n01) and (n10, n00), and the sign of phi."""
    n11, n10, n01, n00 = available
    turned = largest_counts((n01, n00, n11, n10), -level)
    assert sum(turned) == sum(largest_counts(available, level))


def values(name: str, *inputs: Any) -> np.ndarray:
    """Return a metric's numbers."""
    got = METRICS[name].run(*inputs, METRICS[name].params())
    return np.array([got.value, got.p_value]) if isinstance(got, TestResult) else np.asarray(got)


def within_bounds(name: str, got: np.ndarray) -> None:
    low, high = METRICS[name].traits["bounds"]
    if METRICS[name].traits["kind"] == "test":
        low, high = (min(low, 0), max(high, 1))  # the p-value's, too
    known = got[~np.isnan(got)]
    assert ((known >= low) & (known <= high)).all(), (name, got)


def of_need(*needs: str) -> list[str]:
    return [name for name in METRICS.names() if METRICS[name].traits["needs"] in needs]


@given(st.lists(st.integers(0, 10**7), min_size=8, max_size=8), st.integers(2, 1000))
@settings(max_examples=100, deadline=None)
def test_metrics_of_counts_know_rates_only(cells: list[int], factor: int) -> None:
    """All but the flag of a nearly constant model, which begins at one image."""
    counts = np.array(cells).reshape(2, 2, 2)
    for name in of_need("counts"):
        got = values(name, counts)
        within_bounds(name, got)
        if name != "collapsed_prediction":
            np.testing.assert_allclose(values(name, factor * counts), got, rtol=1e-9, err_msg=name)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities (with ties, 0 and 1) and how often each image is counted."""
    n = draw(st.integers(1, 30))
    score = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
    return (
        np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))),
        np.array(draw(st.lists(score, min_size=n, max_size=n))),
        np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))),
    )


@given(predictions(), st.integers(2, 9), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_metrics_of_scores_know_neither_order_nor_number(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], factor: int, rng: random.Random
) -> None:
    target, score, weights = case
    order = np.array(rng.sample(range(len(target)), len(target)))
    for name in of_need("scores"):
        got = values(name, target, score, weights)
        within_bounds(name, got)
        same = {
            "order": (target[order], score[order], weights[order]),
            "number": (target, score, factor * weights),
            "none of it": (np.append(target, 1), np.append(score, 0.3), np.append(weights, 0)),
        }
        for what, inputs in same.items():
            np.testing.assert_allclose(values(name, *inputs), got, atol=1e-9, err_msg=what)


@given(predictions())
@settings(max_examples=100, deadline=None)
def test_auroc_knows_ranks_only_and_turns_around(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    target, score, weights = case
    score = np.round(score, 3)  # so that the square below keeps every difference
    got = values("auroc", target, score, weights)
    np.testing.assert_allclose(values("auroc", target, score**2 / 2, weights), got, atol=1e-9)
    np.testing.assert_allclose(values("auroc", target, 1 - score, weights), 1 - got, atol=1e-9)
    np.testing.assert_allclose(values("auroc", 1 - target, score, weights), 1 - got, atol=1e-9)


RELEVANCE = (0.0, 1.0, -1.0, 3.0, 1e-30, -1e-30, 1e-3, -1e12, 1e30)
HEIGHT, WIDTH = 6, 9


@st.composite
def map_cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Maps of two models with ties, zeros and huge ranges; masks, some empty; attributes."""
    n = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    chosen = draw(st.lists(st.sampled_from(RELEVANCE), min_size=1, max_size=4))
    maps, vanilla = rng.choice(np.array(chosen, np.float32), (2, n, HEIGHT, WIDTH))
    masks = rng.random((n, HEIGHT, WIDTH)) < draw(st.sampled_from([0.0, 0.05, 0.4, 1.0]))
    return maps, vanilla, masks, rng.integers(0, 2, n)


def inputs_of(needs: str, case: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    maps, vanilla, masks, protected = case
    if needs in ("view", "pair"):
        views = (region_view(vanilla, masks), region_view(maps, masks))
        return views if needs == "pair" else views[1:]
    located = (LocatedMaps(maps, masks, protected), LocatedMaps(vanilla, masks, protected))
    return located if needs == "reference" else located[:1]


MAP_METRICS = of_need("view", "pair", "located", "reference")


@pytest.mark.filterwarnings("error")
@given(map_cases())
@settings(max_examples=60, deadline=None)
def test_metrics_of_any_maps_lie_within_their_bounds(case: tuple[np.ndarray, ...]) -> None:
    for name in MAP_METRICS:
        got = values(name, *inputs_of(METRICS[name].traits["needs"], case))
        assert got.dtype == np.float64
        within_bounds(name, got)


@pytest.mark.parametrize(
    "name", [name for name in MAP_METRICS if METRICS[name].traits["kind"] != "test"]
)
@given(seed=st.integers(0, 2**32), order=st.permutations(range(5)))
@settings(max_examples=15, deadline=None)
def test_an_images_number_is_its_own(name: str, seed: int, order: list[int]) -> None:
    """Images in another order have their numbers in that order; mirrored ones have the same."""
    rng = np.random.default_rng(seed)
    maps, vanilla = rng.normal(size=(2, 5, 12, 13)).astype(np.float32)
    masks = np.zeros((5, 12, 13), dtype=bool)
    for mask in masks:
        y, x = rng.integers(0, 8, 2)
        mask[y : y + 4, x : x + 5] = True
    case = (maps, vanilla, masks, np.array([0, 1, 1, 0, 1]))
    needs = METRICS[name].traits["needs"]
    got = values(name, *inputs_of(needs, case))
    moved = values(name, *inputs_of(needs, tuple(part[order] for part in case)))
    np.testing.assert_allclose(moved, got[order], rtol=1e-4, atol=1e-6)
    for flip in (np.s_[:, ::-1], np.s_[:, :, ::-1]):
        mirrored = (*(np.ascontiguousarray(part[flip]) for part in case[:3]), case[3])
        again = values(name, *inputs_of(needs, mirrored))
        np.testing.assert_allclose(again, got, rtol=1e-4, atol=1e-6)


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 2, st.booleans()), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_metrics_of_twins_know_them_alone(rows: list[tuple[float, float, bool]]) -> None:
    score, twin, has = (np.array(column) for column in zip(*rows, strict=True))
    twin = np.where(has, twin, np.nan)
    decided = np.where(has, twin >= 0.5, np.nan)
    both = Twins(np.arange(len(score)) % 2, score, twin, score >= 0.5, decided)
    alone = Twins(both.protected[:1], score[:1], twin[:1], both.decision[:1], decided[:1])
    for name in of_need("twins"):
        got = values(name, both)
        within_bounds(name, got)
        np.testing.assert_array_equal(np.isnan(got), ~has)
        np.testing.assert_array_equal(values(name, alone), got[:1])


#: Parts that are easily taken for each other, and any others.
ALIKE = st.sampled_from([1, 1.0, "1", "1.0", 0, -0.0, "", "a", "b", "ab", "a,b", 'a","b'])
PARTS = st.one_of(ALIKE, st.text(max_size=8), st.integers(), st.floats(allow_nan=False))
KEYS = st.tuples(st.integers(0, 3), st.sampled_from(["", "a"]), st.lists(PARTS, max_size=3))


@given(st.lists(KEYS, min_size=2, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_streams_are_the_same_exactly_if_their_keys_are(
    keys: list[tuple[int, str, list[Any]]], rng: random.Random
) -> None:
    seeds = {json.dumps(key): derive(key[0], key[1], *key[2]) for key in keys}
    assert len(set(seeds.values())) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds.values())
    for seed, stage, rest in rng.sample(keys, len(keys)):  # in another order
        stream = derive(seed, stage, *rest)
        assert stream == seeds[json.dumps([seed, stage, rest])]
        texts = [str(part) for part in rest]
        assert (stream == derive(seed, stage, *texts)) == (texts == rest)
        assert (stream == derive(seed, stage, "".join(texts))) == (["".join(texts)] == rest)


def test_neighbouring_streams_are_not_alike() -> None:
    """4,096 seeds in a row: their bits, and the first number of each stream, look random."""
    seeds = np.array([derive(seed, "train", "task", 0.5) for seed in range(4096)], np.uint64)
    assert len(np.unique(seeds)) == 4096
    bits = (seeds[:, None] >> np.arange(63, dtype=np.uint64)) & np.uint64(1)
    assert (np.abs(bits.mean(axis=0) - 0.5) < 5 * 0.5 / math.sqrt(4096)).all()
    first = [np.random.default_rng(int(seed)).random() for seed in seeds]
    assert stats.kstest(first, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 5 / math.sqrt(4096)
