"""Decision rules: how a probability becomes a decision. They never touch a network's outputs.

A decision rule is data: it is stored beside a model as JSON and read back without torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from rightreasons.core.errors import UserError

Array = np.ndarray


def probability(logits: Array) -> Array:
    """Return P(target = 1), the softmax of two logits.

    float64, because float32 is 1 from a margin of 17 on, while small probabilities stay apart:
    images far on one side would tie. In float64 the order of float32 logits is kept up to margins
    of about 23, and nothing is 1 below a margin of 36.

    Parameters
    ----------
    logits : (N, 2)
        Of class 0 and class 1.

    Returns
    -------
    ndarray
        float64 (N,), in [0, 1]; missing where a logit is.
    """
    logits = np.asarray(logits, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # of a missing logit
        return np.exp(-np.logaddexp(0, logits[:, 0] - logits[:, 1]))


def probabilities(logits: Array) -> Array:
    """Return the probability of each class, the softmax of logits.

    Parameters
    ----------
    logits : (N, C)
        Of the classes.

    Returns
    -------
    ndarray
        float64 (N, C), rows that add up to 1; missing where a logit is.
    """
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Decision:
    """One threshold for everybody: decide 1 where P(target = 1) >= `threshold`.

    Parameters
    ----------
    threshold
        0 decides 1 for all; above 1 decides 0 for all.
    """

    threshold: float = 0.5

    def decide(self, score: Array, protected: Array, image_ids: list[str]) -> Array:
        """Return the decisions on some images.

        Parameters
        ----------
        score : (N,), in [0, 1]
            P(target = 1) of each image.
        protected : (N,)
            Not used by this rule.
        image_ids
            Not used by this rule.

        Returns
        -------
        ndarray
            int8 (N,), 0 or 1.
        """
        return (np.asarray(score, dtype=np.float64) >= self.threshold).astype(np.int8)

    def rate(self, score: Array, protected: Array, image_ids: list[str]) -> Array:
        """Return how often 1 is decided on each image, float64 (N,): the decision itself.

        Arguments as in `decide`.
        """
        return self.decide(score, protected, image_ids).astype(np.float64)


PerGroup = tuple[tuple[float, ...], tuple[float, ...]]
NEVER = 2.0
ALWAYS = 0.0


@dataclass(frozen=True)
class GroupDecision:
    """A lottery over thresholds per protected group.

    In group a, threshold `thresholds[a][k]` applies with probability `weights[a][k]`. Any point of
    the convex hull of a ROC curve is such a lottery: the threshold ALWAYS accepts every score and
    NEVER none, and so a coin is one too. An image has one draw in [0, 1), a hash of its id and
    `seed`: it does not depend on order, an image's twin has the same draw, and a higher score in
    the same group never turns a 1 into a 0. Measures need no draw: they count the probability of
    deciding 1 (`rate`), unless `lottery` says that this one draw is meant.

    Parameters
    ----------
    thresholds, weights
        For group 0 and for group 1: the thresholds, and how often each applies.
    seed
        Of the draws.
    lottery
        What measures count: "expected", the probability of deciding 1, which is the mean over all
        draws; "draw", the decisions of this one.

    Raises
    ------
    UserError
        Where a group's weights are negative, do not sum to 1 or do not match its thresholds.

    References
    ----------
    Hardt et al. 2016, section 4.
    """

    thresholds: PerGroup
    weights: PerGroup
    seed: int = field(default=0)
    lottery: Literal["expected", "draw"] = field(default="expected")

    def __post_init__(self) -> None:
        for group, (thresholds, weights) in enumerate(
            zip(self.thresholds, self.weights, strict=True)
        ):
            if len(thresholds) != len(weights) or min(weights) < 0 or abs(sum(weights) - 1) > 1e-9:
                raise UserError(
                    f"decision rule: group {group} has thresholds {thresholds} with weights "
                    f"{weights}: one weight each, none negative, their sum 1."
                )

    def chance(self, score: Array, protected: Array) -> Array:
        """Return the probability (N,) of deciding 1 for scores (N,) and groups (N,)."""
        score, group = np.asarray(score, dtype=np.float64), np.asarray(protected, dtype=np.int64)
        chance = np.zeros(len(score))
        for a in (0, 1):
            order = np.argsort(self.thresholds[a], kind="stable")
            reached = np.concatenate([[0.0], np.cumsum(np.asarray(self.weights[a])[order])])
            reached = np.minimum(reached, 1.0)  # rounding can take a sum above 1
            reached[-1] = 1.0
            passed = np.searchsorted(
                np.asarray(self.thresholds[a])[order], score[group == a], side="right"
            )
            chance[group == a] = reached[passed]
        return chance

    def decide(self, score: Array, protected: Array, image_ids: list[str]) -> Array:
        """Return the decisions on some images.

        Parameters
        ----------
        score : (N,), in [0, 1]
            P(target = 1) of each image.
        protected : (N,)
            The group of each image, 0 or 1.
        image_ids
            Of the images, for their draws.

        Returns
        -------
        ndarray
            int8 (N,), 0 or 1.
        """
        draw = np.array([_uniform(self.seed, image) for image in image_ids])
        return (draw < self.chance(score, protected)).astype(np.int8)

    def rate(self, score: Array, protected: Array, image_ids: list[str]) -> Array:
        """Return how often 1 is decided on each image, float64 (N,), as `lottery` says.

        Arguments as in `decide`.
        """
        if self.lottery == "expected":
            return self.chance(score, protected)
        return self.decide(score, protected, image_ids).astype(np.float64)


def to_json(decision: Decision | GroupDecision) -> dict[str, Any]:
    """Return a rule as a dict that is ready for JSON; `from_json` reads it back."""
    return {"rule": type(decision).__name__, **asdict(decision)}


def from_json(stored: dict[str, Any]) -> Decision | GroupDecision:
    """Return the rule that `to_json` stored."""
    fields = {k: _as_tuple(v) for k, v in stored.items() if k != "rule"}
    return {"Decision": Decision, "GroupDecision": GroupDecision}[stored["rule"]](**fields)


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list | tuple) else value


def _uniform(seed: int, image_id: str) -> float:
    digest = hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
