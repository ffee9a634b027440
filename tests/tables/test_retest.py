"""Halves of the images, and models trained again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import spearmanr
from statsmodels.stats.anova import anova_lm

from made_yardstick import DATASETS, rows_of, table
from rightreasons.statistics.reliability import intraclass, stepped_up
from rightreasons.tables.retest import map_halves, retest
from rightreasons.tables.yardstick_tasks import held

IMAGES = 20


def image_metrics(noise: float = 0.02) -> pd.DataFrame:
    """The images behind the models of the yardstick's made-up table, and some without attribute."""
    rng = np.random.default_rng(5)
    models = rows_of(table(), shown="with")
    models = models[models["metric"].isin(["rrf", "fam"])].drop(columns=["shown", "place"])
    parts = []
    for i in range(IMAGES):
        own = models["value"] + noise * rng.normal(size=len(models))
        names = {"image_id": f"i{i}", "target": i % 2, "protected": 1}
        parts.append(models.assign(**names, value=own))
    parts.append(parts[0].assign(protected=0, value=0.0))
    return pd.concat(parts, ignore_index=True)


def test_halves_are_the_same_images_for_every_model_and_balanced() -> None:
    images = image_metrics()
    images["value"] = images["image_id"].str[1:].astype(float)  # tells the images of a half apart
    halves = map_halves(images)
    seen = rows_of(halves, shown="with")
    assert len(seen[["first", "second"]].drop_duplicates()) == 1
    seen = seen.iloc[0]
    assert (seen["first"] + seen["second"]) / 2 == pytest.approx(np.mean(range(IMAGES)))
    alone = rows_of(halves, shown="without")
    assert (alone["first"] == 0).all()
    assert alone["second"].isna().all()  # one image has no other half
    targets = images[images["protected"] == 1].assign(value=lambda rows: rows["target"])
    assert (map_halves(targets)["first"] == 0.5).all()


def test_repeating_is_as_slow_loops_say() -> None:
    rows, halves = held(table(), "vanilla"), map_halves(image_metrics(0.5))
    found = retest(rows, halves, copies=("thropt",))
    row = rows_of(found, explainer="good", metric="rrf", shown="with").iloc[0]
    split, again, truth = [], [], []
    for names in DATASETS.values():
        for which in (split, again, truth):
            which.append([])
        for task in names:
            some = rows_of(halves, task=task, explainer="good", metric="rrf", shown="with")
            some = some[some["method"] != "thropt"]
            rho = spearmanr(some["first"], some["second"]).statistic
            split[-1].append(2 * rho / (1 + rho) if rho > 0 else 2 * rho / (1 - rho))
            own = rows_of(rows, task=task, explainer="good", metric="rrf")
            own = own[own["method"] != "thropt"]
            cell = own["level"].astype(str) + own["method"]
            again[-1].append(intraclass(own["value"].rank().to_numpy(), cell.to_numpy()))
            truth[-1].append(intraclass(own["flips"].rank().to_numpy(), cell.to_numpy()))
    for column, values in (("halves", split), ("retrained", again), ("retrained_flips", truth)):
        assert row[column] == pytest.approx(np.mean([np.mean(one) for one in values]))
    assert (row["models"], row["tasks"], row["datasets"]) == (5 * 18, 5, 3)
    assert row["halves_low"] < row["halves"] < row["halves_high"]
    blind = rows_of(found, explainer="blind", metric="rrf").iloc[0]
    assert np.isnan(blind["retrained"])  # the same of all models: there is nothing to repeat


def test_spearman_and_brown_foretell_all_images() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=20_000)
    first, second, whole, other = (
        true + rng.normal(size=20_000) * np.sqrt(size) for size in (2, 2, 1, 1)
    )  # a half has twice the variance of the whole
    halves = float(np.corrcoef(first, second)[0, 1])
    assert stepped_up(halves) == pytest.approx(np.corrcoef(whole, other)[0, 1], abs=0.02)
    assert stepped_up(-0.5) == -stepped_up(0.5)


def test_the_intraclass_correlation_is_that_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(2)
    cells = np.repeat(np.arange(8), 3)
    y = rng.normal(size=8)[cells] + 0.5 * rng.normal(size=24)
    fit = anova_lm(smf.ols("y ~ C(c)", pd.DataFrame({"y": y, "c": cells})).fit())
    between, within = fit["mean_sq"]
    assert intraclass(y, cells) == pytest.approx((between - within) / (between + 2 * within))
    many = np.repeat(np.arange(4000), np.tile([2, 4], 2000))
    y = 0.9 * rng.normal(size=4000)[many] + rng.normal(size=len(many))
    assert intraclass(y, many) == pytest.approx(0.81 / 1.81, abs=0.03)
    assert np.isnan(intraclass(np.ones(24), cells))
    assert np.isnan(intraclass(y[:8], np.arange(8)))
    assert intraclass(np.repeat([1.0, 2], 3), np.repeat([0, 1], 3)) == 1
