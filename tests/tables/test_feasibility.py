"""What is left to reveal: the table `feasibility`, and the sentence below a leaderboard."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rightreasons.tables.feasibility import _together, feasibility, sentence
from rightreasons.tables.schema import TABLES, conform


def select(n: int = 80) -> pd.DataFrame:
    i = np.arange(n)
    return pd.DataFrame({"row": i[::-1], "target": i % 2, "protected": i // 2 % 2})


def told(level: float, strength: float, seed: int = 0) -> pd.DataFrame:
    """Return a row of the table where features know the protected attribute and some target."""
    rng, rows = np.random.default_rng(seed), select()
    x = rng.standard_normal((len(rows), 6))
    x[:, 0] += strength * rows["target"]
    x[:, 1] += 6 * rows["protected"]
    people = pd.DataFrame({"row": rows["row"].sort_values(), "identity": None})
    found = feasibility(x, rows, people, rng=rng, replicates=100)
    key = {"study": "s", "task": "t", "design": "phi", "level": level, "seed": seed}
    return pd.DataFrame([{**key, "method": "vanilla", **found}])


def test_the_row_fits_the_table_and_tells_target_from_protected() -> None:
    row = told(0.5, 2.5)
    conform(row, TABLES["feasibility"])
    one = row.iloc[0]
    assert one["n"] == 80
    assert one["protected_accuracy"] > 0.95
    assert 0.7 < one["target_accuracy"] < 0.95
    assert one["target_auroc_low"] < one["target_auroc"] < one["target_auroc_high"]


def test_the_sentence_has_means_over_seeds_and_says_where_nothing_is_left() -> None:
    much = pd.concat([told(0.5, 2.5, seed) for seed in (0, 1)])
    text = sentence(much, "vanilla")
    mean = much["target_accuracy"].mean()
    ends = much[["target_accuracy_low", "target_accuracy_high"]].mean()
    assert f"the target with accuracy {mean:.2f} [{ends.iloc[0]:.2f}, {ends.iloc[1]:.2f}]" in text
    assert "vanilla's features" in text
    assert "nothing is left" not in text
    assert "nothing is left to reveal" in sentence(told(0.9, 0.0), "vanilla")


def test_the_sentence_says_why_there_are_no_numbers() -> None:
    none = told(0.5, 1.0)
    assert "the splits have no select images" in sentence(none.iloc[:0], "vanilla")
    unknown = none.assign(target_accuracy=np.nan)
    assert "a cell with too few images" in sentence(unknown, "vanilla")


@pytest.mark.parametrize("known", [True, False])
def test_versions_of_an_image_and_images_of_a_person_belong_together(known: bool) -> None:
    """Rows from 4 on are those of images with an artifact; two of four images show one person."""
    people = pd.DataFrame({"row": range(4), "identity": [None, "a", None, "a"] if known else None})
    codes = _together(np.array([3, 0, 4, 7, 1, 2]), people)
    same = [[0, 3, 4], [1, 2], [5]] if known else [[0, 3], [1, 2], [4], [5]]
    groups = [np.flatnonzero(codes == code).tolist() for code in dict.fromkeys(codes)]
    assert groups == same
