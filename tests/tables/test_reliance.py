"""The yardstick: true reliance, claims that are called, and who can be believed."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem, spearmanr, t
from statsmodels.stats.proportion import proportion_confint

from rightreasons.tables.claims import Calling
from rightreasons.tables.reliance import map_means, reliance, summarised, true_reliance
from rightreasons.tables.yardstick import yardstick
from rightreasons.tables.yardstick_tasks import by_task, held

KEY = {"study": "s", "dataset": "d", "design": "artifact_fraction"}
N = 40


def cell(
    level: float, seed: int = 0, method: str = "vanilla", task: str = "mark"
) -> dict[str, Any]:
    return {**KEY, "task": task, "level": level, "seed": seed, "method": method}


def predictions_of(key: dict[str, Any], flips: float, shift: float = 1.0) -> pd.DataFrame:
    """N images without and with an artifact, of which a share is decided differently."""
    rng = np.random.default_rng(int(100 * flips) + key["seed"])
    target = np.arange(N) % 2
    decision = (rng.random(N) < 0.5).astype(int)
    flipped = np.arange(N) < flips * N
    twin = np.where(flipped, 1 - decision, decision)
    gap = rng.normal(size=N)
    moved = gap + shift * rng.normal(size=N)
    sides = [(0, decision, twin, gap, moved), (1, twin, decision, moved, gap)]
    parts = [
        pd.DataFrame(
            {
                **key,
                "image_id": [f"{i}{'+mark' * protected}" for i in range(N)],
                "target": target,
                "protected": protected,
                "logit_0": 0.0,
                "logit_1": own,
                "chance": one.astype(float),
                "twin_logit_0": 0.0,
                "twin_logit_1": other,
                "twin_score": 0.5,
                "twin_chance": two.astype(float),
            }
        )
        for protected, one, two, own, other in sides
    ]
    return pd.concat(parts, ignore_index=True)


def test_flips_by_a_watched_attribute_count_every_image() -> None:
    key = {"study": "s", "dataset": "d", "task": "t", "design": "phi", "level": 0.5, "seed": 0}
    parts = []
    for method, swayed in (("vanilla", 3), ("other", 0)):
        own = predictions_of({**key, "method": method}, 0.3)
        chance = own["chance"].where(np.arange(len(own)) >= swayed, 1 - own["chance"])
        parts.append(own.assign(watched=1, watched_twin_chance=chance))
    table = pd.concat(parts, ignore_index=True)
    got = true_reliance(table, ["t"]).set_index("method")
    assert got["watched_flips"].tolist() == pytest.approx([3 / (2 * N), 0])
    ends = [proportion_confint(k, 2 * N, method="wilson") for k in (3, 0)]
    bounds = got[["watched_flips_low", "watched_flips_high"]].to_numpy()
    assert bounds == pytest.approx(np.array(ends), abs=1e-12)
    without = true_reliance(table.drop(columns=["watched", "watched_twin_chance"]), ["t"])
    assert got.drop(columns=[c for c in got if "watched" in c]).equals(without.set_index("method"))


def images_of(key: dict[str, Any], explainer: str, metric: str, mean: float) -> pd.DataFrame:
    rng = np.random.default_rng(round(1000 * mean) + key["seed"])
    protected = np.repeat([0, 1], N)
    value = mean * protected + 0.02 * rng.normal(size=2 * N)
    names = {**key, "explainer": explainer, "metric": metric}
    return pd.DataFrame({**names, "protected": protected, "value": value})


def collapsed_of(key: dict[str, Any], value: float = 0.0) -> pd.DataFrame:
    names = {"metric": "collapsed_prediction", "explainer": None, "n": 2 * N}
    return pd.DataFrame([{**key, **names, "value": value}])


FLIPS = {0.0: 0.0, 0.5: 0.3, 1.0: 0.8}
SEEDS = (0, 1, 2)


@cache
def study(collapsed: float = 0.0) -> dict[str, pd.DataFrame]:
    """Three levels, three seeds; `good` follows the flips, `noise` and `blind` do not."""
    keys = [cell(level, seed) for level in FLIPS for seed in SEEDS]
    keys += [cell(level, seed, "tuned") for level in (0.0, 1.0) for seed in SEEDS]
    images, predictions, cells = [], [], []
    for key in keys:
        tuned = key["method"] == "tuned"
        flips = FLIPS[key["level"]] / (4 if tuned else 1)
        predictions.append(predictions_of(key, flips))
        images.append(images_of(key, "good", "rrf", 0.05 + 0.5 * flips))
        images.append(images_of(key, "blind", "rrf", 0.3))
        images.append(images_of(key, "noise", "rrf", 0.05))
        images.append(images_of(key, "good", "adr", 0.2 * (tuned and key["level"] == 1)))
        images.append(images_of(key, "noise", "adr", 0.0))
        cells.append(collapsed_of(key, collapsed if key["level"] == 1 else 0))
        tests = {"explainer": "good", "metric": "det", "n": 2 * N}
        cells.append(pd.DataFrame([{**key, **tests, "value": float(flips > 0)}]))
    return {
        "cell_metrics": pd.concat(cells, ignore_index=True),
        "image_metrics": pd.concat(images, ignore_index=True),
        "predictions": pd.concat(predictions, ignore_index=True),
    }


@cache
def made(
    elsewhere: tuple[str, ...] = (), calling: Calling | None = None, collapsed: float = 0.0
) -> pd.DataFrame:
    tables = study(collapsed)
    return reliance(
        tables["cell_metrics"],
        map_means(tables["image_metrics"]),
        true_reliance(tables["predictions"], ["mark"]),
        original="vanilla",
        elsewhere=elsewhere,
        controls=["noise"],
        calling=calling,
    )


def rates_of(table: pd.DataFrame, replicates: int) -> pd.DataFrame:
    """Return the table `yardstick`."""
    rows = held(table, "vanilla")
    return yardstick(rows, by_task(rows), replicates=replicates)


def test_true_reliance_counts_what_changes() -> None:
    table = predictions_of(cell(1.0), 0.3)
    row = true_reliance(table, ["mark"]).iloc[0]
    flips, changes, right_without, right_with = 0, [], 0, 0
    for i in range(N):
        one, two = table.loc[i], table.loc[N + i]
        flips += one["chance"] != two["chance"]
        changes.append(abs(one["logit_1"] - two["logit_1"]))
        right_without += one["chance"] == one["target"]
        right_with += two["chance"] == two["target"]
    assert row["flips"] == pytest.approx(flips / N)
    assert row["logit_change"] == pytest.approx(np.mean(changes))
    assert row["accuracy_change"] == pytest.approx((right_without - right_with) / N)
    expected = proportion_confint(flips, N, method="wilson")
    assert (row["flips_low"], row["flips_high"]) == pytest.approx(expected)
    both = true_reliance(table).iloc[0]  # every image counts where twins are no images themselves
    for name in ("flips", "logit_change", "accuracy_change"):
        assert both[name] == pytest.approx(row[name])
    assert both["flips_high"] < row["flips_high"]


def test_images_without_a_twin_are_left_out() -> None:
    table = predictions_of(cell(1.0), 0.5)
    table.loc[: N // 2 - 1, ["twin_score", "twin_chance"]] = np.nan  # those that flip
    assert true_reliance(table, ["mark"]).iloc[0]["flips"] == 0
    table["twin_score"] = np.nan
    assert true_reliance(table, ["mark"]).empty


def test_summaries_leave_missing_values_out() -> None:
    rows = pd.DataFrame({"a": list("xxyyz"), "value": [1.0, 2.0, 3.0, np.nan, np.nan]})
    table = summarised(rows, ["a"]).set_index("a")
    assert list(table.index) == ["x", "y"]
    assert table.loc["x", ["value", "n"]].tolist() == [1.5, 2]
    assert table.loc["x", "ci_high"] == pytest.approx(1.5 + t.ppf(0.975, 1) * sem([1, 2]))
    assert np.isnan(table.loc["y", "ci_low"])


def test_no_flip_of_many_is_not_certainly_none_and_lotteries_are_no_shares() -> None:
    table = predictions_of(cell(1.0), 0.0)
    row = true_reliance(table, ["mark"]).iloc[0]
    assert row["flips"] == row["flips_low"] == 0
    assert row["flips_high"] == pytest.approx(proportion_confint(0, N, method="wilson")[1])
    table.loc[0, "chance"] = 0.5  # the first image and its twin are table.loc[0], table.loc[N]
    values = np.abs(table.loc[: N - 1, "chance"] - table.loc[: N - 1, "twin_chance"])
    row = true_reliance(table, ["mark"]).iloc[0]
    assert row["flips_high"] == pytest.approx(values.mean() + t.ppf(0.975, N - 1) * sem(values))
    rows = pd.DataFrame({"a": list("xxyy"), "value": [1.0, 0.0, 0.5, 0.0]})
    both = [summarised(rows, ["a"], shares=shares).set_index("a") for shares in (False, True)]
    assert both[1].loc["x", "ci_low"] == pytest.approx(proportion_confint(1, 2, method="wilson")[0])
    pd.testing.assert_series_equal(both[0].loc["y"], both[1].loc["y"])


def rows_of(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    return table[(table[list(wanted)] == list(wanted.values())).all(axis=1)]


def test_claims_are_called_beyond_level_0_only() -> None:
    table = made()
    good = rows_of(table, explainer="good", metric="rrf", shown="with", method="vanilla")
    assert good.groupby("level")["called"].all().to_dict() == {0.0: False, 0.5: True, 1.0: True}
    assert good.groupby("level")["reliant"].all().to_dict() == {0.0: False, 0.5: True, 1.0: True}
    blind = rows_of(table, explainer="blind", shown="with")
    assert blind["called"].notna().all()
    assert not blind["called"].any()  # though it is far above the noise
    assert (blind["ci_low"] > blind["chance"]).all()
    noise = rows_of(table, explainer="noise", metric="rrf")
    assert np.allclose(noise["chance"], noise["value"])
    without = rows_of(table, explainer="good", metric="rrf", shown="without")
    assert len(without) == len(rows_of(table, explainer="good", metric="rrf", shown="with"))
    det = rows_of(table, metric="det")
    assert (det["shown"] == "all").all()
    assert (det["called"] == (det["value"] == 1)).all()
    assert set(det["null"]) == {"own test"}


def test_metrics_of_pairs_claim_less_than_vanilla() -> None:
    table = made()
    adr = rows_of(table, explainer="good", metric="adr", shown="with", level=1.0)
    tuned, vanilla = (rows_of(adr, method=method) for method in ("tuned", "vanilla"))
    assert tuned["called"].all()
    assert tuned["reliant"].all()
    assert set(tuned["null_models"]) == {3}  # the tuned models of level 0
    assert vanilla["called"].isna().all()
    assert set(vanilla["uncalled"]) == {"compared with itself"}
    assert not vanilla["reliant"].any()


def test_a_region_elsewhere_is_never_relied_on() -> None:
    table = made(elsewhere=("mark",))
    assert not table["place"].any()
    assert not table["reliant"].any()
    rates = rates_of(table, 50)
    assert (rates["cells"] == 0).all()
    assert rates["area"].isna().all()
    assert rates["false_alarm_rate"].isna().all()
    good = rows_of(rates, explainer="good", metric="rrf", shown="with", truth="flips")
    called = rows_of(table, explainer="good", metric="rrf", shown="with")["called"]
    assert good["false_alarm_place_rate"].tolist() == [called.sum() / 15]
    assert called.sum() >= 9  # all of the levels above 0


def test_the_yardstick_is_spearman_and_pairs_of_cells() -> None:
    table = made()
    rates = rates_of(table, 200)
    rows = rows_of(table, explainer="good", metric="rrf", shown="with")
    for truth in ("flips", "logit_change", "accuracy_change"):
        found = rows_of(rates, explainer="good", metric="rrf", shown="with", truth=truth).iloc[0]
        assert found["estimate"] == pytest.approx(spearmanr(rows["value"], rows[truth]).statistic)
        assert found["ci_low"] <= found["estimate"] <= found["ci_high"]
        assert (found["cells"], found["seeds"]) == (15, 3)
    good = rows_of(rates, explainer="good", metric="rrf", shown="with", truth="flips").iloc[0]
    assert good["estimate"] > 0.9
    normal = rows_of(table, explainer="good", metric="rrf", shown="with", level=0.0)["called"]
    assert good["hit_rate"] == 1
    assert good["false_alarm_rate"] == good["level_0_rate"] == normal.astype(float).mean()
    blind = rows_of(table, explainer="blind", shown="with")
    yes, no = blind[blind["reliant"]]["value"], blind[~blind["reliant"]]["value"]
    won = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(yes, no)]
    found = rows_of(rates, explainer="blind", shown="with", truth="flips").iloc[0]
    assert found["area"] == pytest.approx(np.mean(won))
    assert found["area_low"] <= found["area"] <= found["area_high"]
    assert (found["n_reliant"], found["n_not_reliant"]) == (9, 6)
    assert (found["hit_rate"], found["false_alarm_rate"]) == (0, 0)
    assert np.isnan(good["false_alarm_place_rate"])


def test_pairs_are_held_against_the_change() -> None:
    table = made()
    rates = rates_of(table, 50)
    adr = rows_of(rates, explainer="good", metric="adr", shown="with", truth="flips").iloc[0]
    assert adr["cells"] == 6  # the cells that are not vanilla
    assert (adr["hit_rate"], adr["n_reliant"], adr["n_not_reliant"]) == (1, 3, 3)
    assert adr["area"] == 1  # all three seeds agree, and three are few
    assert (adr["area_low"], adr["area_high"]) == (pytest.approx(0.05 ** (1 / 3)), 1)


def test_with_one_seed_nothing_is_called_and_there_is_no_interval() -> None:
    tables = {name: frame[frame["seed"] == 0] for name, frame in study().items()}
    table = reliance(
        tables["cell_metrics"],
        map_means(tables["image_metrics"]),
        true_reliance(tables["predictions"], ["mark"]),
        original="vanilla",
        elsewhere=(),
        controls=[],
    )
    images = table[table["shown"] != "all"]
    assert images["called"].isna().all()
    assert {"0 of 2 level-0 seeds", "1 of 2 level-0 seeds"} < set(images["uncalled"])
    rates = rates_of(table, 50)
    good = rows_of(rates, explainer="good", metric="rrf", shown="with", truth="flips").iloc[0]
    assert good["estimate"] > 0.8
    assert good[["ci_low", "ci_high", "area_low", "hit_rate", "false_alarm_rate"]].isna().all()
    assert good["n_uncalled"] == 5


def test_ranks_are_of_flips_and_images_with_the_attribute() -> None:
    rates = rates_of(made(), 50)
    ranked = rates[rates["rank"].notna()]
    assert set(ranked["truth"]) == {"flips"}
    assert "without" not in set(ranked["shown"])
    best = ranked.sort_values("rank").iloc[0]
    assert best["within"] == ranked["within"].max()


def test_constant_classifiers_are_left_out() -> None:
    rates = rates_of(made(collapsed=1.0), 50)
    rrf = rows_of(rates, explainer="good", metric="rrf", shown="with", truth="flips").iloc[0]
    assert rrf["cells"] == 9


def test_conformal_calls_need_as_many_seeds_as_the_rate_says() -> None:
    table = made(calling=Calling(0.1, "conformal"))
    images = table[table["shown"] != "all"]
    assert images["called"].isna().all()
    assert "3 of 9 level-0 seeds" in set(images["uncalled"])
    loose = made(calling=Calling(0.34, "conformal"))
    good = rows_of(loose, explainer="good", metric="rrf", shown="with", level=1.0)
    np.testing.assert_allclose(good["p_value"].to_numpy(float), 1 / 7)  # above all six of level 0
    assert good["called"].all()
