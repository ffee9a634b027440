"""Groups with many values and intersections, against loops over images."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.data.attributes import binary
from rightreasons.data.groups import bare, group, joined, parts

FRAME = pd.DataFrame(
    {
        "image_id": [f"{n}.jpg" for n in range(6)],
        "Male": np.array([1, 1, 0, 0, 1, 0], np.int8),
        "Never": np.zeros(6, np.int8),
        "gender": ["Male", "Male", "Female", "Female", "Male", "Female"],
        "race": ["Black", "White", "East Asian", "Black", "White", "East Asian"],
        "age": ["0-2", "3-9", "10-19", "more than 70", "3-9", "3-9"],
        "tone": [1, 3, 5, 7, 9, 10],
        "smile": np.linspace(0, 1, 6),
        "one": ["same"] * 6,
        "gap": ["a", None, "b", "a", "b", "a"],
        "a, b": np.array([0, 1, 0, 1, 0, 1], np.int8),
    }
)


@pytest.mark.parametrize(
    ("expression", "names", "codes"),
    [
        ("Male", ["not Male", "Male"], [1, 1, 0, 0, 1, 0]),
        ("not Male", ["not (not Male)", "not Male"], [0, 0, 1, 1, 0, 1]),
        ("gender", ["Female", "Male"], [1, 1, 0, 0, 1, 0]),
        ("race", ["Black", "East Asian", "White"], [0, 2, 1, 0, 2, 1]),
        ("age", ["0-2", "3-9", "10-19", "more than 70"], [0, 1, 2, 3, 1, 1]),
        ("tone", ["1", "3", "5", "7", "9", "10"], [0, 1, 2, 3, 4, 5]),
        ("Never", ["not Never", "Never"], [0] * 6),
        ('"a, b"', ['not "a, b"', '"a, b"'], [0, 1, 0, 1, 0, 1]),
    ],
)
def test_one_attribute(expression: str, names: list[str], codes: list[int]) -> None:
    found = group(expression, FRAME)
    assert found.codes.dtype == np.int8
    assert list(found.names) == names
    assert found.codes.tolist() == codes


@pytest.mark.parametrize("expression", ["Male", "not Male", "race in [Black, White]", "tone >= 5"])
def test_a_yes_or_no_is_what_it_was(expression: str) -> None:
    np.testing.assert_array_equal(group(expression, FRAME).codes, binary(expression, FRAME))


def test_an_intersection_has_every_combination_with_and_without_images() -> None:
    found = group("race, gender", FRAME)
    races, genders = ["Black", "East Asian", "White"], ["Female", "Male"]
    assert list(found.names) == [f"{r} & {g}" for r, g in itertools.product(races, genders)]
    for row, code in zip(FRAME.itertuples(), found.codes, strict=True):
        assert found.names[code] == f"{row.race} & {row.gender}"
    assert "White & Female" in set(found.names) - {found.names[c] for c in found.codes}


def test_an_intersection_of_expressions() -> None:
    found = group("race in [Black, White], Male", FRAME)
    assert len(found.names) == 4
    for row, code in zip(FRAME.itertuples(), found.codes, strict=True):
        assert code == 2 * (row.race in ("Black", "White")) + row.Male


def test_commas_within_brackets_and_quotes_separate_nothing() -> None:
    assert parts('race in [Black, "East Asian"], (Male), "a, b"') == (
        'race in [Black, "East Asian"]',
        "(Male)",
        '"a, b"',
    )
    assert parts(joined(["race", "gender"])) == ("race", "gender")
    assert bare('race, gender == Male, "a, b"') == ("race", None, "a, b")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("one", "one value only"),
        ("one, Male", "one value only"),
        ("gap", "missing for 1 images: 1.jpg"),
        ("nope, Male", "unknown attribute 'nope'"),
        ("race, race", "is there twice"),
        ("race, , gender", "is empty"),
        ("race,", "is empty"),
        ("race, gender ==", "expected a value"),
        ("race gender", "unexpected 'gender'"),
        ("race, $", r"unexpected '\$'"),
    ],
)
def test_what_makes_no_groups_is_said(expression: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        group(expression, FRAME)


def test_numbers_make_too_many_groups() -> None:
    many = pd.DataFrame({"image_id": map(str, range(200)), "smile": np.linspace(0, 1, 200)})
    with pytest.raises(UserError, match="'smile' makes 200 groups; at most 127"):
        group("smile", many)
    assert len(group("smile >= 0.5", many).names) == 2
