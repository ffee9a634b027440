"""Splits by phi: counts, association, slices, identities, and what impossible levels say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rightreasons.contracts.fakes import labels_of
from rightreasons.core.errors import UserError
from rightreasons.splits import (
    CELLS,
    achieved,
    cell_counts,
    label,
    label_injected,
    phi,
    yules_q,
    yules_y,
)
from rightreasons.splits._slicing import slice_roles
from rightreasons.splits.phi_design import PhiParams, largest_counts, phi_split

FEW = {"train": 4, "debias": 4, "select": 4, "test": 4}
#: The paper's: no images to choose parameters by.
PUBLISHED = {"train": 0.3, "debias": 0.2, "test": 0.5}
LEVELS = st.one_of(
    st.sampled_from([-1.0, -0.5, 0.0, 0.3, 0.5, 0.9, 1.0]), st.floats(-1, 1, allow_nan=False)
)
TABLES = st.tuples(*[st.integers(0, 60)] * 4)


def pearson(n11: int, n10: int, n01: int, n00: int) -> float:
    """Phi as the correlation of the two columns, which is what it is."""
    frame = labels_of((n11, n10, n01, n00))
    return float(np.corrcoef(frame["target"], frame["protected"])[0, 1])


@given(TABLES)
def test_associations_against_their_definitions(table: tuple[int, int, int, int]) -> None:
    n11, n10, n01, n00 = table
    if 0 in (n11 + n10, n01 + n00, n11 + n01, n10 + n00):
        assert all(math.isnan(f(*table)) for f in (phi, yules_q, yules_y))
        return
    assert phi(*table) == pytest.approx(pearson(*table), abs=1e-12)
    if n10 * n01:
        odds = n11 * n00 / (n10 * n01)
        assert yules_q(*table) == pytest.approx((odds - 1) / (odds + 1))
        assert yules_y(*table) == pytest.approx((math.sqrt(odds) - 1) / (math.sqrt(odds) + 1))
    else:
        assert yules_q(*table) == yules_y(*table) == 1


def test_phi_of_large_tables_does_not_overflow() -> None:
    assert phi(10**6, 10**5, 10**5, 10**6) == pytest.approx(9 / 11)


def brute_force(available: tuple[int, ...], level: float) -> int:
    """The largest N with every count N (1 +- level) / 4 rounded, and phi within 1/N."""
    for n in range(sum(available), 0, -1):
        exact = [n * (1 + s * level) / 4 for s in (1, -1, -1, 1)]
        options = [{math.floor(x), math.ceil(x)} for x in exact]
        for counts in itertools.product(*options):
            if sum(counts) != n or any(c > a for c, a in zip(counts, available, strict=True)):
                continue
            value = phi(*counts)
            if not math.isnan(value) and abs(value - level) <= 1 / n + 1e-12:
                return n
    return 0


@settings(max_examples=150, deadline=None)
@given(st.tuples(*[st.integers(0, 25)] * 4), LEVELS)
def test_counts_are_the_largest_there_are(available: tuple[int, ...], level: float) -> None:
    counts = largest_counts(available, level)
    assert sum(counts) == brute_force(available, level)
    assert all(c <= a for c, a in zip(counts, available, strict=True))
    if sum(counts):
        assert abs(phi(*counts) - level) <= 1 / sum(counts) + 1e-9


@given(st.tuples(*[st.integers(0, 400)] * 4), LEVELS, st.integers(1, 500))
def test_a_cap_is_kept(available: tuple[int, ...], level: float, most: int) -> None:
    assert sum(largest_counts(available, level, most)) <= most


@pytest.mark.parametrize("level", [0.0, 0.5, -0.7, 0.9, 1.0])
def test_plenty_of_images_give_the_papers_counts(level: float) -> None:
    n = 4000
    counts = largest_counts((5000,) * 4, level, n)
    same, other = round(n * (1 + level) / 4), round(n * (1 - level) / 4)
    assert counts == (same, other, other, same)


@st.composite
def _people(draw: st.DrawFn) -> pd.DataFrame:
    counts = draw(st.tuples(*[st.integers(40, 120)] * 4))
    n, people = sum(counts), draw(st.integers(30, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    names = [None if k < 0 else f"p{k}" for k in rng.integers(-people // 4, people, n)]
    return labels_of(counts, names)


@settings(max_examples=40, deadline=None)
@given(_people(), st.sampled_from([-0.8, 0.0, 0.4, 0.9]), st.integers(0, 1000))
def test_a_split_keeps_its_promises(labels: pd.DataFrame, level: float, seed: int) -> None:
    params = PhiParams(levels=[level], min_images=FEW, select_cell=1)
    split = phi_split(labels, level, params, np.random.default_rng(seed))
    assert list(split.columns) == ["row", "image_id", "role", "target", "protected"]
    assert split["row"].is_unique  # no image in two roles
    full = split.merge(labels, on=["row", "image_id", "target", "protected"])
    assert len(full) == len(split)  # labels are the images' own
    roles = full.dropna(subset="identity").groupby("identity")["role"].nunique()
    assert (roles <= 1).all()
    table = achieved(split).set_index("role")
    for role in ("train", "debias"):
        assert abs(table.loc[role, "phi"] - level) <= 1 / table.loc[role, "N"] + 1e-9
    for role in ("select", "test"):
        cells = table.loc[role, ["n00", "n01", "n10", "n11"]]
        assert cells.nunique() == 1
        assert cells.iloc[0] > 0


@settings(max_examples=40, deadline=None)
@given(_people(), st.integers(0, 1000))
def test_slices_have_their_shares_of_every_cell(labels: pd.DataFrame, seed: int) -> None:
    roles = slice_roles(labels, (0.3, 0.2, 0.5), np.random.default_rng(seed))
    largest = labels["identity"].value_counts().max()
    for number, share in enumerate((0.3, 0.2, 0.5)):
        got = np.array(cell_counts(labels[roles == number]))
        goal = share * np.array(cell_counts(labels))
        assert (np.abs(got - goal) <= largest + 1).all()


def test_slices_without_identities_are_exact() -> None:
    labels = labels_of((100, 40, 60, 1000))
    roles = slice_roles(labels, (0.3, 0.2, 0.5), np.random.default_rng(0))
    slices = [cell_counts(labels[roles == k]) for k in range(3)]
    assert slices == [(30, 12, 18, 300), (20, 8, 12, 200), (50, 20, 30, 500)]


def test_levels_share_their_test_images_and_nest_cell_by_cell() -> None:
    labels = labels_of((400, 300, 500, 700))
    splits = {
        level: phi_split(labels, level, PhiParams(), np.random.default_rng(7))
        for level in (0.0, 0.5, 0.9)
    }
    rows = {
        (level, role, cell): set(part["row"])
        for level, split in splits.items()
        for (role, *cell_), part in split.groupby(["role", "protected", "target"])
        for cell in [tuple(cell_)]
    }
    for cell in CELLS:
        assert rows[0.0, "test", cell] == rows[0.5, "test", cell] == rows[0.9, "test", cell]
        for role in ("train", "debias"):
            for a, b in itertools.combinations(splits, 2):
                first, second = rows[a, role, cell], rows[b, role, cell]
                assert first <= second or second <= first


def test_the_generator_decides_and_nothing_else() -> None:
    labels = labels_of((100, 100, 100, 100))
    one, same, other = (
        phi_split(labels, 0.5, PhiParams(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one["row"].equals(other["row"])


def test_caps_by_role() -> None:
    params = PhiParams(levels=[0.6], max_images={"train": 100, "select": 42, "test": 81})
    split = phi_split(labels_of((400,) * 4), 0.6, params, np.random.default_rng(0))
    sizes = {"debias": 200, "train": 100, "test": 80, "select": 40}
    assert split["role"].value_counts().to_dict() == sizes


def test_an_impossible_level_says_what_lacks_and_what_is_possible() -> None:
    labels, params = labels_of((81, 1371, 4136, 4412)), PhiParams(levels=[0.0], shares=PUBLISHED)
    with pytest.raises(UserError) as error:
        phi_split(labels, 0.9, params, np.random.default_rng(0))
    message = str(error.value)
    assert "phi = 0.9" in message
    assert (
        "debias lacks 3 images with protected = 1 and target = 1 (it has 16, needs 19)" in message
    )
    assert "train" not in message
    highest = float(message.split("to ")[1].split(" (highest)")[0])
    phi_split(labels, highest, params, np.random.default_rng(0))
    with pytest.raises(UserError):
        phi_split(labels, highest + 0.01, params, np.random.default_rng(0))


def test_an_empty_cell_leaves_no_test_images() -> None:
    params = PhiParams(levels=[-1.0], shares=PUBLISHED)
    with pytest.raises(UserError, match=r"test lacks 10 images .* No level is possible"):
        phi_split(labels_of((0, 400, 400, 400)), -1.0, params, np.random.default_rng(0))


def test_a_cap_below_the_fewest_is_named() -> None:
    params = PhiParams(max_images={"debias": 20})
    with pytest.raises(UserError, match="debias is capped at 20 images and needs 40"):
        phi_split(labels_of((400,) * 4), 0.0, params, np.random.default_rng(0))


@pytest.mark.parametrize(
    "bad",
    [
        {"levels": [1.2]},
        {"levels": []},
        {"levels": [0.5, 0.5]},
        {"shares": {"train": 0.5, "test": 0.5}},
        {"shares": {"train": 0.5, "debias": 0.5, "test": 0.5}},
        {"shares": {"train": 0.3, "debias": 0.2, "select": 0.5}},
        {"select": "train", "levels": [0.0, 1.0]},
        {"select_cell": -1},
        {"max_images": {"valid": 3}},
        {"min_images": {"train": 0}},
        {"level": 0.5},
    ],
)
def test_bad_parameters_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PhiParams(**bad)


def test_label_evaluates_expressions_over_an_index() -> None:
    index = labels_of((1, 1, 1, 1)).drop(columns=["target", "protected"])
    index["gender"], index["Hat"] = ["M", "F", "M", "F"], [1, 1, 0, 0]
    labels = label(index, "gender == M", "Hat")
    assert cell_counts(labels) == (1, 1, 1, 1)
    assert labels["target"].tolist() == [1, 0, 1, 0]


@st.composite
def two_attributes(draw: st.DrawFn) -> pd.DataFrame:
    """A pool's labels with two attributes, shuffled."""
    counts = draw(st.tuples(*[st.integers(60, 160)] * 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    frame = labels_of(counts).sample(frac=1, random_state=rng).reset_index(drop=True)
    return frame.assign(row=np.arange(len(frame)))


@pytest.mark.parametrize("level", [-0.8, 0.0, 0.35, 0.9])
@settings(max_examples=10, deadline=None)
@given(two_attributes(), st.integers(0, 1000))
def test_phi_of_an_artifact_is_within_one_image(
    level: float, index: pd.DataFrame, seed: int
) -> None:
    labels = label_injected(index.rename(columns={"target": "cat"}), "cat", "mark")
    params = PhiParams(levels=[level], min_images=FEW, select_cell=1)
    table = achieved(phi_split(labels, level, params, np.random.default_rng(seed)))
    table = table.set_index("role")
    for role in ("train", "debias"):
        assert abs(table.loc[role, "phi"] - level) <= 1 / table.loc[role, "N"] + 1e-9
    assert table.loc["test", ["n00", "n01", "n10", "n11"]].nunique() == 1


CELL_COUNTS = st.tuples(*[st.integers(0, 60)] * 4)


@given(CELL_COUNTS, st.floats(-1, 1), st.integers(0, 3), st.integers(1, 20))
@settings(deadline=None)
def test_more_images_never_make_a_smaller_split(
    available: tuple[int, ...], level: float, cell: int, more: int
) -> None:
    larger = tuple(count + more * (k == cell) for k, count in enumerate(available))
    assert sum(largest_counts(larger, level)) >= sum(largest_counts(available, level))


@given(CELL_COUNTS, st.floats(-1, 1))
@settings(deadline=None)
def test_the_other_groups_name_turns_phi_around(available: tuple[int, ...], level: float) -> None:
    """Exchanging protected 0 and 1 exchanges (n11, n01) and (n10, n00), and the sign of phi."""
    n11, n10, n01, n00 = available
    turned = largest_counts((n01, n00, n11, n10), -level)
    assert sum(turned) == sum(largest_counts(available, level))
