"""The design that leaves the data as they are: shares, partitions, people, versions, caps."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from rightreasons.core.errors import UserError
from rightreasons.splits import INJECTED, achieved, label
from rightreasons.splits._drawing import hold_out
from rightreasons.splits._slicing import slice_roles
from rightreasons.splits.as_is import AsIsParams, as_is

RACES = ["Black", "East Asian", "Indian", "Latino", "Middle Eastern", "Southeast Asian", "White"]
SHARES = {"train": 0.3, "debias": 0.2, "select": 0.15, "test": 0.35}


def index(each: int = 20, people: int = 0, **columns: Any) -> pd.DataFrame:
    """Return a pool's index: `each` images of each of 7 races x 2 genders x 2 smiles, shuffled."""
    cells = [(r, g, s) for r in RACES for g in ("Female", "Male") for s in (0, 1)] * each
    order = np.random.default_rng(0).permutation(len(cells))
    race, gender, smile = zip(*(cells[k] for k in order), strict=True)
    person = [f"p{k % people}" if people else None for k in range(len(cells))]
    return pd.DataFrame(
        {
            "row": np.arange(len(cells)),
            "image_id": [f"{k}.jpg" for k in range(len(cells))],
            "identity": pd.array(person, dtype="string"),
            "partition": None,
            "Smile": np.array(smile, np.int8),
            "race": race,
            "gender": gender,
        }
    ).assign(**columns)


def drawn(labels: pd.DataFrame, seed: int = 0, **params: Any) -> pd.DataFrame:
    return as_is(labels, 0.0, AsIsParams(**params), np.random.default_rng(seed))


def labelled(**columns: Any) -> pd.DataFrame:
    return label(index(**columns), "Smile", "race, gender")


def roles_of(split: pd.DataFrame) -> dict[int, str]:
    return dict(zip(split["row"], split["role"], strict=True))


def test_every_role_has_its_share_of_every_group_and_class() -> None:
    labels = labelled()
    split = drawn(labels)
    assert len(split) == len(labels) == 560
    counts = Counter(zip(split["role"], split["protected"], split["target"], strict=True))
    for (role, _, _), count in counts.items():
        assert abs(count - 20 * SHARES[role]) <= 1
    assert len(counts) == 4 * 14 * 2
    assert split["protected"].dtype == split["target"].dtype == np.int8


def test_a_rare_group_is_no_error_and_a_missing_one_neither() -> None:
    """No cell is demanded: one image of a group, none of another."""
    frame = index()
    last = frame["race"] == "White"
    frame = frame[~last | (frame.index == frame.index[last][0])].reset_index(drop=True)
    split = drawn(label(frame.assign(row=np.arange(len(frame))), "Smile", "race, gender"))
    found = Counter(split["protected"])
    assert min(found.values()) == 1
    assert len(found) == 13


def test_people_never_have_two_roles() -> None:
    labels = labelled(people=90)
    person = labels["identity"].to_numpy()
    roles: dict[str, set[str]] = {}
    for row, role in roles_of(drawn(labels)).items():
        roles.setdefault(person[row], set()).add(role)
    assert len(roles) == 90
    assert all(len(one) == 1 for one in roles.values())


def test_without_training_all_images_are_test() -> None:
    split = drawn(labelled(people=90), shares={"test": 1})
    assert (split["role"] == "test").all()
    assert sorted(split["row"]) == list(range(560))


@pytest.mark.parametrize("by_partition", [False, True])
def test_seeds_share_what_is_held_out(by_partition: bool) -> None:
    """Also where a partition of the user's own has several roles."""
    labels = labelled(partition=["train", "val"] * 280)
    params: dict[str, Any] = {"by_partition": by_partition}
    if by_partition:
        params["partitions"] = {"train": ["train", "debias"], "val": ["select", "test"]}
    held = hold_out(labels, SHARES, np.random.default_rng(7))
    first, second = (roles_of(drawn(held, seed, **params)) for seed in (0, 1))
    for role in ("select", "test"):
        ours, theirs = ({r for r, name in one.items() if name == role} for one in (first, second))
        assert ours == theirs
        assert ours
    assert first != second


def test_the_users_own_split_is_kept() -> None:
    """train is divided by the shares of train and debias; what plays no role is left out."""
    partition = ["train"] * 300 + ["VAL"] * 100 + ["test"] * 120 + ["spare"] * 40
    labels = labelled(partition=partition)
    split = drawn(labels, by_partition=True, partitions={**AsIsParams().partitions, "spare": []})
    by_role = {role: set(rows["row"]) for role, rows in split.groupby("role")}
    assert by_role["test"] == set(range(400, 520))
    assert by_role["select"] == set(range(300, 400))
    assert by_role["train"] | by_role["debias"] == set(range(300))
    assert abs(len(by_role["train"]) - 180) <= 14


