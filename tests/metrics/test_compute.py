"""From registered metrics to rows of tables, over all of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from rightreasons.contracts.metric_inputs import ALTERNATING, N, inputs
from rightreasons.metrics import METRICS, ReferenceMaps, playing, region_view
from rightreasons.metrics.compute import (
    image_metrics,
    located_metrics,
    mean_rows,
    resolve,
    significance_rows,
    significance_tests,
    witnessed_metrics,
)


def test_something_ranks_and_something_says_that_a_model_collapsed() -> None:
    assert playing("rank")
    assert playing("collapse")


def of_views(kind: str, needs: str) -> set[str]:
    return {m.name for m in METRICS if (m.traits["kind"], m.traits["needs"]) == (kind, needs)}


def test_pairs_need_the_originals_maps() -> None:
    (view,) = inputs("view", 0)
    alone = set(image_metrics(resolve(), view=view))
    assert alone == of_views("image", "view")
    both = set(image_metrics(resolve(), view=view, vanilla=view))
    assert both - alone == of_views("pair", "pair")


def test_every_metric_of_maps_is_computed_from_maps() -> None:
    rng = np.random.default_rng(0)
    maps, roi = rng.normal(size=(N, 8, 9)).astype(np.float32), (0.2, 0.2, 0.8, 0.6)
    view = region_view(maps, roi)
    roi_metrics = image_metrics(resolve(), view=view, vanilla=view)
    versions = ReferenceMaps(maps, np.arange(N)[::-1])
    whole = located_metrics(
        resolve(), maps=maps, roi=roi, protected=ALTERNATING, versions=versions
    )  # fmt: skip
    (three,) = inputs("witnesses", 0)
    ranked = witnessed_metrics(resolve(), three)
    assert witnessed_metrics(resolve(), None) == {}
    per_image = [m.name for m in METRICS if m.traits["kind"] in ("image", "pair")]
    assert sorted([*roi_metrics, *whole, *ranked]) == sorted(per_image)
    for name, values in whole.items():
        assert values.shape == (N,)
        assert np.isnan(values).all() == (METRICS[name].traits["needs"] == "reference")


def test_rows_have_the_tables_columns() -> None:
    (vanilla, view) = inputs("pair", 0)
    rows = mean_rows(image_metrics(resolve(), view=view, vanilla=vanilla), seed=0)
    tests = significance_tests(resolve(), view=view, vanilla=vanilla)
    assert set(tests) == {m.name for m in METRICS if m.traits["kind"] == "test"}
    rows += significance_rows(tests)
    assert all(list(row) == ["metric", "value", "ci_low", "ci_high", "n"] for row in rows)


def test_rows_of_images_do_not_depend_on_the_others() -> None:
    (view,) = inputs("view", 0)
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
