"""Comparisons of methods: who with whom, effects, and the families of Holm's correction."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from made_tables import METHODS, N, chosen, one
from made_tables import compared as compare
from rightreasons.metrics import headline
from rightreasons.tables.comparisons import least_replicates
from rightreasons.tables.schema import TABLES, conform

COMPARING = made.comparing_of()
PREDICTIONS, IMAGES = made.predictions(), made.images()
ONE_LEVEL = chosen(PREDICTIONS, level=0.0)
TESTS = compare(COMPARING, PREDICTIONS, IMAGES)
BY_SEED, BY_IMAGE = (chosen(TESTS, test="paired", unit=unit) for unit in ("seed", "image"))


@pytest.mark.parametrize("paired", [BY_SEED, BY_IMAGE], ids=["seed", "image"])
def test_every_method_is_compared_with_each_reference(paired: pd.DataFrame) -> None:
    pairs = set(zip(paired["method"], paired["reference"], strict=True))
    others = {"same", "thropt", "worse"}
    assert pairs == {(m, r) for m in others for r in ("vanilla", "finetune")} | {
        ("finetune", "vanilla")
    }
    assert set(paired["metric"]) == set(headline("comparisons"))
    assert len(paired) == len(pairs) * len(headline("comparisons")) * 2


def test_all_pairs_are_compared_by_the_metric_that_ranks() -> None:
    every = chosen(TESTS, test="all pairs", level=0.0)
    assert {frozenset(pair) for pair in every[["method", "reference"]].to_numpy()} == {
        frozenset(pair) for pair in combinations(METHODS, 2)
    }
    assert set(every["metric"]) == {"equalized_odds"}
    assert set(every["unit"]) == {"seed"}
    assert every["p_holm"].tolist() == pytest.approx(_holm(every["p_value"].tolist()), nan_ok=True)
    one_pair = one(every, method="vanilla", reference="worse")
    same = one(BY_SEED, method="worse", reference="vanilla", metric="equalized_odds", level=0.0)
    assert one_pair["effect"] == -same["effect"]
    assert one_pair["p_value"] == pytest.approx(same["p_value"])


def test_means_have_an_interval_and_no_test() -> None:
    means = chosen(TESTS, test="mean", level=0.5, method="worse", metric="equalized_odds")
    assert set(means["unit"]) == {"seed", "image"}
    assert means["p_value"].isna().all()
    assert means["reference"].isna().all()
    odds = [_odds(chosen(PREDICTIONS, level=0.5, seed=s, method="worse")) for s in (0, 1)]
    assert means["effect"].tolist() == pytest.approx([np.mean(odds)] * 2)
    right = chosen(TESTS, test="mean", level=0.5, method="worse", metric="worst_group_accuracy")
    assert (right["ci_low"] < right["effect"]).all()
    assert (right["effect"] < right["ci_high"]).all()


def _odds(part: pd.DataFrame) -> float:
    rate = part.groupby(["target", "protected"])["decision"].mean()
    return max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))


def test_a_reference_by_any_name_is_one() -> None:
    """The control by its trait: a study may call its fine-tuning what it likes."""
    named = {"vanilla": {}, "tuned": {"kind": "finetune"}, "worse": {"kind": "zhang"}}
    comparing = made.comparing_of(named)
    assert comparing.roles.references == ("vanilla", "tuned")
    renamed = {"method": {"finetune": "tuned"}}
    tests = compare(comparing, ONE_LEVEL.replace(renamed), IMAGES.replace(renamed))
    tests = chosen(tests, test="paired")
    assert set(tests["reference"]) == {"vanilla", "tuned"}
    mine = chosen(tests, method="worse", reference="tuned", unit="image")
    same = chosen(BY_IMAGE, method="worse", reference="finetune", level=0.0)
    assert mine["metric"].tolist() == same["metric"].tolist()
    assert mine["effect"].tolist() == same["effect"].tolist()


@pytest.mark.parametrize("paired", [BY_SEED, BY_IMAGE], ids=["seed", "image"])
def test_identical_predictions_have_no_effect_and_p_1(paired: pd.DataFrame) -> None:
    same = chosen(paired, method="same", reference="vanilla")
    same = same[~same["metric"].isin(headline("comparisons", "reliance"))]
    assert len(same) == 5 * 2
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
            odds.append(_odds(chosen(part, method="worse")) - _odds(chosen(part, method="vanilla")))
        row = {"method": "worse", "reference": "vanilla", "level": level}
        for paired in (BY_SEED, BY_IMAGE):
            accuracy = one(paired, metric="accuracy", **row)
            assert accuracy["effect"] == pytest.approx(np.mean(differences))
            assert (accuracy["n"], accuracy["n_seeds"]) == (2 * N, 2)
            effect = one(paired, metric="equalized_odds", **row)["effect"]
            assert effect == pytest.approx(np.mean(odds))
        assert one(BY_IMAGE, metric="accuracy", **row)["significant"]
        flips = one(BY_IMAGE, metric="twin_flip_rate", **row)
        mine = chosen(PREDICTIONS, level=level, method="worse")
        assert flips["effect"] == pytest.approx((mine["decision"] != mine["twin_decision"]).mean())


def test_what_is_watched_is_compared_like_the_rest() -> None:
    """Flips by its twins, and equalized odds between its groups in place of the protected ones."""

    def numbers(level: float, seed: int, method: str) -> tuple[float, float]:
        part = chosen(PREDICTIONS, level=level, seed=seed, method=method)
        rate = part.groupby(["target", "watched"])["decision"].mean()
        odds = max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))
        return (part["decision"] != part["watched_twin_decision"]).mean(), odds

    for level in (0.0, 0.5):
        pairs = [
            np.subtract(numbers(level, seed, "finetune"), numbers(level, seed, "vanilla"))
            for seed in (0, 1)
        ]
        row = {"method": "finetune", "reference": "vanilla", "level": level}
        for paired in (BY_SEED, BY_IMAGE):
            found = [
                one(paired, metric=metric, **row)["effect"]
                for metric in ("watched_flip_rate", "watched_equalized_odds")
            ]
            assert found == pytest.approx(np.mean(pairs, axis=0).tolist())


def test_maps_are_compared_image_by_image() -> None:
    row = {"method": "worse", "reference": "vanilla", "metric": "rrf", "level": 0.5}
    by_image, by_seed = one(BY_IMAGE, **row), one(BY_SEED, **row)
    assert by_image["effect"] == pytest.approx(0.2, abs=0.005)
    assert by_image["explainer"] == "lrp"
    assert by_image["p_value"] < 1e-6
    assert by_seed["effect"] == pytest.approx(by_image["effect"])
    assert by_image["p_value"] < by_seed["p_value"] < 0.05
    assert by_seed["df"] == 1


def test_one_seed_says_nothing_of_methods() -> None:
    tests = compare(COMPARING, chosen(ONE_LEVEL, seed=0), chosen(IMAGES, level=0.0, seed=0))
    by_seed = chosen(tests, unit="seed")
    assert by_seed["p_value"].isna().all()
    assert by_seed["ci_low"].isna().all()
    assert by_seed["effect"].notna().all()
    assert chosen(tests, unit="image", test="paired")["p_value"].notna().all()


def test_replicates_let_every_family_reach_its_alpha() -> None:
    """Of 34 methods, the review's study: 1,000 replicates gave 34 x 2 / 1001 = 0.068 at best."""
    for family in (1, 9, 34, 200):
        assert family * 2 / (least_replicates(family) + 1) < 0.05
    few = COMPARING.model_copy(update={"replicates": 50})
    tests = chosen(compare(few, ONE_LEVEL, IMAGES), unit="image", metric="accuracy")
    worse = one(tests, method="worse", reference="vanilla")
    assert worse["at_floor"]
    assert worse["p_value"] == pytest.approx(2 / (least_replicates(len(METHODS)) + 1))
    assert worse["significant"]


