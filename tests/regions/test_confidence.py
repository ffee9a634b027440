"""Confidences of softmax values: their formulas, ranges and extremes."""

from __future__ import annotations

import math

import pytest
import torch

from rightreasons.regions.confidence import CONFIDENCES


def slow(name: str, row: list[float]) -> float:
    """The confidence of one softmax, in words."""
    largest, second = sorted(row, reverse=True)[:2]
    entropy = -sum(s * math.log(s) for s in row if s > 0)
    return {
        "maximum": largest,
        "margin": largest - second,
        "entropy": (math.log(len(row)) - entropy) / math.log(len(row)),
    }[name]


@pytest.mark.parametrize("name", ["maximum", "margin", "entropy"])
@pytest.mark.parametrize("classes", [2, 3, 9])
def test_formulas(name: str, classes: int) -> None:
    logits = 3 * torch.randn(4, 5, classes, generator=torch.Generator().manual_seed(classes))
    softmax = logits.double().softmax(dim=-1)
    got = CONFIDENCES[name](softmax)
    assert got.shape == (4, 5)
    expected = [[slow(name, cell.tolist()) for cell in row] for row in softmax]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))
    assert CONFIDENCES[name](softmax.float()).dtype == torch.float32


@pytest.mark.parametrize("classes", [2, 7])
def test_certain_is_one_and_uniform_is_the_least(classes: int) -> None:
    certain = torch.eye(classes)
    uniform = torch.full((classes,), 1 / classes)
    for name, least in [("maximum", 1 / classes), ("margin", 0), ("entropy", 0)]:
        assert torch.allclose(CONFIDENCES[name](certain), torch.ones(classes))
        assert float(CONFIDENCES[name](uniform)) == pytest.approx(least, abs=1e-6)


def test_two_classes_rank_alike_and_more_do_not() -> None:
    p = torch.linspace(0.5, 1, 50)
    two = torch.stack([p, 1 - p], dim=1)
    for name in CONFIDENCES:
        assert (CONFIDENCES[name](two).diff() > 0).all()
    rows = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.4, 0.2, 0.2, 0.2]])
    assert CONFIDENCES["margin"](rows).diff() > 0
    assert CONFIDENCES["entropy"](rows).diff() < 0


def test_nothing_else_is_registered() -> None:
    assert set(CONFIDENCES) == {"maximum", "margin", "entropy"}
