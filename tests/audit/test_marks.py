"""What a mark does to decisions, against counting by hand and a slow search for the interval."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from rightreasons.audit.marks import Effect, effects, paired_shift


def rows(mark: str, pairs: dict[tuple[int, int], int]) -> pd.DataFrame:
    """Return images by what is decided without and with the mark, and how many there are."""
    every = [pair for pair, count in pairs.items() for _ in range(count)]
    return pd.DataFrame(every, columns=["chance", "twin_chance"]).assign(mark=mark)


def one(pairs: dict[tuple[int, int], int]) -> Effect:
    [effect] = effects(rows("mark", pairs), ["mark"])
    return effect


def test_decisions_are_counted_by_where_they_go() -> None:
    effect = one({(0, 0): 40, (0, 1): 30, (1, 0): 5, (1, 1): 25})
    assert (effect.n, effect.towards, effect.away) == (100, 30, 5)
    assert effect.changed == pytest.approx(0.35)
    assert effect.changed_low < 0.35 < effect.changed_high
    assert effect.shift == pytest.approx(0.25)
    assert effect.shift_low < 0.25 < effect.shift_high
    assert effect.sways


def test_what_turns_most_of_what_it_can_turn_is_strong() -> None:
    effect = one({(0, 0): 5, (0, 1): 45, (1, 0): 1, (1, 1): 49})
    assert effect.turned == pytest.approx(0.9)
    assert effect.strong
    other = one({(1, 1): 5, (1, 0): 45, (0, 1): 1, (0, 0): 49})
    assert other.turned == pytest.approx(0.9)
    assert other.shift == -effect.shift
    weak = one({(0, 0): 200, (0, 1): 60, (1, 1): 240})
    assert weak.sways
    assert not weak.strong


def test_the_test_is_the_sign_test_of_the_changed_ones() -> None:
    effect = one({(0, 1): 8, (1, 0): 1, (0, 0): 20})
    tail = sum(math.comb(9, k) for k in range(2)) / 2**9
    assert effect.p == pytest.approx(2 * tail)


def test_p_values_are_adjusted_for_the_number_of_marks() -> None:
    frame = pd.concat([rows(name, {(0, 1): 6, (0, 0): 20}) for name in ("a", "b", "c")])
    alone = one({(0, 1): 6, (0, 0): 20}).p
    assert [e.p for e in effects(frame, ["a", "b", "c", "nothing"])] == [3 * alone] * 3


@pytest.mark.parametrize(
    "pairs",
    [
        {(0, 0): 50, (1, 1): 50},  # nothing changes
        {(0, 1): 30, (1, 0): 30, (0, 0): 40},  # many changes, no direction
        {(0, 1): 30, (0, 0): 2970},  # one direction, one in a hundred
        {(0, 1): 3, (0, 0): 7},  # too few
    ],
)
def test_what_does_not_sway(pairs: dict[tuple[int, int], int]) -> None:
    assert not one(pairs).sways


def test_no_images_give_nothing() -> None:
    assert effects(rows("mark", {}), ["mark"]) == []
    assert np.isnan(paired_shift(0, 0, 0)).all()


@pytest.mark.parametrize("n", [12, 60])
def test_intervals_cover_the_true_shift(n: int) -> None:
    """Over a grid of true shares the exact coverage is 0.95 on average, and rarely far below."""
    covered = []
    for up, down in itertools.product((0.02, 0.1, 0.3, 0.5), repeat=2):
        if up + down > 1:
            continue
        total = 0.0
        for b in range(n + 1):
            for c in range(n + 1 - b):
                chance = (
                    math.comb(n, b) * math.comb(n - b, c)
                    * up**b * down**c * max(1 - up - down, 0) ** (n - b - c)
                )  # fmt: skip
                _, low, high = paired_shift(b, c, n)
                total += chance * (low <= up - down <= high)
        covered.append(total)
    assert 0.94 < np.mean(covered) < 0.985
    assert min(covered) > 0.9
