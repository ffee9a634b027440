"""What must hold for every registered metric, over generated cases.

Metrics against slow loops are in their own test files.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from rightreasons.contracts.chosen import chosen, meant_for
from rightreasons.core.registry import Component
from rightreasons.metrics import METRICS, TestResult, Twins, region_view
from rightreasons.metrics._located import LocatedMaps


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


def of_need(test: str, *needs: str) -> list[str]:
    """Return the metrics with these needs that are not exempt from a test."""
    return chosen(METRICS, lambda m: m.traits["needs"] in needs and test not in m.traits["exempt"])


@given(st.lists(st.integers(0, 10**7), min_size=8, max_size=8), st.integers(2, 1000))
@settings(max_examples=100, deadline=None)
def test_metrics_of_counts_know_rates_only(cells: list[int], factor: int) -> None:
    counts = np.array(cells).reshape(2, 2, 2)
    for name in of_need("test_metrics_of_counts_know_rates_only", "counts"):
        got = values(name, counts)
        within_bounds(name, got)
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
    for name in of_need("test_metrics_of_scores_know_neither_order_nor_number", "scores"):
        got = values(name, target, score, weights)
        within_bounds(name, got)
        same = {
            "order": (target[order], score[order], weights[order]),
            "number": (target, score, factor * weights),
            "none of it": (np.append(target, 1), np.append(score, 0.3), np.append(weights, 0)),
        }
        for what, inputs in same.items():
            np.testing.assert_allclose(values(name, *inputs), got, atol=1e-9, err_msg=what)


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
    return located[:1] if needs == "located" else located


OF_MAPS = ("view", "pair", "located", "reference", "versions")


@pytest.mark.filterwarnings("error")
@given(map_cases())
@settings(max_examples=60, deadline=None)
def test_metrics_of_any_maps_lie_within_their_bounds(case: tuple[np.ndarray, ...]) -> None:
    for name in of_need("test_metrics_of_any_maps_lie_within_their_bounds", *OF_MAPS):
        got = values(name, *inputs_of(METRICS[name].traits["needs"], case))
        assert got.dtype == np.float64
        within_bounds(name, got)


def per_image(metric: Component) -> bool:
    return metric.traits["needs"] in OF_MAPS and metric.traits["kind"] != "test"


@meant_for(METRICS, "test_an_images_number_is_its_own", per_image)
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
    alone = Twins(both.protected[:1], score[:1], twin[:1], both.chance[:1], decided[:1])
    for name in of_need("test_metrics_of_twins_know_them_alone", "twins"):
        got = values(name, both)
        within_bounds(name, got)
        np.testing.assert_array_equal(np.isnan(got), ~has)
        np.testing.assert_array_equal(values(name, alone), got[:1])
