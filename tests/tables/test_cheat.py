"""An explainer that finds the shortcut in the image and ignores the network is convicted."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

from cheat import CPU, LEVELS, POOL, SEEDS, SIZE, TASKS, Linear, explained, stamp_of, study
from made_yardstick import rows_of
from rightreasons.learning.images import normalise
from rightreasons.metrics._similarity import similarity
from rightreasons.tables.claims import MODEL
from rightreasons.tables.reliance import map_means, reliance, true_reliance
from rightreasons.tables.retest import map_halves, retest
from rightreasons.tables.yardstick import yardstick
from rightreasons.tables.yardstick_tasks import by_task, held

HONEST, CHEAT = "input_x_gradient", "cheat"
OF_REGION = ["rrf", "top_fraction", "localisation_auc"]


@cache
def table() -> pd.DataFrame:
    tables = study()
    models = tables["predictions"][MODEL].drop_duplicates()
    sound = {"metric": "collapsed_prediction", "explainer": None, "value": 0.0, "n": 2 * POOL}
    return reliance(
        models.assign(**sound),
        map_means(tables["image_metrics"]),
        true_reliance(tables["predictions"], tuple(TASKS)),
        original="vanilla",
        elsewhere=(),
        controls=(),
    )


@cache
def verdicts() -> pd.DataFrame:
    """Return the yardstick by explainer and metric, with flips as truth."""
    rows = held(table(), "vanilla")
    made = yardstick(rows, by_task(rows), replicates=100)
    made = rows_of(made, truth="flips", shown="with")
    return made.set_index(["explainer", "metric"])


def test_the_models_rely_as_they_were_made_to() -> None:
    models = table().drop_duplicates(MODEL)
    assert len(models) == len(TASKS) * len(LEVELS) * len(SEEDS) * 2
    flips = models.groupby(["level", "method"])["flips"].mean().unstack()
    assert (flips.loc[0.0] < 0.12).all()
    assert (flips.loc[1.0] > flips.loc[0.5]).all()
    assert (flips.loc[0.5:, "vanilla"] > flips.loc[0.5:, "tuned"]).all()


def test_its_maps_are_what_a_reader_hopes_to_see() -> None:
    strong = rows_of(table(), level=1.0, method="vanilla", metric="rrf", shown="with")
    seen = strong.groupby("explainer")["value"].mean()
    assert seen[CHEAT] > 2 * seen[HONEST]


@pytest.mark.parametrize("metric", [*OF_REGION, "map_change"])
def test_it_follows_no_model(metric: str) -> None:
    cheat, honest = (verdicts().loc[(name, metric)] for name in (CHEAT, HONEST))
    assert cheat["within_tasks_low"] <= 0 <= cheat["within_tasks_high"]
    assert cheat["area_within_tasks_low"] <= 0.5 <= cheat["area_within_tasks_high"]
    assert honest["within_tasks_low"] > 0.3
    assert honest["area_within_tasks_low"] > 0.6
    assert honest["rank"] < cheat["rank"]


@pytest.mark.parametrize("metric", [*OF_REGION, "map_change"])
def test_it_claims_as_much_of_models_that_do_not_rely(metric: str) -> None:
    cheat, honest = (verdicts().loc[(name, metric)] for name in (CHEAT, HONEST))
    assert cheat["level_0_models"] == len(TASKS) * len(SEEDS) * 2
    assert cheat["level_0_rate"] <= cheat["level_0_high"]
    assert cheat["hit_rate"] <= 0.25
    assert abs(cheat["hit_rate"] - cheat["false_alarm_rate"]) < 0.15
    assert honest["hit_rate"] > 0.5


def test_it_changes_where_the_image_does_and_nowhere_else() -> None:
    def mean(explainer: str, metric: str, level: float) -> float:
        rows = rows_of(table(), explainer=explainer, metric=metric, level=level, method="vanilla")
        return float(rows["value"].mean())

    for level in (0.0, 1.0):
        assert mean(CHEAT, "map_change", level) > 0.3
        assert mean(CHEAT, "map_change_outside", level) < 0.1
    assert mean(HONEST, "map_change", 1.0) > 2 * mean(HONEST, "map_change", 0.0)


def test_a_model_that_is_trained_again_gets_any_number_by_it() -> None:
    halves = map_halves(study()["image_metrics"])
    again = rows_of(retest(held(table(), "vanilla"), halves), metric="rrf", shown="with")
    again = again.set_index("explainer")["retrained"]
    assert again[CHEAT] < 0.2
    assert again[HONEST] > 0.6


def test_a_random_network_has_the_same_map() -> None:
    stamp = stamp_of("low")
    images = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.uint8)
    inputs = normalise(torch.tensor(images), CPU)
    trained, fresh = (explained(Linear(stamp, *own), stamp, inputs) for own in ((1, 0), (0, 1)))
    alike = {
        name: similarity(np.abs(trained[name]), np.abs(fresh[name]), "spearman").mean()
        for name in (HONEST, CHEAT)
    }
    assert alike[CHEAT] == pytest.approx(1)
    assert alike[HONEST] < 0.9
