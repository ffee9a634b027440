"""Predictions on roles and twins, decisions on them, collapse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images
from rightreasons.core.errors import UserError
from rightreasons.learning.decisions import Decision, GroupDecision, probability
from rightreasons.learning.predictions import (
    TaskImages,
    collapsed,
    decide,
    labelled,
    predict,
    role_of,
)
from rightreasons.learning.training import predict_logits
from rightreasons.metrics import METRICS
from rightreasons.models.architectures import build_classifier

DATA = biased_images(40, 0.0)
POOL = np.asarray(DATA.images)
TWINS = POOL[:, :, ::-1].copy()
BARE = TaskImages(POOL, None, None)


def make_split() -> pd.DataFrame:
    rows = np.random.default_rng(1).permutation(40)[:30]
    return pd.DataFrame(
        {
            "row": rows,
            "image_id": [f"image-{r}" for r in rows],
            "role": np.tile(["train", "test", "debias"], 10),
            "target": DATA.target.numpy()[rows].astype(np.int8),
            "protected": DATA.protected.numpy()[rows].astype(np.int8),
        }
    )


SPLIT = make_split()


def table(scores: list[float], twins: list[float], protected: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"i{i}" for i in range(len(scores))],
            "role": "test",
            "protected": protected,
            "score": scores,
            "twin_score": twins,
        }
    )


@pytest.mark.parametrize("role", ["train", "debias", "test"])
def test_a_role_as_labelled_images(role: str) -> None:
    data = labelled(POOL, SPLIT, role)
    part = SPLIT[SPLIT["role"] == role]
    assert len(data) == 10
    assert np.array_equal(data.images[:], POOL[part["row"]])
    assert data.target.tolist() == part["target"].tolist()
    assert data.protected.tolist() == part["protected"].tolist()
    assert data.image_ids == part["image_id"].tolist()
    assert data.target.dtype == data.protected.dtype == torch.int64


def test_predictions_are_those_of_each_image_and_of_its_twin() -> None:
    model = build_classifier("small_cnn", seed=1)
    model.train()
    got = predict(model, TaskImages(POOL, TWINS, None), SPLIT, CPU)
    assert not any("watched" in name for name in got)
    wanted = SPLIT[SPLIT["role"] != "train"].reset_index(drop=True)
    for name in ("image_id", "role", "target", "protected"):
        assert got[name].tolist() == wanted[name].tolist()
    for i, row in wanted.iterrows():
        logits = predict_logits(model, POOL[[row["row"]]], CPU)[0].astype(float)
        twin = predict_logits(model, TWINS[[row["row"]]], CPU)[0].astype(float)
        score, twin_score = (np.exp(z[1]) / np.exp(z).sum() for z in (logits, twin))
        assert got.loc[i, ["logit_0", "logit_1", "score"]].tolist() == pytest.approx(
            [*logits, score], abs=1e-5
        )
        columns = ["twin_logit_0", "twin_logit_1", "twin_score"]
        if row["role"] == "test":
            assert got.loc[i, columns].tolist() == pytest.approx([*twin, twin_score], abs=1e-5)
        else:
            assert got.loc[i, columns].isna().all()


def test_without_twins_their_columns_are_missing() -> None:
    got = predict(build_classifier("small_cnn"), BARE, SPLIT, CPU)
    assert got[["twin_logit_0", "twin_logit_1", "twin_score"]].isna().all(axis=None)
    assert decide(got, Decision())["twin_decision"].isna().all()


def test_an_exploded_network_is_refused() -> None:
    model = build_classifier("small_cnn")
    model.head.bias.data[0] = torch.nan
    with pytest.raises(UserError, match="outputs are not finite"):
        predict(model, BARE, SPLIT, CPU)


def test_predictions_on_twins_in_a_watched_attribute() -> None:
    model = build_classifier("small_cnn", seed=1)
    split = SPLIT.assign(watched=np.arange(30) % 2)
    got = predict(model, TaskImages(POOL, TWINS, 255 - POOL), split, CPU)
    wanted = split[split["role"] != "train"].reset_index(drop=True)
    assert got["watched"].tolist() == wanted["watched"].tolist()
    test = got["role"] == "test"
    logits = predict_logits(model, 255 - POOL[wanted.loc[test, "row"]], CPU)
    names = ["watched_twin_logit_0", "watched_twin_logit_1"]
    assert got.loc[test, names].to_numpy() == pytest.approx(logits, abs=1e-5)
    assert got.loc[~test, [*names, "watched_twin_score"]].isna().all(axis=None)


def test_a_twin_in_a_watched_attribute_is_judged_by_its_own_groups_rule() -> None:
    rule = GroupDecision(((0.3,), (0.8,)), ((1.0,), (1.0,)))
    given = table([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 1, 1])
    got = decide(given.assign(watched=1, watched_twin_score=[0.5, 0.9, np.nan]), rule)
    assert got["watched_twin_decision"].tolist()[:2] == [1, 1]
    assert got["watched_twin_chance"].tolist()[:2] == [1.0, 1.0]
    assert got["watched_twin_decision"].isna().tolist() == [False, False, True]
    assert got["watched_twin_chance"].isna().tolist() == [False, False, True]


def test_one_threshold_for_all_with_equality_accepted() -> None:
    got = decide(table([0.2, 0.5, 0.7], [0.5, 0.1, np.nan], [0, 1, 0]), Decision(0.5))
    assert got["decision"].tolist() == [0, 1, 1]
    assert got["twin_decision"].tolist()[:2] == [1, 0]
    assert got["twin_decision"].isna().tolist() == [False, False, True]


def test_a_twin_is_judged_by_the_other_groups_rule() -> None:
    rule = GroupDecision(((0.3,), (0.8,)), ((1.0,), (1.0,)))
    got = decide(table([0.5, 0.5], [0.5, 0.5], [0, 1]), rule)
    assert got["decision"].tolist() == [1, 0]
    assert got["twin_decision"].tolist() == [0, 1]


def test_image_and_twin_share_their_draw() -> None:
    """Both groups toss the same coin, so an image and its twin always come down alike."""
    coin = GroupDecision(((0.0, 2.0), (0.0, 2.0)), ((0.5, 0.5), (0.5, 0.5)), seed=3)
    n = 400
    given = table([0.5] * n, [0.5] * n, [0, 1] * (n // 2))
    got = decide(given, coin)
    assert got["decision"].tolist() == got["twin_decision"].tolist()
    assert 0.4 < got["decision"].mean() < 0.6
    shuffled = got.sample(frac=1, random_state=0).drop(
        columns=["decision", "twin_decision", "chance", "twin_chance"]
    )
    again = decide(shuffled, coin)["decision"].sort_index()
    assert again.tolist() == got["decision"].tolist()


def test_chances_are_those_of_the_drawn_decisions() -> None:
    """Over many lotteries the share of decisions 1, and of flips, comes to what `chance` says."""
    n, copies, seeds = 6, 100, 40
    scores, twins = [0.1, 0.35, 0.55, 0.9, 0.4, 0.6], [0.6, 0.35, 0.1, 0.9, np.nan, 0.2]
    protected = [0, 1, 0, 1, 1, 0]
    given = table(scores, twins, protected)
    many = table(scores * copies, twins * copies, protected * copies)  # each image has its draw
    parts = ((0.3, 0.5), (0.2, 0.5, 2.0)), ((0.75, 0.25), (0.5, 0.2, 0.3))
    expected = decide(given, GroupDecision(*parts))
    ones, twin_ones, flips = np.zeros(n), np.zeros(n), np.zeros(n)
    for seed in range(seeds):
        drawn = decide(many, GroupDecision(*parts, seed=seed, lottery="draw"))
        assert drawn["chance"].tolist() == drawn["decision"].tolist()
        chance, twin = (drawn[name].to_numpy() for name in ("chance", "twin_chance"))
        ones += chance.reshape(copies, n).sum(axis=0)
        twin_ones += twin.reshape(copies, n).sum(axis=0)
        flips += (chance != twin).reshape(copies, n).sum(axis=0)
    draws = copies * seeds
    by_chance = (expected["chance"] - expected["twin_chance"]).abs()
    error = 4 * np.sqrt(0.25 / draws)
    assert expected["chance"].tolist() == pytest.approx([0.0, 0.5, 1.0, 0.7, 0.5, 1.0])
    assert (ones / draws).tolist() == pytest.approx(expected["chance"].tolist(), abs=error)
    has = given["twin_score"].notna().to_numpy()
    twin_chance = expected["twin_chance"].to_numpy()
    assert (~np.isnan(twin_chance)).tolist() == has.tolist()
    assert (twin_ones / draws)[has] == pytest.approx(twin_chance[has], abs=error)
    assert (flips / draws)[has] == pytest.approx(by_chance.to_numpy()[has], abs=error)


def test_a_coin_is_not_constant() -> None:
    coin = GroupDecision(((0.0, 2.0), (0.0, 2.0)), ((0.5, 0.5), (0.5, 0.5)), seed=3)
    given = table([0.5] * 4, [0.5] * 4, [0, 1, 0, 1])
    assert not collapsed(decide(given, coin))
    for weights in ((1.0, 0.0), (0.0, 1.0)):
        assert collapsed(decide(given, GroupDecision(coin.thresholds, (weights, weights))))


def test_collapse_is_judged_on_the_test_images() -> None:
    got = decide(table([0.6, 0.9, 0.2], [np.nan] * 3, [0, 1, 1]), Decision())
    assert not collapsed(got)
    assert collapsed(got.assign(role=["test", "test", "debias"]))
    assert role_of(got.assign(role=["test", "test", "debias"]), "debias")["score"].tolist() == [0.2]


def test_probability_is_the_softmax_and_does_not_overflow() -> None:
    logits = np.array([[0.0, 1.0], [3.0, -2.0], [1000.0, -1000.0], [-1000.0, 1000.0]])
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    wanted = (shifted / shifted.sum(1, keepdims=True))[:, 1]
    np.testing.assert_allclose(probability(logits), wanted, rtol=1e-12, atol=1e-300)
    missing = probability(np.array([[np.nan, np.nan], [0.0, 0.0]], np.float32))
    assert np.isnan(missing[0])
    assert missing[1] == 0.5
    assert missing.dtype == np.float64


@pytest.mark.parametrize("sign", [1, -1])
def test_large_margins_keep_their_order(sign: int) -> None:
    """float32 probabilities are 1 from a margin of 17 on: 19 % of these, and AUROC falls."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 4000)
    margin = (sign * rng.normal(12 + 4 * sign * (target - 0.5), 6)).astype(np.float32)
    score = probability(np.stack([np.zeros_like(margin), margin], axis=1))
    auroc = METRICS["auroc"]
    of_margin, of_score, of_half = (
        float(auroc.run(target, values, np.ones(4000), auroc.params()))
        for values in (margin, score, score.astype(np.float32))
    )
    assert of_score == pytest.approx(of_margin, abs=1e-7)
    assert sign == -1 or of_margin - of_half > 1e-3
