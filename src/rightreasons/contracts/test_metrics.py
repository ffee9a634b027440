"""What every metric promises.

Which of the tests are for a metric, its traits say. One that cannot pass a test that is meant for
it says why by the trait `exempt`: {"test_name": "reason"}.
"""

from __future__ import annotations

import numpy as np
import pytest

from rightreasons.contracts.chosen import chosen, meant_for
from rightreasons.contracts.metric_inputs import ALTERNATING, N, inputs, no_inputs
from rightreasons.core.registry import Component
from rightreasons.metrics import HEADLINE, METRICS, LocatedMaps, TestResult

NEEDS = {
    "image": {"view", "located", "versions", "witnesses"},
    "pair": {"pair", "reference"},
    "test": {"view", "pair"},
    "group": {"counts", "scores"},
    "reliance": {"twins"},
}

MAPS = {"view", "pair", "located", "reference", "versions", "witnesses"}


def of_maps(metric: Component) -> bool:
    return metric.traits["needs"] in MAPS


def whole_maps(metric: Component) -> bool:
    return bool(metric.traits["needs"] == "located")


def of_predictions(metric: Component) -> bool:
    return bool(metric.traits["kind"] == "group")


def of_many_groups(metric: Component) -> bool:
    return bool(metric.traits["many_groups"])


def may_be_missing(metric: Component) -> bool:
    return not metric.traits["always"]


@pytest.mark.parametrize("name", chosen(METRICS))
def test_traits_are_what_they_may_be(name: str) -> None:
    metric = METRICS[name]
    assert metric.run.__doc__
    traits = metric.traits
    assert traits["needs"] in NEEDS[traits["kind"]]
    assert traits["attribute"] in {"protected", "watched"}
    if traits["attribute"] == "watched":
        assert traits["needs"] in {"counts", "scores", "twins"}
        assert not traits["plays"]
        assert not traits["answers"], "the multiverse is about the protected attribute"
    units = {"fraction", "intensity", "ratio", "probability", "similarity", "flag", "cells"}
    assert traits["unit"] in units
    assert traits["better"] in {"lower", "higher", "none"}
    assert traits["claims"] in {-1, 0, 1}
    if callable(traits["interval"]):
        assert traits["needs"] == "counts", "an interval of counts"
    else:
        assert traits["interval"] in {"bootstrap", "share"}
    if traits["interval"] == "share":
        assert traits["bounds"] == (0, 1)
        assert traits["kind"] in {"image", "pair", "reliance"}
    if traits["kind"] not in {"image", "pair", "test"} or traits["always"]:
        assert traits["claims"] == 0, "says nothing of where a model looks"
    if traits["needs"] == "pair":
        assert traits["claims"] == -1, "says that the model looks there less than the original"
    assert traits["formula"]
    assert traits["bounds"][0] < traits["bounds"][1]
    assert traits["images"] in {"all", "with", "without"}
    answers = {"counts": ("", "fairness", "performance"), "twins": ("", "reliance")}
    answers |= dict.fromkeys(("view", "pair", "located"), ("", "saliency"))
    assert traits["answers"] in answers.get(traits["needs"], ("",))
    if traits["answers"]:
        assert traits["better"] != "none"
    metric.params()


@pytest.mark.parametrize("name", chosen(METRICS))
def test_tables_can_show_what_the_traits_ask_for(name: str) -> None:
    """A test of maps is no number per image, and an outcome comes from predictions."""
    traits = METRICS[name].traits
    if "comparisons" in traits["headline"]:
        assert set(HEADLINE) & set(traits["headline"])
        assert traits["kind"] in {"image", "pair", "group", "reliance"}
    assert set(traits["plays"]) <= {"rank", "utility", "collapse", "outcome", "shift"}
    if {"rank", "collapse", "outcome"} & set(traits["plays"]):
        assert traits["kind"] in {"group", "reliance"}
    if "rank" in traits["plays"]:
        assert traits["better"] != "none"
    if "shift" in traits["plays"]:
        assert traits["kind"] in {"image", "pair", "test"}
    if traits["table_one"]:
        assert traits["needs"] == "counts"


