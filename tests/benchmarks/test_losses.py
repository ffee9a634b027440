"""benchmarks/speed/losses.py: both sides of a comparison do the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.speed import losses
from benchmarks.speed.options import Options

OPTIONS = Options(Path("."), 1, None, toy=True)
FOUND = {comparison.what.split(":")[0]: comparison for comparison in losses.comparisons(OPTIONS)}


def test_pairs_one_by_one_give_the_same_discrepancy() -> None:
    made = FOUND["mmd"]
    assert float(made.ours()) == pytest.approx(made.other(), rel=1e-4)


def test_whitening_gives_the_same_eraser() -> None:
    made = FOUND["leace"]
    read, write, _ = made.ours()
    np.testing.assert_allclose(np.outer(write, read), made.other(), atol=1e-9)


def test_pairs_of_thresholds_one_by_one_are_as_fair() -> None:
    made = FOUND["frontier"]
    score, target, protected, _ = made.other.args

    def gap(pair: tuple[float, float]) -> float:
        decision = score >= np.where(protected == 0, *pair)
        rate = [[decision[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
        return max(abs(one - zero) for zero, one in rate)

    assert made.ours().equalized_odds == pytest.approx(gap(made.other()))
    assert gap(made.other()) > 0


@pytest.mark.parametrize("name", ["rrr", "map_guidance"])
def test_a_gradient_per_image_is_the_batchs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    build = losses.build_classifier
    monkeypatch.setattr(losses, "build_classifier", lambda n: kept.append(build(n)) or kept[-1])
    FOUND[name].ours()
    FOUND[name].other()
    one, other = (
        torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        for model in kept
    )
    assert one.norm() > 0
    assert (one - other).norm() < 0.1 * one.norm()  # rounding moves pixels over a map's zero
