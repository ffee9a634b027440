"""What holds for every registered metric, whoever adds it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rightreasons.core.errors import UserError
from rightreasons.metrics import METRICS, LocatedMaps, TestResult, Twins, region_view
from rightreasons.metrics.compute import (
    image_metrics,
    located_metrics,
    mean_rows,
    resolve,
    significance_rows,
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


def arguments(needs: str, seed: int, unit: float = 1) -> tuple:
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


def nothing(needs: str) -> tuple:
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
ONE_GROUP = {"k_ssd", "fam", "ccm"}  # of the images with, or of those without, the attribute


@pytest.fixture(params=METRICS.names())
def metric(request):
    return METRICS[request.param]


def test_metadata_is_complete(metric):
    assert metric.title
    assert metric.paper
    assert metric.run.__doc__
    traits = metric.traits
    assert traits["needs"] in NEEDS[traits["kind"]]
    units = {"fraction", "intensity", "ratio", "probability", "similarity", "flag"}
    assert traits["unit"] in units
    assert traits["better"] in {"lower", "higher", "none"}
    assert traits["formula"]
    assert traits["bounds"][0] < traits["bounds"][1]
    for field in metric.params.model_fields.values():
        assert field.description
    metric.params()


def test_values_are_vectorised_and_within_bounds(metric):
    low, high = metric.traits["bounds"]
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
        assert known.any() if metric.name in ONE_GROUP else known.all()
        assert ((got >= low) & (got <= high))[known].all()


@pytest.mark.parametrize("name", [n for n in METRICS.names() if METRICS[n].traits["needs"] in MAPS])
def test_the_unit_of_the_maps_does_not_matter(name):
    metric = METRICS[name]
    for seed in range(3):
        one, other = (
            metric.run(*arguments(metric.traits["needs"], seed, unit), metric.params())
            for unit in (1, 1e4)
        )
        if isinstance(one, TestResult):
            one, other = ([r.value, r.p_value] for r in (one, other))
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", of_need("located"))
def test_a_map_of_zeros_has_no_place(name):
    """A map without anything in it, and one that has nothing of the sign that is asked for."""
    metric = METRICS[name]
    (located,) = arguments("located", 0)
    maps = np.where(ALTERNATING[:, None, None] == 1, -np.abs(located.maps), 0)
    less = LocatedMaps(maps, located.masks, np.ones(N, dtype=int))
    got = metric.run(less, metric.params())
    assert np.isnan(got).tolist() == [True, False] * 3
    assert np.isnan(metric.run(less, metric.params(sign="positive"))).all()


@pytest.mark.parametrize("name", of_kind("group"))
def test_one_set_of_counts_gives_one_number(name):
    metric = METRICS[name]
    first, *rest = arguments(metric.traits["needs"], 0)
    many = metric.run(first, *rest, metric.params())
    one = (first[1, 2],) if not rest else (first, rest[0], rest[1][1, 2])
    assert metric.run(*one, metric.params()) == pytest.approx(many[1, 2])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [n for n in METRICS.names() if n not in {"zero_map", "no_roi"}])
def test_what_does_not_exist_is_missing(name):
    metric = METRICS[name]
    got = metric.run(*nothing(metric.traits["needs"]), metric.params())
    assert np.isnan(got.value if isinstance(got, TestResult) else got).all()


def test_the_documentation_says_what_the_code_says():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^- \*\*`(\w+)`\*\* (.*?)(?=^- \*\*`|^## |\Z)", page, re.M | re.S))
    assert {"rrf", "rddt", "equalized_odds", "ece", "twin_effect"} <= set(entries)
    for name, entry in entries.items():
        metric, text = METRICS[name], " ".join(entry.split())
        assert text.startswith(f"{metric.title}:")
        assert f"${metric.traits['formula']}$" in text
        assert f"Source: {metric.paper}." in text
        for key, field in metric.params.model_fields.items():
            assert f"`{key}` = {field.default}" in text


def test_parameters_are_checked():
    assert resolve({"ece": {"bins": 5}})["ece"].bins == 5
    assert set(resolve()) == set(METRICS.names())
    with pytest.raises(UserError, match="did you mean 'rrf'"):
        resolve({"rrff": {}})
    with pytest.raises(UserError, match=r"'epsilon'.*eps"):
        resolve({"hrf": {"epsilon": 0.1}})
    with pytest.raises(UserError, match="'alpha'"):
        resolve({"det": {"alpha": 2}})


def test_pairs_need_vanilla():
    (view,) = arguments("view", 0)
    names = set(image_metrics(resolve(), view=view))
    assert {"rrf", "hrf", "mrr"} <= names
    assert not {"adr", "dif"} & names


def test_every_metric_of_maps_is_computed_from_maps():
    rng = np.random.default_rng(0)
    maps, roi = rng.normal(size=(N, 8, 9)).astype(np.float32), (0.2, 0.2, 0.8, 0.6)
    view = region_view(maps, roi)
    roi_metrics = image_metrics(resolve(), view=view, vanilla=view)
    whole = located_metrics(resolve(), maps=maps, roi=roi, protected=ALTERNATING)
    assert sorted([*roi_metrics, *whole]) == sorted(of_kind("image") + of_kind("pair"))
    for name, values in whole.items():
        assert values.shape == (N,)
        assert np.isnan(values).all() == (name in of_need("reference"))


def test_rows_have_the_tables_columns():
    (vanilla, view) = arguments("pair", 0)
    rows = mean_rows(image_metrics(resolve(), view=view, vanilla=vanilla), seed=0)
    rows += significance_rows(
        {"rddt": METRICS["rddt"].run(vanilla, view, METRICS["rddt"].params())}
    )
    assert all(list(row) == ["metric", "value", "ci_low", "ci_high", "n"] for row in rows)


def test_rows_of_images_do_not_depend_on_the_others():
    (view,) = arguments("view", 0)
    values = image_metrics(resolve(), view=view)
    rows = mean_rows(values, seed=1)
    assert mean_rows({"mrr": values["mrr"]}, seed=1)[0] in rows


def test_finding_the_metrics_is_cheap():
    code = (
        "import sys; from rightreasons.metrics import METRICS; METRICS.names(); "
        "slow = ('torch', 'scipy', 'statsmodels', 'sklearn', 'skimage'); "
        "print([m for m in slow if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
