"""What every metric promises, over all registered metrics.

Which of the tests are for a metric, its traits say. One that cannot pass a test that is meant for
it says why by the trait `exempt`: {"test_name": "reason"}.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from fakes import check_declared, meant_for
from rightreasons.core.registry import Component
from rightreasons.metrics import (
    HEADLINE,
    METRICS,
    LocatedMaps,
    TestResult,
    Twins,
    playing,
    region_view,
)
from rightreasons.metrics.compute import (
    image_metrics,
    located_metrics,
    mean_rows,
    resolve,
    significance_rows,
    significance_tests,
)

NEEDS = {
    "image": {"view", "located"},
    "pair": {"pair", "reference"},
    "test": {"view", "pair"},
    "group": {"counts", "scores"},
    "reliance": {"twins"},
}
N = 6
ALTERNATING = np.arange(N) % 2


def arguments(needs: str, seed: int, unit: float = 1) -> tuple[Any, ...]:
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
        "counts": (rng.integers(1, 9, (3, N, 2, 2, 2)),),
        "scores": (target, score, rng.integers(1, 4, (3, N, N))),
        "twins": (Twins(target, score, 1 - score, score > 0.5, score < 0.5),),
    }[needs]


def nothing(needs: str) -> tuple[Any, ...]:
    """Input from which no metric can be computed: no image, no ROI, no map, no twin."""
    maps, masks = np.ones((N, 5, 8), dtype=np.float32), np.zeros((N, 5, 8), dtype=bool)
    none = np.full(N, np.nan)
    view = region_view(maps, masks)
    zero = LocatedMaps(np.zeros_like(maps), ~masks, ALTERNATING)
    return {
        "located": (LocatedMaps(maps, masks, ALTERNATING),),
        "reference": (zero, zero),
        "view": (view,),
        "pair": (view, view),
        "counts": (np.zeros((3, N, 2, 2, 2), dtype=np.int64),),
        "scores": (np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros((3, N, 0))),
        "twins": (Twins(np.zeros(N), none, none, none, none),),
    }[needs]


def of_kind(kind: str) -> list[str]:
    return [name for name in METRICS.names() if METRICS[name].traits["kind"] == kind]


def of_need(need: str) -> list[str]:
    return [name for name in METRICS.names() if METRICS[name].traits["needs"] == need]


MAPS = {"view", "pair", "located", "reference"}


def of_maps(metric: Component) -> bool:
    return metric.traits["needs"] in MAPS


def whole_maps(metric: Component) -> bool:
    return bool(metric.traits["needs"] == "located")


def of_predictions(metric: Component) -> bool:
    return bool(metric.traits["kind"] == "group")


def may_be_missing(metric: Component) -> bool:
    return not metric.traits["always"]


@pytest.mark.parametrize("name", METRICS.names())
def test_traits_are_what_they_may_be(name: str) -> None:
    metric = METRICS[name]
    check_declared(metric, globals())
    assert metric.run.__doc__
    traits = metric.traits
    assert traits["needs"] in NEEDS[traits["kind"]]
    units = {"fraction", "intensity", "ratio", "probability", "similarity", "flag"}
    assert traits["unit"] in units
    assert traits["better"] in {"lower", "higher", "none"}
    assert traits["claims"] in {-1, 0, 1}
    if traits["kind"] not in {"image", "pair", "test"} or traits["always"]:
        assert traits["claims"] == 0, "says nothing of where a model looks"
    if traits["needs"] == "pair":
        assert traits["claims"] == -1, "says that the model looks there less than the original"
    assert traits["formula"]
    assert traits["bounds"][0] < traits["bounds"][1]
    assert traits["images"] in {"all", "with", "without"}
    metric.params()


@pytest.mark.parametrize("name", METRICS.names())
def test_tables_can_show_what_the_traits_ask_for(name: str) -> None:
    """A test of maps is no number per image, and an outcome comes from predictions."""
    traits = METRICS[name].traits
    if "comparisons" in traits["headline"]:
        assert set(HEADLINE) & set(traits["headline"])
        assert traits["kind"] in {"image", "pair", "group", "reliance"}
    assert set(traits["plays"]) <= {"rank", "collapse", "outcome", "shift"}
    if {"rank", "collapse", "outcome"} & set(traits["plays"]):
        assert traits["kind"] in {"group", "reliance"}
    if "rank" in traits["plays"]:
        assert traits["better"] != "none"
    if "shift" in traits["plays"]:
        assert traits["kind"] in {"image", "pair", "test"}
    if traits["table_one"]:
        assert traits["needs"] == "counts"


def test_something_ranks_and_something_says_that_a_model_collapsed() -> None:
    assert playing("rank")
    assert playing("collapse")


@meant_for(METRICS, "test_values_are_vectorised_and_within_bounds")
def test_values_are_vectorised_and_within_bounds(name: str) -> None:
    metric = METRICS[name]
    low, high = metric.traits["bounds"]
    expected = {"all": ALTERNATING >= 0, "with": ALTERNATING == 1, "without": ALTERNATING == 0}
    for seed in range(5):
        got = metric.run(*arguments(metric.traits["needs"], seed), metric.params())
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
            metric.run(*arguments(metric.traits["needs"], seed, unit), metric.params())
            for unit in (1, 1e4)
        )
        if isinstance(one, TestResult):
            one, other = ([r.value, r.p_value] for r in (one, other))
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)


@meant_for(METRICS, "test_a_map_of_zeros_has_no_place", whole_maps)
def test_a_map_of_zeros_has_no_place(name: str) -> None:
    """A map without anything in it, and one that has nothing of the sign that is asked for."""
    metric = METRICS[name]
    (located,) = arguments("located", 0)
    maps = np.where(ALTERNATING[:, None, None] == 1, -np.abs(located.maps), 0)
    protected = np.full(N, 0 if metric.traits["images"] == "without" else 1)
    less = LocatedMaps(maps, located.masks, protected)
    got = metric.run(less, metric.params())
    assert np.isnan(got).tolist() == [True, False] * 3
    assert np.isnan(metric.run(less, metric.params(sign="positive"))).all()


@meant_for(METRICS, "test_one_set_of_counts_gives_one_number", of_predictions)
def test_one_set_of_counts_gives_one_number(name: str) -> None:
    metric = METRICS[name]
    first, *rest = arguments(metric.traits["needs"], 0)
    many = metric.run(first, *rest, metric.params())
    one = (first[1, 2],) if not rest else (first, rest[0], rest[1][1, 2])
    assert metric.run(*one, metric.params()) == pytest.approx(many[1, 2])


@pytest.mark.filterwarnings("error")
@meant_for(METRICS, "test_what_does_not_exist_is_missing", may_be_missing)
def test_what_does_not_exist_is_missing(name: str) -> None:
    metric = METRICS[name]
    got = metric.run(*nothing(metric.traits["needs"]), metric.params())
    assert np.isnan(got.value if isinstance(got, TestResult) else got).all()


def of_views(kind: str, needs: str) -> set[str]:
    return {m.name for m in METRICS if (m.traits["kind"], m.traits["needs"]) == (kind, needs)}


def test_pairs_need_the_originals_maps() -> None:
    (view,) = arguments("view", 0)
    alone = set(image_metrics(resolve(), view=view))
    assert alone == of_views("image", "view")
    both = set(image_metrics(resolve(), view=view, vanilla=view))
    assert both - alone == of_views("pair", "pair")


def test_every_metric_of_maps_is_computed_from_maps() -> None:
    rng = np.random.default_rng(0)
    maps, roi = rng.normal(size=(N, 8, 9)).astype(np.float32), (0.2, 0.2, 0.8, 0.6)
    view = region_view(maps, roi)
    roi_metrics = image_metrics(resolve(), view=view, vanilla=view)
    whole = located_metrics(resolve(), maps=maps, roi=roi, protected=ALTERNATING)
    per_image = [m.name for m in METRICS if m.traits["kind"] in ("image", "pair")]
    assert sorted([*roi_metrics, *whole]) == sorted(per_image)
    for name, values in whole.items():
        assert values.shape == (N,)
        assert np.isnan(values).all() == (METRICS[name].traits["needs"] == "reference")


def test_rows_have_the_tables_columns() -> None:
    (vanilla, view) = arguments("pair", 0)
    rows = mean_rows(image_metrics(resolve(), view=view, vanilla=vanilla), seed=0)
    tests = significance_tests(resolve(), view=view, vanilla=vanilla)
    assert set(tests) == {m.name for m in METRICS if m.traits["kind"] == "test"}
    rows += significance_rows(tests)
    assert all(list(row) == ["metric", "value", "ci_low", "ci_high", "n"] for row in rows)


def test_rows_of_images_do_not_depend_on_the_others() -> None:
    (view,) = arguments("view", 0)
    values = image_metrics(resolve(), view=view)
    rows = mean_rows(values, seed=1)
    for name, numbers in values.items():
        assert mean_rows({name: numbers}, seed=1)[0] in rows


def test_finding_the_metrics_is_cheap() -> None:
    code = (
        "import sys; from rightreasons.metrics import METRICS; METRICS.names(); "
        "slow = ('torch', 'scipy', 'statsmodels', 'sklearn', 'skimage'); "
        "print([m for m in slow if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
