"""Two shortcuts at once: changes side by side, and the quadrant that they lie in."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import made_tables as made
from made_tables import chosen, one
from rightreasons.tables.schema import TABLES, conform
from rightreasons.tables.shortcuts import two_shortcuts

TESTS = made.compared(made.comparing_of(), made.predictions(), made.images())
#: By method: the change of each, half the width of its interval, and what is to be said.
CASES = {
    "both": (-0.2, -0.1, 0.05, "less of both", True),
    "mole": (-0.2, 0.1, 0.05, "less of one, more of the other", True),
    "reverse": (0.2, -0.1, 0.05, "less of one, more of the other", True),
    "worse": (0.2, 0.1, 0.05, "more of both", True),
    "unclear": (-0.2, 0.04, 0.05, "less of one, more of the other", False),
    "same": (0.0, 0.1, 0.05, None, False),
}
KEY = {"study": "s", "dataset": "d", "task": "t", "design": "phi", "level": 0.8}


def rows(unit: str, half: float = 1.0) -> list[dict[str, Any]]:
    return [
        {**KEY, "method": method, "test": "paired", "reference": "vanilla", "unit": unit,
         "metric": metric, "effect": change, "ci_low": change - half * width,
         "ci_high": change + half * width}
        for method, (x, y, width, _, _) in CASES.items()
        for metric, change in (("twin_flip_rate", x), ("watched_flip_rate", y))
    ]  # fmt: skip


def test_quadrants_have_their_names() -> None:
    table = two_shortcuts(pd.DataFrame([*rows("seed"), *rows("image", 9.0)]), "vanilla")
    assert set(table["unit"]) == {"seed"}
    for method, (x, y, _, quadrant, told) in CASES.items():
        found = one(table, method=method)
        assert (found["protected_change"], found["watched_change"]) == (x, y)
        assert found["quadrant"] == quadrant or (quadrant is None and pd.isna(found["quadrant"]))
        assert found["told"] == told


def test_one_seed_is_judged_by_its_images() -> None:
    by_seed = pd.DataFrame(rows("seed")).assign(ci_low=float("nan"), ci_high=float("nan"))
    table = two_shortcuts(pd.concat([by_seed, pd.DataFrame(rows("image"))]), "vanilla")
    assert set(table["unit"]) == {"image"}
    assert table["told"].tolist() == [told for *_, told in CASES.values()]


def test_without_twins_of_the_protected_attribute_half_is_missing() -> None:
    tests = pd.DataFrame(rows("seed")).query("metric == 'watched_flip_rate'")
    table = two_shortcuts(tests, "vanilla")
    assert len(table) == len(CASES)
    assert table[["protected_change", "quadrant"]].isna().all(axis=None)
    assert not table["told"].any()


def test_a_studys_table_is_what_its_comparisons_say() -> None:
    table = two_shortcuts(TESTS, "vanilla")
    assert len(table) == 2 * 4  # levels, methods beside vanilla
    assert conform(table, TABLES["two_shortcuts"]).num_rows == len(table)
    row = one(table, method="finetune", level=0.5)
    same = chosen(TESTS, test="paired", unit="seed", reference="vanilla", method="finetune")
    for name, metric in (("protected", "twin_flip_rate"), ("watched", "watched_flip_rate")):
        effect = one(same, level=0.5, metric=metric)
        assert row[f"{name}_change"] == effect["effect"]
        assert row[f"{name}_change_low"] == pytest.approx(effect["ci_low"])
    assert row["watched_change"] == pytest.approx(3 / 16)
