"""The one-sided design: counts, roles, identities, levels, and what is said when images lack."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rightreasons.contracts.fakes import labels_of
from rightreasons.core.errors import UserError
from rightreasons.splits import BALANCED, CELLS, achieved
from rightreasons.splits.one_sided import (
    MODES,
    OneSidedParams,
    balanced_counts,
    largest_n,
    one_sided,
    train_counts,
)

SHARES = {"train": 0.6, "debias": 0.1, "test": 0.3}
PUBLISHED = {"train": 0.88, "debias": 0.04, "test": 0.08}
FEW = {"debias": 4, "test": 4}
LEVELS = st.one_of(st.sampled_from([0.1, 0.5, 2 / 3, 0.667, 1.0]), st.floats(0.05, 1))


def draw(
    labels: pd.DataFrame, level: float = 2 / 3, seed: int = 0, **params: object
) -> pd.DataFrame:
    chosen = {"shares": SHARES, "min_images": FEW, "n": 20, **params}
    return one_sided(labels, level, OneSidedParams(**chosen), np.random.default_rng(seed))


def count(split: pd.DataFrame, role: str, protected: int, target: int) -> int:
    part = split[split["role"] == role]
    return int(((part["protected"] == protected) & (part["target"] == target)).sum())


@st.composite
def _people(draw: st.DrawFn) -> pd.DataFrame:
    counts = draw(st.tuples(*[st.integers(60, 140)] * 4))
    n, people = sum(counts), draw(st.integers(60, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    names = [None if k < 0 else f"p{k}" for k in rng.integers(-people // 4, people, n)]
    return labels_of(counts, names)


@settings(max_examples=40, deadline=None)
@given(_people(), LEVELS, st.sampled_from([0, 1]), st.sampled_from(MODES), st.integers(0, 1000))
def test_a_split_keeps_its_promises(
    labels: pd.DataFrame, level: float, clean: int, mode: str, seed: int
) -> None:
    n, other = 20, 1 - clean
    split = draw(labels, level, seed, n=n, clean_class=clean, balanced=mode)
    assert list(split.columns) == ["row", "image_id", "role", "target", "protected"]
    assert len(split.merge(labels, on=["row", "image_id", "target", "protected"])) == len(split)
    # No image in two of the roles, the balanced set from the images of train only.
    three = split[split["role"] != BALANCED]
    assert three["row"].is_unique
    assert not split.duplicated(["role", "row"]).any()
    used = split.replace({"role": {BALANCED: "train"}}).merge(labels[["row", "identity"]])
    used = used.drop_duplicates(["role", "row"])
    assert used["row"].is_unique
    assert (used.dropna(subset="identity").groupby("identity")["role"].nunique() <= 1).all()
    # The counts, one by one.
    assert count(split, "train", 1, clean) == 0
    assert count(split, "train", 0, clean) == n
    assert abs(count(split, "train", 1, other) - level * n) <= 0.5
    assert count(split, "train", 0, other) + count(split, "train", 1, other) == n
    for role in ("debias", "test"):
        assert len({count(split, role, *cell) for cell in CELLS}) == 1
        assert count(split, role, 0, 0) > 0
    assert (split["role"] == BALANCED).sum() == (0 if mode == "none" else 2 * n)
    if mode != "none":
        assert {count(split, BALANCED, *cell) for cell in CELLS} == {n // 2}


def test_the_papers_numbers() -> None:
    labels = labels_of((2000, 3000, 4500, 4500))
    split = one_sided(labels, 2 / 3, OneSidedParams(shares=PUBLISHED), np.random.default_rng(0))
    table = achieved(split).set_index("role")
    assert table.index.tolist() == ["train", "debias", "test", BALANCED]
    cells = table[["n01", "n11", "n00", "n10"]]
    assert cells.loc["train"].tolist() == [3000, 0, 1000, 2000]  # men without, with; women ...
    assert cells.loc["balanced"].tolist() == [1500] * 4
    assert cells.loc["test"].nunique() == 1
    assert table.loc["train", "N"] == table.loc["balanced", "N"] == 6000
    assert table.loc["balanced", "phi"] == 0


def test_without_the_role_balanced_its_row_is_missing() -> None:
    split = draw(labels_of((90,) * 4), balanced="none")
    assert achieved(split)["role"].tolist() == ["train", "debias", "test"]


@pytest.mark.parametrize(("level", "carry"), [(2 / 3, 2000), (0.666667, 2000), (0.667, 2001)])
def test_a_level_is_a_share_rounded_to_whole_images(level: float, carry: int) -> None:
    assert train_counts(3000, level, 1) == (0, carry, 3000, 3000 - carry)
    assert train_counts(3000, level, 0) == (carry, 0, 3000 - carry, 3000)
    assert float(f"{2 / 3:g}") == 0.666667  # how folders name the published level


def test_levels_share_their_images() -> None:
    labels = labels_of((300, 300, 300, 300))
    splits = {level: draw(labels, level, seed=5, n=80) for level in (0.25, 0.5, 1.0)}
    for role in ("debias", "test", BALANCED):
        rows = [set(split.loc[split["role"] == role, "row"]) for split in splits.values()]
        assert rows[0] == rows[1] == rows[2]
    for cell in CELLS:
        sets = []
        for split in splits.values():
            train = split[split["role"] == "train"]
            mine = (train["protected"] == cell[0]) & (train["target"] == cell[1])
            sets.append(set(train.loc[mine, "row"]))
        assert sets[0] <= sets[1] <= sets[2] or sets[0] >= sets[1] >= sets[2]
    fewer = draw(labels, 0.5, seed=5, n=40)
    assert set(fewer["row"]) <= set(splits[0.5]["row"])


def test_the_generator_decides_and_nothing_else() -> None:
    labels = labels_of((100, 100, 100, 100))
    one, same, other = (draw(labels, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not one["row"].equals(other["row"])


def test_caps_of_debias_and_test() -> None:
    split = draw(labels_of((400,) * 4), max_images={"debias": 43, "test": 81})
    found = split["role"].value_counts().to_dict()
    assert found == {"train": 40, BALANCED: 40, "debias": 40, "test": 80}


def test_nearest_takes_all_there_are_of_a_small_cell() -> None:
    """The paper: only 1,387 blond men in its training images, so 46 % instead of half."""
    assert balanced_counts(3000, (1387, 9000, 9000, 9000), "nearest") == (1387, 1500, 1613, 1500)
    assert balanced_counts(10, (9, 2, 1, 9), "nearest") == (9, 2, 1, 8)
    split = draw(labels_of((20, 400, 400, 400)), n=60, balanced="nearest")
    assert count(split, BALANCED, 1, 1) == 12
    assert count(split, BALANCED, 0, 1) == 48
    assert count(split, BALANCED, 1, 0) == count(split, BALANCED, 0, 0) == 30


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(*[st.integers(0, 30)] * 4), LEVELS, st.sampled_from([0, 1]), st.sampled_from(MODES)
)
def test_the_largest_n_is_the_largest(
    available: tuple[int, ...], level: float, clean: int, mode: str
) -> None:
    def possible(n: int) -> bool:
        carry = int(level * n + 0.5)
        have = dict(zip(CELLS, available, strict=True))
        train = have[0, clean] >= n and have[1, 1 - clean] >= carry >= 1
        train = train and have[0, 1 - clean] >= n - carry
        half = {
            "none": True,
            "equal": min(available) >= n / 2,
            "nearest": all(have[0, t] + have[1, t] >= n for t in (0, 1)),
        }
        return train and half[mode]

    wanted = max((n for n in range(2, 70, 2) if possible(n)), default=0)
    assert largest_n(level, available, clean, mode) == wanted


def test_too_few_images_say_which_cell_and_the_largest_n() -> None:
    labels = labels_of((40, 200, 400, 400))  # of which 24, 120, 240, 240 are for train
    with pytest.raises(UserError) as error:
        draw(labels, n=240)
    message = str(error.value)
    assert "one_sided with n = 240 at level 0.666667" in message
    assert (
        "train lacks 96 images with protected = 1 and target = 1 (it has 24, needs 120); "
        "40 images with protected = 1 and target = 0 (it has 120, needs 160)." in message
    )
    assert "debias" not in message
    found = re.search(
        r"possible n: (\d+) \(with balanced = nearest: (\d+), .* none: (\d+)", message
    )
    assert found is not None
    for n, mode in zip(map(int, found.groups()), MODES, strict=True):
        draw(labels, n=n, balanced=mode)
        with pytest.raises(UserError):
            draw(labels, n=n + 2, balanced=mode)


def test_an_empty_cell_leaves_nothing_possible() -> None:
    with pytest.raises(UserError, match=r"No n is possible\. .*debias lacks.*test lacks 10 images"):
        draw(labels_of((100, 0, 100, 100)), min_images={})


def test_small_test_and_capped_roles_are_named() -> None:
    labels = labels_of((60, 200, 200, 200))
    with pytest.raises(UserError) as error:
        draw(labels, min_images={"test": 100}, max_images={"debias": 20})
    message = str(error.value)
    assert "train" not in message
    assert "The role debias is capped at 20 images and needs 40." in message
    assert "test lacks 7 images with protected = 1 and target = 1 (it has 18, needs 25)" in message


@pytest.mark.parametrize(
    "bad",
    [
        {"levels": [0]},
        {"levels": [1.1]},
        {"levels": []},
        {"levels": [0.5, 0.5]},
        {"n": 0},
        {"n": 31},
        {"n": 4, "levels": [0.1]},
        {"clean_class": 2},
        {"balanced": "twice"},
        {"shares": {"train": 0.5, "test": 0.5}},
        {"max_images": {"train": 100}},
        {"min_images": {"train": 100}},
        {"min_images": {"balanced": 100}},
        {"level": 0.5},
    ],
)
def test_bad_parameters_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OneSidedParams(**bad)


def test_n_can_be_the_largest_there_is_with_a_cap() -> None:
    labels = labels_of((40, 200, 400, 400))
    split = draw(labels, n="largest")
    n = int((split["role"] == "train").sum()) // 2
    pd.testing.assert_frame_equal(split, draw(labels, n=n))
    with pytest.raises(UserError):
        draw(labels, n=n + 2)
    few = draw(labels, n="largest", max_images={"train": 23})
    assert (few["role"] == "train").sum() == 20
    with pytest.raises(ValidationError, match="set `n` instead"):
        OneSidedParams(n=20, max_images={"train": 10})
