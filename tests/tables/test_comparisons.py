"""Comparisons of methods: who with whom, effects, and the families of Holm's correction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from made_tables import METHODS, N, chosen, compared, one
from rightreasons.metrics import headline
from rightreasons.tables.schema import TABLES, conform

COMPARING = made.comparing_of()
PREDICTIONS, IMAGES = made.predictions(), made.images()
CELL_TESTS = pd.DataFrame(
    [{**made.KEY, "level": 0.0, "seed": 0, "method": "same", "test": "rddt", "p_value": 0.03}]
)
ONE_LEVEL = chosen(PREDICTIONS, level=0.0)
TESTS = pd.concat([CELL_TESTS, compared(COMPARING, PREDICTIONS, IMAGES)], ignore_index=True)


def test_every_method_is_compared_with_each_reference() -> None:
    paired = chosen(TESTS, test="paired")
    pairs = set(zip(paired["method"], paired["reference"], strict=True))
    others = {"same", "thropt", "worse"}
    assert pairs == {(m, r) for m in others for r in ("vanilla", "finetune")} | {
        ("finetune", "vanilla")
    }
    assert set(paired["metric"]) == set(headline("comparisons"))
    assert len(paired) == len(pairs) * len(headline("comparisons")) * 2
    assert len(TESTS) == len(paired) + 1
    assert chosen(TESTS, test="rddt")["p_value"].tolist() == [0.03]


def test_a_reference_by_any_name_is_one() -> None:
    """The control by its trait: a study may call its fine-tuning what it likes."""
    named = {"vanilla": {}, "tuned": {"kind": "finetune"}, "worse": {"kind": "zhang"}}
    comparing = made.comparing_of(named)
    assert comparing.roles.references == ("vanilla", "tuned")
    renamed = {"method": {"finetune": "tuned"}}
    tests = compared(comparing, ONE_LEVEL.replace(renamed), IMAGES.replace(renamed))
    assert set(tests["reference"]) == {"vanilla", "tuned"}
    mine = chosen(tests, method="worse", reference="tuned")
    same = chosen(TESTS, method="worse", reference="finetune", level=0.0)
    assert mine["metric"].tolist() == same["metric"].tolist()
    assert mine["effect"].tolist() == same["effect"].tolist()


def test_identical_predictions_have_no_effect_and_p_1() -> None:
    same = chosen(TESTS, test="paired", method="same", reference="vanilla")
    same = same[~same["metric"].isin(headline("comparisons", "reliance"))]
    assert len(same) == 4 * 2
    assert (same["effect"] == 0).all()
    assert (same["ci_low"] == 0).all()
    assert (same["ci_high"] == 0).all()
    assert (same["p_value"] == 1).all()
    assert (same["p_holm"] == 1).all()
    assert not same["significant"].any()


def test_effects_are_mean_differences_over_seeds() -> None:
    for level in (0.0, 0.5):
        differences, odds = [], []
        for seed in (0, 1):
            part = chosen(PREDICTIONS, level=level, seed=seed)
            right = (part["decision"] == part["target"]).groupby(part["method"]).mean()
            differences.append(right["worse"] - right["vanilla"])
            gap = {}
            for method in ("worse", "vanilla"):
                mine = chosen(part, method=method)
                rate = mine.groupby(["target", "protected"])["decision"].mean()
                gap[method] = max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))
            odds.append(gap["worse"] - gap["vanilla"])
        row = {"method": "worse", "reference": "vanilla", "level": level}
        accuracy = one(TESTS, metric="accuracy", **row)
        assert accuracy["effect"] == pytest.approx(np.mean(differences))
        assert accuracy["significant"]
        assert accuracy["n"] == 2 * N
        effect = one(TESTS, metric="equalized_odds", **row)["effect"]
        assert effect == pytest.approx(np.mean(odds))
        flips = one(TESTS, metric="twin_flip_rate", **row)
        mine = chosen(PREDICTIONS, level=level, method="worse")
        assert flips["effect"] == pytest.approx((mine["decision"] != mine["twin_decision"]).mean())


def test_maps_are_compared_image_by_image() -> None:
    row = one(TESTS, method="worse", reference="vanilla", metric="rrf", level=0.5)
    assert row["effect"] == pytest.approx(0.2, abs=0.005)
    assert row["explainer"] == "lrp"
    assert row["p_value"] < 1e-6


def test_metrics_without_the_headline_are_not_compared() -> None:
    tests = compared(COMPARING, ONE_LEVEL, made.images("hrf"))
    assert tests["explainer"].isna().all()


def test_without_twins_there_is_no_twin_comparison() -> None:
    alone = ONE_LEVEL.assign(twin_chance=np.nan, twin_score=np.nan)
    tests = compared(COMPARING, alone, IMAGES)
    assert not set(headline("comparisons", "reliance")) & set(tests["metric"])
    assert len(tests) == 7 * 4


def _holm(p: list[float]) -> list[float]:
    """Holm's step-down correction, as in the textbook."""
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p)):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def test_holms_families_are_the_methods_of_one_comparison() -> None:
    paired = chosen(TESTS, test="paired")
    families = list(paired.groupby(["level", "reference", "metric"]))
    assert len(families) == 2 * 2 * 5
    for (_, reference, _), family in families:
        assert len(family) == (4 if reference == "vanilla" else 3)
        assert family["p_holm"].tolist() == pytest.approx(_holm(family["p_value"].tolist()))
    assert np.isnan(chosen(TESTS, test="rddt")["p_holm"].iloc[0])


