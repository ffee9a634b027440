"""What every design promises of any pool of images: generated cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("hypothesis")
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rightreasons.contracts.chosen import meant_for
from rightreasons.contracts.fakes import labels_of
from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component
from rightreasons.splits import BALANCED, COLUMNS, DESIGNS, ROLES, label, label_injected

QUICK = settings(max_examples=10, deadline=None)
KINDS = pytest.mark.parametrize("protected", ["attribute", "artifact"])


@st.composite
def indices(draw: st.DrawFn) -> pd.DataFrame:
    """A pool's index with two attributes; some images share an identity, some have none."""
    counts = draw(st.tuples(*[st.integers(60, 160)] * 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, people = sum(counts), draw(st.integers(60, 300))
    names = [None if k < 0 else f"p{k}" for k in rng.integers(-people // 4, people, n)]
    frame = labels_of(counts, names).sample(frac=1, random_state=rng).reset_index(drop=True)
    frame["row"] = np.arange(n)
    return frame


def small_params(design: Component) -> dict[str, Any]:
    """Return parameters that fit a pool of a few hundred images."""
    if design.traits["small"] or "min_images" not in design.params.model_fields:
        return dict(design.traits["small"])
    few = {"select_cell": 1} if "select_cell" in design.params.model_fields else {}
    return {"min_images": dict.fromkeys(ROLES, 4), **few}


def split_of(design: str, index: pd.DataFrame, protected: str, seed: int) -> pd.DataFrame:
    """Draw a split; a case with too few images is none."""
    component = DESIGNS[design]
    params = component.params(**small_params(component))
    images = index.rename(columns={"target": "cat", "protected": "hat"})
    labels = (
        label(images, "cat", "hat")
        if protected == "attribute"
        else label_injected(images, "cat", "mark")
    )
    try:
        rng = np.random.default_rng(seed)
        split: pd.DataFrame = component.run(labels, params.model_dump()["levels"][-1], params, rng)
        return split
    except UserError:
        assume(False)
        raise


@KINDS
@meant_for(DESIGNS, "test_no_image_and_no_person_has_two_roles")
@QUICK
@given(indices(), st.integers(0, 1000))
def test_no_image_and_no_person_has_two_roles(
    name: str, protected: str, index: pd.DataFrame, seed: int
) -> None:
    split = split_of(name, index, protected, seed)
    assert set(COLUMNS) <= set(split)
    split = split[split["role"] != BALANCED]
    source = split["row"].to_numpy() % len(index)
    if protected == "attribute":
        assert split["row"].is_unique
        np.testing.assert_array_equal(split["protected"], index["protected"].to_numpy()[source])
    np.testing.assert_array_equal(split["target"], index["target"].to_numpy()[source])
    used = pd.DataFrame({"source": source, "role": split["role"].to_numpy()})
    used["person"] = index["identity"].to_numpy()[source]
    assert (used.groupby("source")["role"].nunique() == 1).all()
    assert (used.dropna(subset="person").groupby("person")["role"].nunique() == 1).all()


@KINDS
@meant_for(DESIGNS, "test_names_do_not_matter")
@QUICK
@given(indices(), st.integers(0, 1000))
def test_names_do_not_matter(name: str, protected: str, index: pd.DataFrame, seed: int) -> None:
    """Other names for the same people and images give the same rows."""
    renamed = index.assign(
        image_id="x" + index["image_id"], identity=index["identity"].str.replace("p", "someone ")
    )
    one, other = (split_of(name, frame, protected, seed) for frame in (index, renamed))
    pd.testing.assert_frame_equal(one.drop(columns="image_id"), other.drop(columns="image_id"))
    assert other["image_id"].str.startswith("x").all()