@pytest.mark.parametrize("kind", ["object", "int64", "float64", "string"])
def test_partitions_may_be_numbers(kind: str) -> None:
    """As CelebA and WILDS have them: 0, 1, 2, and 2.0 as pandas reads them beside gaps."""
    numbers = pd.Series([0] * 300 + [1] * 100 + [2] * 160).astype(kind)
    split = drawn(labelled(partition=numbers), by_partition=True)
    assert set(split.loc[split["role"] == "test", "row"]) == set(range(400, 560))
    only = drawn(labelled(partition=numbers), by_partition=True, shares={"test": 1})
    assert set(only["row"]) == set(range(400, 560))


@pytest.mark.parametrize(
    ("columns", "params", "said"),
    [
        ({}, {}, "has no column `partition`"),
        ({"partition": ["train", "holdout"] * 280}, {}, "the partitions holdout"),
        ({"partition": ["train", None] * 280}, {}, "the partitions missing"),
        ({"partition": ["train", "val"] * 280}, {}, "role test has 0 images"),
        (
            {"partition": ["train", "test"] * 280, "people": 91},
            {"shares": {"train": 0.5, "test": 0.5}},
            "91 persons are in partitions of different roles",
        ),
    ],
)
def test_a_split_of_the_users_own_that_cannot_be_kept(
    columns: dict[str, Any], params: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        drawn(labelled(**columns), by_partition=True, **params)


def test_people_may_be_in_partitions_that_are_left_out() -> None:
    labels = labelled(partition=["train", "test"] * 280, people=91)
    split = drawn(labels, by_partition=True, shares={"test": 1})
    assert set(split["row"]) == set(range(1, 560, 2))


def test_a_cap_leaves_groups_their_shares() -> None:
    frame = index()
    frame = frame[(frame["race"] == "White") | (frame.index % 3 == 0)].reset_index(drop=True)
    labels = label(frame.assign(row=np.arange(len(frame))), "Smile", "race")
    whole = Counter(zip(labels["protected"], labels["target"], strict=True))
    split = drawn(labels, shares={"test": 1}, max_images={"test": 60})
    kept = Counter(zip(split["protected"], split["target"], strict=True))
    assert len(split) == 60
    for cell, count in whole.items():
        assert abs(kept[cell] - Fraction(60 * count, len(labels))) < 1


@pytest.mark.parametrize("by_partition", [False, True])
def test_an_artifact_is_in_both_versions_of_the_test_images(by_partition: bool) -> None:
    """Rows with it are as many further as the pool has images, whatever is left out."""
    labels = labelled(partition=(["train"] * 3 + ["test", "spare"]) * 112)
    labels = labels.assign(protected=np.int8(0), **{INJECTED: "ink"})
    partitions = {"train": ["train"], "test": ["test"], "spare": []}
    split = drawn(
        labels,
        shares={"train": 0.6, "test": 0.4},
        by_partition=by_partition,
        partitions=partitions,
        max_images={"test": 81},
    )
    test, train = (split[split["role"] == role] for role in ("test", "train"))
    without, carries = (set(test.loc[test["protected"] == one, "row"]) for one in (0, 1))
    assert carries == {row + 560 for row in without}
    assert len(without) == 40
    assert test["image_id"].str.endswith("+ink").sum() == 40
    assert not train["row"].mod(560).duplicated().any()
    for target in (0, 1):
        carried = train.loc[train["target"] == target, "protected"]
        assert abs(carried.mean() - 0.5) <= 1 / len(carried)
    if by_partition:
        assert set(test["row"] % 560 % 5) == {3}


def test_no_counts_by_cell_are_told_of_many_groups() -> None:
    table = achieved(drawn(labelled())).set_index("role")
    assert table.loc["test", "N"] == 196
    assert table[["n11", "n00", "phi"]].isna().all(axis=None)
    two = achieved(drawn(label(index(), "Smile", "gender"))).set_index("role")
    assert two.loc["test", ["n11", "n10", "n01", "n00"]].sum() == 196


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"levels": [0.5]}, "the level is 0"),
        ({"shares": {"train": 1}}, "must name test"),
        ({"shares": {"test": 0.5}}, "add up to 1"),
        ({"partitions": {"train": ["practice"]}}, "unknown roles"),
        ({"min_images": {"test": 0}}, "above 0"),
    ],
)
def test_parameters_that_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AsIsParams(**params)


def test_too_few_images_are_said_with_the_way_on() -> None:
    labels = labelled(each=1)
    with pytest.raises(UserError, match=r"role train has \d+ images and needs 40"):
        drawn(labels)
    assert len(drawn(labels, min_images=dict.fromkeys(SHARES, 1))) == 28


def test_rare_groups_do_not_all_go_to_one_role() -> None:
    """Of 28 cells with one image each role gets its share, over draws, of every cell."""
    labels = labelled(each=1)
    shares = tuple(SHARES.values())
    rng = np.random.default_rng(0)
    found = np.array([slice_roles(labels, shares, rng) for _ in range(400)])
    for role, share in enumerate(shares):
        mine = (found == role).mean(axis=0)
        assert mine.mean() == pytest.approx(share, abs=0.005)
        assert np.abs(mine - share).max() < 0.1