@meant_for(METRICS, "test_values_are_vectorised_and_within_bounds")
def test_values_are_vectorised_and_within_bounds(name: str) -> None:
    metric = METRICS[name]
    low, high = metric.traits["bounds"]
    expected = {"all": ALTERNATING >= 0, "with": ALTERNATING == 1, "without": ALTERNATING == 0}
    for seed in range(5):
        got = metric.run(*inputs(metric.traits["needs"], seed), metric.params())
        if metric.traits["kind"] == "test":
            assert isinstance(got, TestResult)
            got = np.array(got.value)
        else:
            leading = (3, N) if metric.traits["kind"] == "group" else (N,)
            assert got.shape == leading
        assert got.dtype == np.float64
        known = ~np.isnan(got)
        if metric.traits["images"] == "all":
            assert known.all()
        else:
            assert known.tolist() == expected[metric.traits["images"]].tolist()
        assert ((got >= low) & (got <= high))[known].all()


@meant_for(METRICS, "test_the_unit_of_the_maps_does_not_matter", of_maps)
def test_the_unit_of_the_maps_does_not_matter(name: str) -> None:
    metric = METRICS[name]
    for seed in range(3):
        one, other = (
            metric.run(*inputs(metric.traits["needs"], seed, unit), metric.params())
            for unit in (1, 1e4)
        )
        if isinstance(one, TestResult):
            one, other = ([r.value, r.p_value] for r in (one, other))
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)


@meant_for(METRICS, "test_a_map_of_zeros_has_no_place", whole_maps)
def test_a_map_of_zeros_has_no_place(name: str) -> None:
    """A map without anything in it, and one that has nothing of the sign that is asked for."""
    metric = METRICS[name]
    (located,) = inputs("located", 0)
    maps = np.where(ALTERNATING[:, None, None] == 1, -np.abs(located.maps), 0)
    protected = np.full(N, 0 if metric.traits["images"] == "without" else 1)
    less = LocatedMaps(maps, located.masks, protected)
    got = metric.run(less, metric.params())
    assert np.isnan(got).tolist() == [True, False] * 3
    if "sign" in metric.params.model_fields:
        positive = metric.params.model_validate({"sign": "positive"})
        assert np.isnan(metric.run(less, positive)).all()


@meant_for(METRICS, "test_one_set_of_counts_gives_one_number", of_predictions)
def test_one_set_of_counts_gives_one_number(name: str) -> None:
    metric = METRICS[name]
    first, *rest = inputs(metric.traits["needs"], 0)
    many = metric.run(first, *rest, metric.params())
    one = (first[1, 2],) if not rest else (first, rest[0], rest[1][1, 2])
    assert metric.run(*one, metric.params()) == pytest.approx(many[1, 2])


@pytest.mark.filterwarnings("error")
@meant_for(METRICS, "test_groups_can_be_any_number", of_many_groups)
def test_groups_can_be_any_number(name: str) -> None:
    """In any order, and one without images is no error."""
    metric = METRICS[name]
    low, high = metric.traits["bounds"]
    counts = np.random.default_rng(0).uniform(1, 9, (3, N, 2, 5, 2))
    counts[..., 4, :] = 0
    got = metric.run(counts, metric.params())
    assert got.shape == (3, N)
    assert ((got >= low) & (got <= high)).all()
    turned = metric.run(counts[..., ::-1, :], metric.params())
    np.testing.assert_allclose(turned, got, rtol=1e-12)


@pytest.mark.filterwarnings("error")
@meant_for(METRICS, "test_what_does_not_exist_is_missing", may_be_missing)
def test_what_does_not_exist_is_missing(name: str) -> None:
    metric = METRICS[name]
    got = metric.run(*no_inputs(metric.traits["needs"]), metric.params())
    assert np.isnan(got.value if isinstance(got, TestResult) else got).all()
