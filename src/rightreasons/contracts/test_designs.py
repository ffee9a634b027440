"""What every design promises with its defaults on a large pool of images.

One that cannot pass a test says why by the trait `exempt`: {"test_name": "reason"}.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from rightreasons.contracts.chosen import meant_for
from rightreasons.contracts.states import unmoved
from rightreasons.core.errors import UserError
from rightreasons.splits import (
    BALANCED,
    CELLS,
    COLUMNS,
    DESIGNS,
    HELD_OUT,
    INJECTED,
    ROLES,
    cell_counts,
)
from rightreasons.splits._drawing import hold_out
from rightreasons.splits._roles import EQUAL, NATURAL, BaseRoles, RoleParams

EACH = 4000
PROTECTED = ("attribute", "artifact")


def labels(protected: str, each: int = EACH) -> pd.DataFrame:
    """Return `each` images of every cell in random order: half of them two by two of one person."""
    pairs = np.repeat(np.array(CELLS, np.int8), each, axis=0)
    number = np.random.default_rng(0).permutation(len(pairs))
    known = number % 4 < 2
    frame = pd.DataFrame(
        {
            "row": np.arange(len(pairs)),
            "image_id": [f"{k:06d}" for k in number],
            "identity": pd.array(
                [f"p{k // 4}" if one else None for k, one in zip(number, known, strict=True)],
                dtype="string",
            ),
            "target": pairs[number, 1],
            "protected": pairs[number, 0],
        }
    )
    if protected == "attribute":
        return frame
    return frame.assign(protected=np.int8(0), **{INJECTED: "mark"})


def split_of(
    name: str, frame: pd.DataFrame, level: float | None = None, seed: int = 0
) -> pd.DataFrame:
    """Draw a split at a level, the last of the defaults where none is given."""
    design = DESIGNS[name]
    level = levels_of(name)[-1] if level is None else level
    split: pd.DataFrame = design.run(frame, level, design.params(), np.random.default_rng(seed))
    return split


@cache
def drawn(name: str, protected: str, level: float) -> pd.DataFrame:
    """Draw a split of `labels`, once for all tests that look at it."""
    return split_of(name, labels(protected), level)


def levels_of(name: str) -> list[float]:
    levels: list[float] = DESIGNS[name].params().model_dump()["levels"]
    return levels


@meant_for(DESIGNS, "test_its_parameters_have_levels")
def test_its_parameters_have_levels(name: str) -> None:
    levels = levels_of(name)
    assert levels
    assert len(set(levels)) == len(levels)


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_rows_roles_and_labels_agree")
def test_rows_roles_and_labels_agree(name: str, protected: str) -> None:
    frame = labels(protected)
    for level in levels_of(name):
        split = drawn(name, protected, level)
        assert list(split) == list(COLUMNS)
        assert set(split["role"]) - {BALANCED, "select"} == set(ROLES) - {"select"}
        assert not split.duplicated(["role", "row"]).any()
        source = split["row"].to_numpy() % len(frame)
        assert (split["target"].to_numpy() == frame["target"].to_numpy()[source]).all()
        with_it = split["row"].to_numpy() >= len(frame)
        known = frame["protected"].to_numpy()[source] if protected == "attribute" else with_it
        assert (split["protected"].to_numpy() == known).all()


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_no_image_and_no_person_has_two_roles")
def test_no_image_and_no_person_has_two_roles(name: str, protected: str) -> None:
    frame = labels(protected)
    split = drawn(name, protected, levels_of(name)[-1])
    source = split["row"].to_numpy() % len(frame)
    role = split["role"].where(split["role"] != BALANCED, "train").to_numpy()
    used = pd.DataFrame({"source": source, "role": role})
    used["person"] = frame["identity"].to_numpy()[source]
    assert used["person"].notna().any()
    assert (used.groupby("source")["role"].nunique() == 1).all()
    assert (used.dropna(subset="person").groupby("person")["role"].nunique() == 1).all()


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_the_generator_decides_and_nothing_else")
def test_the_generator_decides_and_nothing_else(name: str, protected: str) -> None:
    frame = labels(protected)
    with unmoved():
        one, again, other = (split_of(name, frame, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, again)
    assert not one["row"].equals(other["row"])


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_names_do_not_matter")
def test_names_do_not_matter(name: str, protected: str) -> None:
    """Other names for the same people and images give the same rows."""
    frame = labels(protected)
    renamed = frame.assign(
        image_id="x" + frame["image_id"], identity=frame["identity"].str.replace("p", "someone ")
    )
    one, other = drawn(name, protected, levels_of(name)[-1]), split_of(name, renamed)
    pd.testing.assert_frame_equal(one.drop(columns="image_id"), other.drop(columns="image_id"))
    assert other["image_id"].str.startswith("x").all()


@meant_for(DESIGNS, "test_levels_share_their_test_images")
def test_levels_share_their_test_images(name: str) -> None:
    splits = [drawn(name, "attribute", level) for level in levels_of(name)]
    tests = [split.loc[split["role"] == "test", "row"] for split in splits]
    assert all(set(test) == set(tests[0]) for test in tests)


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_seeds_share_what_is_held_out")
def test_seeds_share_what_is_held_out(name: str, protected: str) -> None:
    """Images that are held out for all seeds keep their role; the others' roles are the seed's."""
    params, frame = DESIGNS[name].params(), labels(protected)
    if not isinstance(params, BaseRoles):
        pytest.skip("the design holds no images out for all seeds")
    held = hold_out(frame, params.shares, np.random.default_rng(9))
    splits = [split_of(name, held, seed=seed) for seed in (0, 1)]
    for role in HELD_OUT:
        first, second = (set(split.loc[split["role"] == role, "row"]) for split in splits)
        assert first == second
        assert first <= with_artifact(held.loc[held["held_role"] == role, "row"], len(frame))
    trains = [set(split.loc[split["role"] == "train", "row"]) for split in splits]
    assert trains[0] != trains[1]


def with_artifact(rows: pd.Series, images: int) -> set[int]:
    """Return rows and those of the same images with an artifact."""
    return {*rows, *(rows + images)}


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_levels_have_as_many_images")
def test_levels_have_as_many_images(name: str, protected: str) -> None:
    """With `same_n`, levels differ by bias alone."""
    if "same_n" not in DESIGNS[name].params.model_fields:
        pytest.skip("the design has no same_n")
    splits = [drawn(name, protected, level) for level in levels_of(name)]
    sizes = [split["role"].value_counts() for split in splits]
    assert all(size.to_dict() == sizes[0].to_dict() for size in sizes)


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_roles_hold_what_the_design_says")
def test_roles_hold_what_the_design_says(name: str, protected: str) -> None:
    params = DESIGNS[name].params()
    if not isinstance(params, BaseRoles):
        pytest.skip("the design does not say")
    split = drawn(name, protected, levels_of(name)[-1])
    holds = params.composition()
    assert set(holds) == set(split["role"])
    for role, held in holds.items():
        counts = cell_counts(split[split["role"] == role])
        if held == EQUAL:
            assert len(set(counts)) == 1
        if role == "select" and isinstance(params, RoleParams) and held != NATURAL:
            assert min(counts) >= params.select_cell


@pytest.mark.parametrize("protected", PROTECTED)
@meant_for(DESIGNS, "test_too_few_images_are_an_error_in_words")
def test_too_few_images_are_an_error_in_words(name: str, protected: str) -> None:
    with pytest.raises(UserError):
        split_of(name, labels(protected, each=1))
