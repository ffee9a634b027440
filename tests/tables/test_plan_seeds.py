"""Planning seeds from a study's tables, and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from rightreasons.core.errors import UserError
from rightreasons.tables.plan_seeds import main, plans

PREDICTIONS = made.predictions()
LISTED = pd.DataFrame(
    {
        "method": list(made.METHODS),
        "kind": [one.get("kind", name) for name, one in made.METHODS.items()],
        "control_of": [None, None, "worse", None, None],
        "noise": [False, False, False, True, False],
    }
)


def study(folder: Path, predictions: pd.DataFrame) -> Path:
    (folder / "tables").mkdir()
    predictions.to_parquet(folder / "tables/predictions.parquet")
    LISTED.to_parquet(folder / "tables/methods.parquet")
    return folder


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return study(tmp_path, PREDICTIONS)


def odds(table: pd.DataFrame) -> float:
    """Equalized odds by a loop over images."""
    rates = {}
    for y in (0, 1):
        for a in (0, 1):
            rows = table[(table["target"] == y) & (table["protected"] == a)]
            rates[y, a] = sum(rows["decision"]) / len(rows)
    return max(abs(rates[y, 1] - rates[y, 0]) for y in (0, 1))


def test_a_study_tells_how_differences_vary(finished: Path) -> None:
    first, second = plans(finished, "equalized_odds")
    assert [first.where, second.where] == ["tie, phi 0", "tie, phi 0.5"]
    # `same` is a control and `thropt` noise, in these tables: `finetune` and `worse` are left.
    assert (first.family, first.seeds) == (2, 2)
    variances = []
    for method in ("finetune", "worse"):
        differences = [
            odds(made.chosen(PREDICTIONS, level=0.0, seed=seed, method=method))
            - odds(made.chosen(PREDICTIONS, level=0.0, seed=seed, method="vanilla"))
            for seed in (0, 1)
        ]
        variances.append((differences[0] - differences[1]) ** 2 / 2)
    assert first.spread.seeds == pytest.approx(np.sqrt(np.mean(variances)))
    assert 0 <= first.spread.images < 0.2


def test_a_family_can_be_given(finished: Path) -> None:
    assert {plan.family for plan in plans(finished, "accuracy", family=30)} == {30}


def test_one_seed_and_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Give the folder results/STUDY"):
        plans(tmp_path, "accuracy")
    with pytest.raises(UserError, match="one seed"):
        plans(study(tmp_path, made.chosen(PREDICTIONS, seed=0)), "accuracy")


def test_vanilla_alone_is_refused(tmp_path: Path) -> None:
    alone = study(tmp_path, made.chosen(PREDICTIONS, method="vanilla"))
    with pytest.raises(UserError, match="compares no methods"):
        plans(alone, "accuracy")


def test_a_wrong_metric_is_one_line(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(finished), "--metric", "equalised_odds"]) == 2
    assert "did you mean 'equalized_odds'?" in capsys.readouterr().err


def test_numbers_given_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    from statsmodels.stats.power import TTestPower

    assert main(["--sd", "0.1", "--effect", "0.2", "--family", "9"]) == 0
    printed = capsys.readouterr().out
    power = TTestPower()
    needed = next(n for n in range(2, 99) if power.power(2, n, 0.05 / 9) >= 0.8)
    assert f"an effect of 0.2 is found by {needed} seeds" in printed
    ten = 0.1 * power.solve_power(nobs=10, alpha=0.05 / 9, power=0.8)
    assert f"10: {ten:.2f}" in printed


def test_images_that_leave_the_effect_open_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sd", "0.1", "--images-sd", "0.1"]) == 0
    assert "more test images are needed" in capsys.readouterr().out


def test_a_study_in_words(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(finished), "--effect", "0.3"]) == 0
    printed = capsys.readouterr().out
    assert "tie, phi 0.5: 2 seeds, 2 comparisons" in printed
    assert "smallest effect found, by seeds: 2: " in printed


@pytest.mark.parametrize(
    "wrong", [[], ["--sd", "-1"], ["--sd", "0.1", "--power", "1"], ["--sd", "1", "--family", "0"]]
)
def test_wrong_numbers_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
