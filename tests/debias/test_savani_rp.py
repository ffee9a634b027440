"""Random perturbation: the copies, and which of them is taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rightreasons.contracts.fakes import biased_images, make_context, trained
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._perturbed import Judge, PerturbedParams, fairest
from rightreasons.debias._thresholds import Choice
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.decisions import Decision
from rightreasons.models.classifier import Classifier

TRAINING = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)


@pytest.fixture(scope="module")
def vanilla() -> Classifier:
    return trained(biased_images(128, 0.6, size=16), TRAINING)


@pytest.fixture(scope="module")
def context(vanilla: Classifier) -> Context:
    return make_context(vanilla, biased_images(96, 0.6, size=16, seed=1), training=TRAINING)


def run(context: Context, name: str = "savani_rp", **params: Any) -> Debiased:
    return METHODS[name].run(context, METHODS[name].params(**params))


def test_random_perturbation_keeps_vanilla_where_nothing_is_fairer(
    vanilla: Classifier, context: Context
) -> None:
    alone = run(context, copies=1, threshold="equalized_odds")
    for key, value in vanilla.state_dict().items():
        assert torch.equal(alone.model.state_dict()[key], value), key
    assert alone.decision == run(context, "thropt").decision
    many = run(context, copies=8, tolerance=0.5, threshold="equalized_odds")
    assert many.notes["equalized_odds"] <= alone.notes["equalized_odds"]
    same = run(context, copies=3, scale=0.0)
    assert same.notes["copy"] == 0


def test_at_scale_0_the_network_is_vanilla(vanilla: Classifier, context: Context) -> None:
    debiased = run(context, copies=3, scale=0.0)
    assert debiased.decision == Decision()
    for key, value in vanilla.state_dict().items():
        assert torch.equal(debiased.model.state_dict()[key], value), key


def tried(*pairs: tuple[float, float]) -> list[Choice]:
    return [Choice(0.5, gap, accuracy) for gap, accuracy in pairs]


@pytest.mark.parametrize(
    ("networks", "tolerance", "best"),
    [
        (tried((0.3, 0.9), (0.1, 0.88), (0.0, 0.87)), 0.02, 1),  # the fairest is not accurate
        (tried((0.3, 0.9), (0.1, 0.88), (0.0, 0.87)), 0.03, 2),
        (tried((0.1, 0.9), (0.1, 0.91), (0.1, 0.91)), 0.5, 1),  # the more accurate, the earlier
        (tried((0.2, 0.5)), 0.0, 0),
    ],
)
def test_the_fairest_of_the_accurate_networks_is_taken(
    networks: list[Choice], tolerance: float, best: int
) -> None:
    assert fairest(networks, tolerance) == best


@pytest.mark.parametrize("threshold", ["half", "equalized_odds"])
def test_a_network_is_judged_by_its_decisions(context: Context, threshold: str) -> None:
    """Counted image by image."""
    params = PerturbedParams(threshold=threshold, tolerance=0.03)
    judged = Judge(context, params, "any")(context.vanilla())
    data = context.debias()
    rule = Decision() if threshold == "half" else run(context, "thropt", tolerance=0.03).decision
    wanted = rule.threshold
    assert judged.threshold == wanted
    score = context.predictions["score"].to_numpy()
    hits: dict[tuple[int, int], list[bool]] = {}
    for s, t, a in zip(score, data.target.tolist(), data.protected.tolist(), strict=True):
        hits.setdefault((t, a), []).append(bool((s >= wanted) == bool(t)))
    right = {cell: sum(h) / len(h) for cell, h in hits.items()}
    assert judged.cell_accuracy == pytest.approx(sum(right.values()) / 4)
    gaps = [abs(right[t, 1] - right[t, 0]) for t in (0, 1)]
    assert judged.equalized_odds == pytest.approx(max(gaps))