def test_metrics_without_the_headline_are_not_compared() -> None:
    tests = compare(COMPARING, ONE_LEVEL, made.images("hrf"))
    assert tests["explainer"].isna().all()


def test_without_twins_there_is_no_twin_comparison() -> None:
    alone = ONE_LEVEL.assign(twin_chance=np.nan, twin_score=np.nan)
    alone = alone.drop(columns=[name for name in alone if "watched" in name])
    tests = chosen(compare(COMPARING, alone, IMAGES), test="paired", unit="seed")
    assert not set(headline("comparisons", "reliance")) & set(tests["metric"])
    assert len(tests) == 7 * 4


def _holm(p: list[float]) -> list[float]:
    """Holm's step-down correction, as in the textbook; missing tests do not count."""
    corrected, largest = [np.nan] * len(p), 0.0
    known = [i for i in np.argsort(p) if not np.isnan(p[i])]
    for rank, i in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def test_holms_families_are_the_methods_of_one_comparison() -> None:
    paired = chosen(TESTS, test="paired")
    families = list(paired.groupby(["level", "reference", "metric", "unit"]))
    assert len(families) == 2 * 2 * 7 * 2
    for (_, reference, *_), family in families:
        assert len(family) == (4 if reference == "vanilla" else 3)
        expected = _holm(family["p_value"].tolist())
        assert family["p_holm"].tolist() == pytest.approx(expected, nan_ok=True)


def test_noise_changes_no_methods_p() -> None:
    roles = COMPARING.roles.model_copy(update={"chance": ("thropt",)})
    noisy = COMPARING.model_copy(update={"roles": roles})
    tests = chosen(compare(noisy, ONE_LEVEL, IMAGES), test="paired", reference="vanilla")
    for _, family in tests.groupby(["metric", "unit"]):
        rivals = family[family["method"] != "thropt"]
        expected = _holm(rivals["p_value"].tolist())
        assert rivals["p_holm"].tolist() == pytest.approx(expected, nan_ok=True)


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
    assert comparing.methods["tie"] == (*OF_TWO, "random_decision")
    comparing = comparing.model_copy(update={"methods": {"tie": tuple(OF_TWO)}})
    return chosen(
        compare(comparing, as_two(ONE_LEVEL), as_two(IMAGES)), test="paired", unit="image"
    )


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
    without = chosen(
        compare(made.comparing_of(TWO), as_two(ONE_LEVEL), as_two(IMAGES)),
        test="paired",
        unit="image",
    )
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
    again = compare(COMPARING, ONE_LEVEL, IMAGES)
    mine = chosen(TESTS, level=0.0).reset_index(drop=True)
    pd.testing.assert_frame_equal(again, mine)
    fewer = made.comparing_of({m: METHODS[m] for m in ("vanilla", "worse")})
    alone = chosen(compare(fewer, ONE_LEVEL, IMAGES), test="paired")
    for metric, unit in product(("equalized_odds", "rrf"), ("seed", "image")):
        rows = {"method": "worse", "reference": "vanilla", "metric": metric, "unit": unit}
        many = one(chosen(TESTS, test="paired", level=0.0), **rows)
        assert one(alone, **rows)["p_value"] == many["p_value"]
        assert one(alone, **rows)["p_holm"] == one(alone, **rows)["p_value"]
    conform(TESTS, TABLES["tests"])
