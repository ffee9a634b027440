"""Which images a task's patch classifier may see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.regions.fence import check_fenced, open_rows


def split_of(**roles: list[int]) -> pd.DataFrame:
    """A split with the rows of each role."""
    return pd.concat([pd.DataFrame({"row": rows, "role": role}) for role, rows in roles.items()])


def test_rows_that_are_held_out_at_any_level_are_closed_with_their_people() -> None:
    people = ["a", "a", "b", None, None, "c", "c", "d", "d", None]
    index = pd.DataFrame({"identity": pd.array(people, dtype="string")})
    splits = [
        split_of(train=[0, 3], debias=[5], test=[2, 7]),
        split_of(train=[0, 4], debias=[5], test=[2], select=[9]),
    ]
    held = {2, 7, 9}
    expected = [
        row
        for row, person in enumerate(people)
        if row not in held and not any(people[other] == person and person for other in held)
    ]
    assert open_rows(index, splits).tolist() == expected == [0, 1, 3, 4, 5, 6]


def test_a_photograph_with_an_artifact_is_the_same_photograph() -> None:
    index = pd.DataFrame({"identity": pd.array([None] * 5, dtype="string")})
    splits = [split_of(train=[0, 6], test=[7, 3])]  # 6 and 7 are 1 and 2 with the artifact
    assert open_rows(index, splits).tolist() == [0, 1, 4]


def test_where_all_are_held_out_nothing_can_be_trained() -> None:
    index = pd.DataFrame({"identity": pd.array(["a", "a"], dtype="string")})
    with pytest.raises(UserError, match="none is left for the patch classifier"):
        open_rows(index, [split_of(test=[0])])


def test_maps_made_with_held_out_images_are_refused() -> None:
    confidence = np.full((6, 2, 2), np.nan, np.float16)
    confidence[[0, 1, 4]] = 0.7
    folder = Path("fenced_region/task/phi/seed-all/Hat")
    check_fenced(confidence, split_of(train=[0, 1], test=[2, 3], select=[5]), folder)
    check_fenced(confidence, split_of(train=[0], test=[8, 9]), folder)  # with an artifact
    with pytest.raises(UserError, match=r"made with 2 images .* `held_out: per_seed`"):
        check_fenced(confidence, split_of(train=[0], test=[2, 4], select=[1]), folder)
