"""The placebo simulation: it claims what is there, and its studies have nothing to be claimed."""

from __future__ import annotations

import sys

import numpy as np

from rightreasons.core.seeds import numpy_rng
from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import placebo


def test_a_method_that_is_better_with_every_seed_is_claimed() -> None:
    odds = numpy_rng(0, "placebo").normal(0.3, 0.02, (placebo.NAMES, 5))
    assert not placebo._by_seed(odds)
    odds[3] -= 0.2
    assert placebo._by_seed(odds)


def test_a_method_that_is_worse_is_no_best_one() -> None:
    odds = numpy_rng(1, "placebo").normal(0.3, 0.02, (placebo.NAMES, 5))
    odds[3] += 0.3
    assert not placebo._by_seed(odds)


def test_a_study_is_the_same_again_and_its_names_are_alike() -> None:
    first, second = (placebo.one_study(5, 3) for _ in range(2))
    assert np.array_equal(first[2], second[2])
    assert first[2].shape == (placebo.NAMES, 3)
    assert (first[2] >= 0).all()
    assert (first[2] <= 1).all()


def test_images_have_the_association_that_was_asked_for() -> None:
    data = placebo.draw(20_000, 0.8, numpy_rng(0, "placebo"))
    assert abs(np.corrcoef(data.target, data.protected)[0, 1] - 0.8) < 0.02
