"""Which trial a criterion chooses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import numpy_rng
from rightreasons.tuning.criteria import CRITERIA, JUDGED, choose, means_of


def table(**columns: list[float]) -> pd.DataFrame:
    """Trials 0, 1, ... of one seed, neither failed nor constant; what is not named is 0.5."""
    count = len(next(iter(columns.values())))
    base = {name: [0.5] * count for name in (*JUDGED, "loss")}
    flags = {"collapsed_prediction": [0.0] * count, "constant_prediction": [0.0] * count}
    known = {"trial": range(count), "error": [None] * count, "over_budget": [False] * count}
    flags |= {"image_passes": [40.0] * count, "budget": [30.0] * count}
    return pd.DataFrame({**base, **flags, **known, **columns})


def test_least_equalized_odds_among_those_that_are_accurate_enough() -> None:
    trials = table(
        cell_balanced_accuracy=[0.90, 0.86, 0.84, 0.50], equalized_odds=[0.4, 0.3, 0.1, 0.0]
    )
    assert choose(trials, "equalized_odds", 0.05) == 1
    assert choose(trials, "equalized_odds", 0.0) == 0
    assert choose(trials, "equalized_odds", 0.06) == 2


def test_what_each_criterion_asks_for() -> None:
    trials = table(
        worst_group_accuracy=[0.1, 0.7, 0.2],
        accuracy=[0.9, 0.2, 0.3],
        balanced_accuracy=[0.2, 0.3, 0.9],
        cell_balanced_accuracy=[0.8, 0.9, 0.7],
        loss=[0.5, 0.4, 0.3],
    )
    expected = {
        "worst_group_accuracy": 1,
        "accuracy": 0,
        "balanced_accuracy": 2,
        "cell_balanced_accuracy": 1,
        "loss": 2,
    }
    assert {name: choose(trials, name) for name in expected} == expected
    assert set(expected) | {"equalized_odds"} == set(CRITERIA)


def test_ties_go_to_the_more_accurate_then_to_the_earlier() -> None:
    same = table(equalized_odds=[0.2, 0.2, 0.2], cell_balanced_accuracy=[0.8, 0.82, 0.82])
    assert choose(same, "equalized_odds") == 1


def test_means_are_over_seeds_and_a_failure_with_one_seed_is_a_failure() -> None:
    one = table(equalized_odds=[0.1, 0.3], cell_balanced_accuracy=[0.8, 0.8])
    two = table(equalized_odds=[0.6, 0.3], cell_balanced_accuracy=[0.8, 0.8])
    both = pd.concat([one, two])
    assert choose(both, "equalized_odds") == 1  # 0.35 against 0.3
    failed = two.assign(error=[None, "exploded"])
    assert choose(pd.concat([one, failed]), "equalized_odds") == 0
    spent = two.assign(over_budget=[False, True])
    assert choose(pd.concat([one, spent]), "equalized_odds") == 0


def test_a_constant_classifier_is_chosen_only_where_there_is_nothing_else() -> None:
    trials = table(
        equalized_odds=[0.5, 0.0],
        cell_balanced_accuracy=[0.52, 0.5],
        collapsed_prediction=[0.0, 1.0],
    )
    assert choose(trials, "equalized_odds") == 0
    assert choose(trials.assign(collapsed_prediction=1.0), "equalized_odds") == 1


def test_without_a_trial_there_is_no_choice() -> None:
    with pytest.raises(UserError, match=r"no trial is left.*budget of 30 .*the least took 40"):
        choose(table(loss=[0.1]).assign(error="failed"), "loss")
    with pytest.raises(UserError, match=r"best.*Allowed: equalized_odds"):
        choose(table(loss=[0.1]), "best")


def test_the_default_criterion_equals_a_slow_search() -> None:
    rng = numpy_rng(0, "criteria")
    for _ in range(200):
        values = rng.integers(0, 6, (2, 7)) / 5
        trials = table(cell_balanced_accuracy=list(values[0]), equalized_odds=list(values[1]))
        best = None
        for i in range(7):
            if values[0, i] < values[0].max() - 0.2 - 1e-9:
                continue
            key = (values[1, i], -values[0, i], i)
            best = key if best is None or key < best else best
        assert best is not None
        assert choose(trials, "equalized_odds", 0.2) == best[2]


def test_means_are_of_the_trials_that_may_be_chosen() -> None:
    trials = pd.concat([table(loss=[1.0, 2.0]), table(loss=[3.0, 6.0])])
    assert np.allclose(means_of(trials)["loss"], [2, 4])