TWO = {"vanilla": {}, "worse": {"kind": "zhang"}, "other": {"kind": "zhang"}}
#: In the table of predictions, whose numbers each method has: `worse_control` equals vanilla.
OF_TWO = {
    "vanilla": "vanilla",
    "worse": "worse",
    "worse_control": "same",
    "other": "thropt",
    "other_control": "finetune",
}


def as_two(table: pd.DataFrame) -> pd.DataFrame:
    parts = [chosen(table, method=like).assign(method=name) for name, like in OF_TWO.items()]
    return pd.concat(parts, ignore_index=True)


def with_controls() -> pd.DataFrame:
    """Return the tests of two methods with a strength, whose matched controls the study has."""
    comparing = made.comparing_of(TWO, controls=True)
    assert comparing.methods["tie"] == tuple(OF_TWO)
    return compared(comparing, as_two(ONE_LEVEL), as_two(IMAGES))


def test_a_method_is_compared_with_its_own_control_and_with_no_others() -> None:
    tests = with_controls()
    assert set(zip(tests["method"], tests["reference"], strict=True)) == {
        ("worse", "worse_control"),
        ("other", "other_control"),
        *((method, "vanilla") for method in OF_TWO if method != "vanilla"),
    }
    own = chosen(tests, method="worse", reference="worse_control")
    plain = chosen(tests, method="worse", reference="vanilla")
    assert set(own["metric"]) == set(headline("comparisons"))
    assert own["effect"].tolist() == plain["effect"].tolist()  # the control decides as vanilla
    assert one(own, metric="accuracy")["effect"] < -0.2


def test_controls_share_a_family_and_change_no_methods_p() -> None:
    tests = with_controls()
    without = compared(made.comparing_of(TWO), as_two(ONE_LEVEL), as_two(IMAGES))
    against = tests["reference"] == "vanilla"
    for family in (
        ~against,
        against & tests["method"].isin(TWO),
        against & ~tests["method"].isin(TWO),
    ):
        for metric in ("equalized_odds", "rrf"):
            rows = chosen(tests[family], metric=metric)
            assert len(rows) == 2
            assert rows["p_holm"].tolist() == pytest.approx(_holm(rows["p_value"].tolist()))
            if family.equals(against & tests["method"].isin(TWO)):
                assert rows["p_holm"].tolist() == chosen(without, metric=metric)["p_holm"].tolist()


def test_tests_do_not_depend_on_other_methods_or_runs() -> None:
    again = compared(COMPARING, ONE_LEVEL, IMAGES)
    mine = chosen(TESTS, test="paired", level=0.0)
    mine = mine[list(again)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, mine, check_dtype=False)
    fewer = made.comparing_of({m: METHODS[m] for m in ("vanilla", "worse")})
    alone = compared(fewer, ONE_LEVEL, IMAGES)
    for metric in ("equalized_odds", "rrf"):
        rows = {"method": "worse", "reference": "vanilla", "metric": metric, "level": 0.0}
        assert one(alone, **rows)["p_value"] == one(TESTS, **rows)["p_value"]
        assert one(alone, **rows)["p_holm"] == one(alone, **rows)["p_value"]
    conform(TESTS, TABLES["tests"])
