"""Predictions on roles and twins, decisions on them, collapse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images
from rightreasons.core.errors import UserError
from rightreasons.learning.decisions import Decision, GroupDecision
from rightreasons.learning.predictions import collapsed, decide, labelled, predict, role_of
from rightreasons.learning.training import predict_logits
from rightreasons.models.architectures import build_classifier

DATA = biased_images(40, 0.0)
POOL = np.asarray(DATA.images)
TWINS = POOL[:, :, ::-1].copy()


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
    got = predict(model, POOL, TWINS, SPLIT, CPU)
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
    got = predict(build_classifier("small_cnn"), POOL, None, SPLIT, CPU)
    assert got[["twin_logit_0", "twin_logit_1", "twin_score"]].isna().all(axis=None)
    assert decide(got, Decision())["twin_decision"].isna().all()


def test_an_exploded_network_is_refused() -> None:
    model = build_classifier("small_cnn")
    model.head.bias.data[0] = torch.nan
    with pytest.raises(UserError, match="outputs are not finite"):
        predict(model, POOL, None, SPLIT, CPU)


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
    got = decide(table([0.5] * n, [0.5] * n, [0, 1] * (n // 2)), coin)
    assert got["decision"].tolist() == got["twin_decision"].tolist()
    assert 0.4 < got["decision"].mean() < 0.6
    shuffled = got.sample(frac=1, random_state=0).drop(columns=["decision", "twin_decision"])
    again = decide(shuffled, coin)["decision"].sort_index()
    assert again.tolist() == got["decision"].tolist()


def test_collapse_is_judged_on_the_test_images() -> None:
    got = decide(table([0.6, 0.9, 0.2], [np.nan] * 3, [0, 1, 1]), Decision())
    assert not collapsed(got)
    assert collapsed(got.assign(role=["test", "test", "debias"]))
    assert role_of(got.assign(role=["test", "test", "debias"]), "debias")["score"].tolist() == [0.2]
