"""Roles of a split as labelled images, and a model's predictions on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.learning.decisions import probabilities, probability

if TYPE_CHECKING:
    import torch

    from rightreasons.learning.decisions import Decision, GroupDecision
    from rightreasons.learning.images import LabelledImages
    from rightreasons.models.classifier import Classifier

#: The roles that models predict: test is reported, the others choose between models.
ROLES = ("debias", "select", "test")


@dataclass(frozen=True)
class TaskImages:
    """The images of a group, and their twins; rows are those of the split.

    Attributes
    ----------
    images
        uint8 (N, H, W, 3), or twice as many rows where the protected attribute is an artifact.
    twins
        The same with the protected attribute alone switched, or None.
    watched_twins
        The same with the watched attribute alone switched, or None.
    """

    images: Any
    twins: Any
    watched_twins: Any


def role_of(split: pd.DataFrame, role: str) -> pd.DataFrame:
    """Return the rows of a split that play `role`, in the order of the split."""
    return split[split["role"] == role].reset_index(drop=True)


def labelled(images: np.ndarray, split: pd.DataFrame, role: str) -> LabelledImages:
    """Return the images and labels of a role.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        The pool. Images stay in it until they are asked for.
    split
        row, image_id, role, target, protected.
    role
        Which one; there are no images where the split lacks it.
    """
    import torch

    from rightreasons.learning.images import LabelledImages, Rows

    part = role_of(split, role)
    return LabelledImages(
        images=Rows(images, part["row"].to_numpy()),
        target=torch.from_numpy(part["target"].to_numpy(np.int64)),
        protected=torch.from_numpy(part["protected"].to_numpy(np.int64)),
        image_ids=part["image_id"].tolist(),
    )


def predict(
    model: Classifier,
    pool: TaskImages,
    split: pd.DataFrame,
    device: torch.device,
    roles: tuple[str, ...] = ROLES,
) -> pd.DataFrame:
    """Return a model's outputs on the images of ROLES, and on the test images' twins.

    Parameters
    ----------
    model
        The network, on `device`.
    pool
        The images, and the same with the protected and with the watched attribute switched.
    split
        row, image_id, role, target, protected, and watched where an attribute is.
    device
        Where to compute.
    roles
        The roles that are predicted.

    Returns
    -------
    DataFrame
        image_id, role, target, protected, logit_0, logit_1, score = P(target = 1), and
        twin_logit_0, twin_logit_1, twin_score, missing outside the test role and without twins.
        Of a network with C > 2 classes logit_0 to logit_<C - 1>, score_0 to score_<C - 1>, the
        classes' probabilities, score, that of the likeliest class, and the same logits of twins,
        whose twin_score is the probability of the class that is likeliest for the image.
        Where an attribute is watched also watched and watched_twin_logit_0 and so on, of the twins
        in which it alone is switched. Decisions are added by `decide`.

    Raises
    ------
    UserError
        Where an output is not finite.
    """
    from rightreasons.learning.images import Rows
    from rightreasons.learning.training import predict_logits

    part = split[split["role"].isin(roles)].reset_index(drop=True)
    rows = part["row"].to_numpy()
    table = part[["image_id", "role", "target", "protected"]].copy()
    logits = predict_logits(model, Rows(pool.images, rows), device)
    if not np.isfinite(logits).all():
        raise UserError(
            "the network's outputs are not finite: its training has exploded. Lower the learning "
            "rate."
        )
    _add_logits(table, "", logits)
    test = (part["role"] == "test").to_numpy()

    def of_twins(twins: np.ndarray | None) -> np.ndarray:
        found = np.full((len(part), logits.shape[1]), np.nan, np.float32)
        if twins is not None:
            found[test] = predict_logits(model, Rows(twins, rows[test]), device)
        return found

    first = logits.argmax(axis=1)
    _add_logits(table, "twin_", of_twins(pool.twins), first)
    if "watched" in part:
        table["watched"] = part["watched"]
        _add_logits(table, "watched_twin_", of_twins(pool.watched_twins), first)
    return table


def predict_role(
    model: Classifier, images: np.ndarray, split: pd.DataFrame, role: str, device: torch.device
) -> pd.DataFrame:
    """Return a model's outputs on the images of one role, without their twins.

    Arguments, columns and errors are those of `predict`.
    """
    pool = TaskImages(images, twins=None, watched_twins=None)
    return predict(model, pool, role_of(split, role), device, roles=(role,))


def decide(predictions: pd.DataFrame, decision: Decision | GroupDecision) -> pd.DataFrame:
    """Return predictions with the decisions of a rule.

    Parameters
    ----------
    predictions
        As from `predict`.
    decision
        The rule.

    Returns
    -------
    DataFrame
        With the columns `decision` and `chance`, how often 1 is decided: 0 or 1 unless the rule is
        a lottery whose expectation counts. `twin_decision` and `twin_chance` are the twin's, which
        belongs to the other protected group and has the same draw; missing without a twin. Of the
        twin in the watched attribute, if predictions have it, `watched_twin_decision` and
        `watched_twin_chance`: it belongs to the same protected group. Of more than two classes the
        likeliest is decided, whatever the rule; `chance` is 1, and `twin_chance` 1 where the twin
        is decided as the image is, else 0: how often the image's class is decided.
    """
    table = predictions.copy()
    if n_classes(table) > 2:
        return _likeliest(table)
    ids = table["image_id"].tolist()
    protected, score = table["protected"].to_numpy(), table["score"].to_numpy()
    table["decision"] = decision.decide(score, protected, ids)
    table["chance"] = decision.rate(score, protected, ids)
    groups = {"twin_": 1 - protected, "watched_twin_": protected}
    for prefix, group in groups.items():
        if f"{prefix}score" in table:
            none = table[f"{prefix}score"].isna()
            twin_score = table[f"{prefix}score"].fillna(0).to_numpy()
            twin = decision.decide(twin_score, group, ids)
            table[f"{prefix}decision"] = pd.array(twin, dtype="Int8")
            table.loc[none, f"{prefix}decision"] = pd.NA
            rate = decision.rate(twin_score, group, ids)
            table[f"{prefix}chance"] = np.where(none, np.nan, rate)
    return table


def n_classes(predictions: pd.DataFrame) -> int:
    """Return the number of classes that predictions have logits of, at least 2."""
    return max(2, sum(str(name).startswith("logit_") for name in predictions))


def _likeliest(table: pd.DataFrame) -> pd.DataFrame:
    """Add the decisions of a network with more than two classes."""
    for prefix in ("", "twin_", "watched_twin_"):
        names = [f"{prefix}logit_{number}" for number in range(n_classes(table))]
        if names[0] not in table:
            continue
        logits = table[names].to_numpy(np.float64)
        none = np.isnan(logits).any(axis=1)
        decided = np.where(none, 0, np.nan_to_num(logits).argmax(axis=1)).astype(np.int8)
        same = (decided == table["decision"].to_numpy()) if prefix else np.ones(len(table))
        table[f"{prefix}decision"] = pd.array(decided, dtype="Int8") if prefix else decided
        if prefix:
            table.loc[none, f"{prefix}decision"] = pd.NA
        table[f"{prefix}chance"] = np.where(none, np.nan, same.astype(np.float64))
    return table


def collapsed(predictions: pd.DataFrame) -> bool:
    """Return whether the model always decides the same, on every test image."""
    if n_classes(predictions) > 2:
        return bool(role_of(predictions, "test")["decision"].nunique() == 1)
    chance = role_of(predictions, "test")["chance"]
    return bool((chance == 0).all() or (chance == 1).all())


def _add_logits(
    table: pd.DataFrame, prefix: str, logits: np.ndarray, first: np.ndarray | None = None
) -> None:
    """Add logits (N, C) and score; `first`: of more than two classes, whose score it is (N,)."""
    for number, values in enumerate(logits.T):
        table[f"{prefix}logit_{number}"] = values
    if logits.shape[1] == 2:
        table[f"{prefix}score"] = probability(logits)
        return
    scores = probabilities(logits)
    if first is None:
        first = logits.argmax(axis=1)
        for number, values in enumerate(scores.T):
            table[f"{prefix}score_{number}"] = values
    table[f"{prefix}score"] = scores[np.arange(len(scores)), first]
