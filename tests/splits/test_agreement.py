"""The design agreement, and that it counts as Waterbirds was counted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import numpy_rng
from rightreasons.splits import DESIGNS, achieved, cell_counts, label, label_injected
from rightreasons.splits.agreement import AgreementParams, largest_counts

#: Sagawa et al. 2020, section 3: landbirds on land and on water, waterbirds on land and on water.
LAND_LAND, LAND_WATER, WATER_LAND, WATER_WATER = 3498, 184, 56, 1057
PUBLISHED = (WATER_WATER, LAND_WATER, WATER_LAND, LAND_LAND)


def birds(landbirds: int, waterbirds: int) -> pd.DataFrame:
    n = landbirds + waterbirds
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "image_id": [f"{i:05d}" for i in range(n)],
            "identity": pd.array([None] * n, dtype="string"),
            "waterbird": (np.arange(n) < waterbirds).astype(np.int8),
        }
    )


def drawn(index: pd.DataFrame, level: float, **params: object) -> pd.DataFrame:
    design = DESIGNS["agreement"]
    labels = label_injected(index, "waterbird", "background")
    split: pd.DataFrame = design.run(
        labels, level, design.params(**params), numpy_rng(0, "split", "task")
    )
    return split


def counts_of(split: pd.DataFrame, role: str) -> tuple[int, int, int, int]:
    return cell_counts(split[split["role"] == role])


def test_the_published_counts_of_waterbirds() -> None:
    """Half of twice as many birds are the train set's 3,682 landbirds and 1,113 waterbirds."""
    index = birds(2 * (LAND_LAND + LAND_WATER), 2 * (WATER_LAND + WATER_WATER))
    shares = {"train": 0.5, "debias": 0.1, "select": 0.1, "test": 0.3}
    split = drawn(index, 0.95, levels=[0.5, 0.95], shares=shares)
    assert counts_of(split, "train") == PUBLISHED
    assert len(set(counts_of(split, "test"))) == 1
    at_half = drawn(index, 0.5, levels=[0.5, 0.95], shares=shares)
    assert counts_of(at_half, "train") == (557, 1841, 556, 1841)
    birds_of = [
        set(one.loc[one["role"] == "train", "row"] % len(index)) for one in (split, at_half)
    ]
    assert birds_of[0] == birds_of[1]
    table = achieved(split).set_index("role")
    assert table.loc["train", "phi"] == pytest.approx(0.867, abs=5e-4)


def slow(available: tuple[int, ...], level: Fraction, most: int) -> tuple[int, ...]:
    """Try every number of images, in fractions; round halves up."""

    def rounded(value: Fraction) -> int:
        return int((2 * value + 1) // 2)

    n11, n01 = available[0], available[2]
    for n in range(min(most, sum(available)), 0, -1):
        ones = rounded(Fraction(n * (n11 + n01), sum(available)))
        a, b = rounded(level * ones), rounded((1 - level) * (n - ones))
        counts = (a, b, ones - a, n - ones - b)
        if all(count <= have for count, have in zip(counts, available, strict=True)):
            return counts
    return 0, 0, 0, 0


@pytest.mark.parametrize("level", ["1/2", "3/4", "1/8", "0", "1"])
def test_counts_are_the_most_images_that_there_are(level: str) -> None:
    rng, share = np.random.default_rng(0), Fraction(level)
    for _ in range(40):
        available = tuple(int(k) for k in rng.integers(0, 60, 4))
        most = int(rng.integers(1, 200))
        assert largest_counts(available, float(share), most) == slow(available, share, most)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_an_attribute_that_images_have_is_undersampled(level: float) -> None:
    index = birds(3000, 1000).assign(
        water=lambda t: (np.random.default_rng(1).random(len(t)) < 0.5).astype(np.int8)
    )
    design = DESIGNS["agreement"]
    split = design.run(
        label(index, "waterbird", "water"), level, design.params(), numpy_rng(0, "split", "task")
    )
    n11, n10, n01, n00 = counts_of(split, "train")
    assert n11 / (n11 + n01) == pytest.approx(level, abs=0.005)
    assert n00 / (n00 + n10) == pytest.approx(level, abs=0.005)
    assert (n11 + n01) / (n11 + n10 + n01 + n00) == pytest.approx(0.25, abs=0.005)


def test_only_a_level_of_0_or_1_leaves_a_cell_empty() -> None:
    params = AgreementParams(levels=[0, 0.95])
    assert [params.leaves_empty("debias", level) for level in (0, 0.95, 1)] == [True, False, True]


@pytest.mark.parametrize("level", [-0.1, 1.5])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        AgreementParams(levels=[level])


def test_what_lacks_is_said() -> None:
    with pytest.raises(UserError, match=r"agreement = 0\.95 .*The role train lacks 66 images"):
        drawn(birds(300, 100), 0.95, min_images={"train": 400}, levels=[0.95])
    with pytest.raises(UserError, match=r"4 images with .* target = 1 \(it has 1, needs 5\)"):
        drawn(birds(300, 100), 0.95, select="train", levels=[0.95])
    with pytest.raises(UserError, match="capped at 50 images and needs 60"):
        drawn(
            birds(300, 100), 0.5, min_images={"train": 60}, max_images={"train": 50}, levels=[0.5]
        )
    with pytest.raises(UserError, match="test lacks 10 images with protected = 1 and target = 1"):
        drawn(birds(400, 0), 0.5, levels=[0.5])
