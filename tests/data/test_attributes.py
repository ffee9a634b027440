"""Attribute expressions: what they mean, and what their errors say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightreasons.core.errors import UserError
from rightreasons.data.attributes import binary, classes, columns

FRAME = pd.DataFrame(
    {
        "image_id": [f"{n}.jpg" for n in range(6)],
        "identity": pd.array(["a", None, "b", "b", "c", "c"], dtype="string"),
        "Smiling": np.array([1, 0, 1, 0, 1, 1], np.int8),
        "Male": np.array([1, 1, 0, 0, 1, 0], np.int8),
        "5_o_Clock_Shadow": np.array([0, 0, 0, 0, 1, 0], np.int8),
        "gender": ["Male", "Male", "Female", "Female", "Male", "Female"],
        "race": ["Black", "White", "East Asian", "Black", "White", "East Asian"],
        "age": ["0-2", "3-9", "0-2", "more than 70", "3-9", "3-9"],
        "Skin_Tone": [1, 3, 5, 7, 9, 10],
        "High Cheekbones": np.array([0, 1, 0, 1, 0, 1], np.int8),
        "Hat": pd.array([1, 0, None, 1, None, 0], dtype="Int8"),
    }
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Smiling", [1, 0, 1, 0, 1, 1]),
        ("not Smiling", [0, 1, 0, 1, 0, 0]),
        ("5_o_Clock_Shadow", [0, 0, 0, 0, 1, 0]),
        ('"High Cheekbones"', [0, 1, 0, 1, 0, 1]),
        ("gender == Male", [1, 1, 0, 0, 1, 0]),
        ("gender != Male", [0, 0, 1, 1, 0, 1]),
        ('race in [Black, "East Asian"]', [1, 0, 1, 1, 0, 1]),
        ("race not in [Black, 'East Asian']", [0, 1, 0, 0, 1, 0]),
        ("age != 0-2", [0, 1, 0, 1, 1, 1]),
        ('age in ["0-2",3-9]', [1, 1, 1, 0, 1, 1]),
        ("Skin_Tone >= 7", [0, 0, 0, 1, 1, 1]),
        ("Skin_Tone < 3", [1, 0, 0, 0, 0, 0]),
        ("Skin_Tone == 5.0", [0, 0, 1, 0, 0, 0]),
        ("Smiling == true", [1, 0, 1, 0, 1, 1]),
        ("Smiling and Male", [1, 0, 0, 0, 1, 0]),
        ("Smiling or Male and not Smiling", [1, 1, 1, 0, 1, 1]),
        ("(Smiling or Male) and not Smiling", [0, 1, 0, 0, 0, 0]),
        ("not (Smiling or Male)", [0, 0, 0, 1, 0, 0]),
    ],
)
def test_meaning(expression: str, expected: list[int]) -> None:
    values = binary(expression, FRAME)
    assert values.dtype == np.int8
    assert values.tolist() == expected


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("Smilng", ["unknown attribute 'Smilng'", "did you mean 'Smiling'", "Skin_Tone"]),
        ("identity", ["unknown attribute"]),
        ("gender", ["is not 0/1", "gender == Female", "Values: Female, Male"]),
        ("gender == male", ["no image has 'gender' = 'male'", "did you mean 'Male'"]),
        ("race in [Black, Blck]", ["'Blck'", "did you mean 'Black'", '"East Asian"']),
        ("race == East Asian", ["unexpected 'Asian'", "quotes"]),
        ("Skin_Tone == dark", ["'dark'", "Values: 1, 3"]),
        ("Skin_Tone == 4", ["no image has"]),
        ("gender < 3", ["compares numbers"]),
        ("", ["expected an attribute instead of 'the end'"]),
        ("not", ["expected an attribute"]),
        ("Smiling and", ["expected an attribute"]),
        ("(Smiling", ["expected ')'"]),
        ("race in Black", ["expected '['"]),
        ("race in []", ["expected a value"]),
        ("gender = Male", ["unexpected '='"]),
        ("Smiling; Male", ["unexpected ';'"]),
        ("__import__('os').system('true')", ["unexpected '('"]),
        ("Hat", ["missing for 2 images: 2.jpg, 4.jpg"]),
    ],
)
def test_errors_say_what_is_allowed(expression: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as error:
        binary(expression, FRAME)
    for part in parts:
        assert part in str(error.value)


def test_missing_values_matter_only_where_used_and_ids_may_be_the_index() -> None:
    assert binary("Smiling", FRAME).sum() == 4
    with pytest.raises(UserError, match=r"2\.jpg, 4\.jpg"):
        binary("Smiling and Hat == 1", FRAME.set_index("image_id"))


def test_columns_are_listed_once_in_order() -> None:
    assert columns("not Male and (gender == Male or age in [0-2]) or Male") == (
        "Male",
        "gender",
        "age",
    )


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, np.ndarray]:
    """An expression with its value, built side by side."""
    kind = draw(st.sampled_from(["is", "is", "not", "and", "or"] if depth else ["is"]))
    if kind == "is":
        name = draw(st.sampled_from(["Smiling", "Male", "5_o_Clock_Shadow"]))
        return name, FRAME[name].to_numpy(bool)
    left, a = draw(_expressions(depth - 1))
    if kind == "not":
        return f"not ({left})", ~a
    right, b = draw(_expressions(depth - 1))
    return f"({left}) {kind} ({right})", (a & b) if kind == "and" else (a | b)


@given(_expressions())
def test_any_nesting_is_boolean_algebra(case: tuple[str, np.ndarray]) -> None:
    expression, expected = case
    np.testing.assert_array_equal(binary(expression, FRAME), expected)


@pytest.mark.parametrize(
    ("attribute", "names", "expected"),
    [
        ("Smiling", ["not Smiling", "Smiling"], [1, 0, 1, 0, 1, 1]),
        ("gender", ["Female", "Male"], [1, 1, 0, 0, 1, 0]),
        ("gender == Male", ["not (gender == Male)", "gender == Male"], [1, 1, 0, 0, 1, 0]),
        ("race", ["Black", "East Asian", "White"], [0, 2, 1, 0, 2, 1]),
        ("age", ["0-2", "3-9", "more than 70"], [0, 1, 0, 2, 1, 1]),
        ("Skin_Tone", ["1", "3", "5", "7", "9", "10"], [0, 1, 2, 3, 4, 5]),
        ('"High Cheekbones"', ['not "High Cheekbones"', '"High Cheekbones"'], [0, 1, 0, 1, 0, 1]),
    ],
)
def test_classes_of_attributes_and_expressions(
    attribute: str, names: list[str], expected: list[int]
) -> None:
    codes, found = classes(attribute, FRAME)
    assert codes.dtype == np.int64
    assert found == names
    assert codes.tolist() == expected


def test_classes_sort_ages_as_numbers() -> None:
    ages = ["20-29", "3-9", "more than 70", "10-19", "0-2"]
    codes, names = classes("age", pd.DataFrame({"image_id": ages, "age": ages}))
    assert names == ["0-2", "3-9", "10-19", "20-29", "more than 70"]
    assert [names[code] for code in codes] == ages


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("Hat", r"missing for 2 images: 2\.jpg, 4\.jpg"),
        ("Hats", "unknown attribute 'Hats'"),
        ("gender ==", "expected a value"),
        ("constant", "one value only, 'x'"),
    ],
)
def test_classes_refuse_what_has_none(attribute: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        classes(attribute, FRAME.assign(constant="x"))
