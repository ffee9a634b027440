"""Which images carry a watched artifact: counts, independence, one state an image."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.job import Group
from rightreasons.splits import DESIGNS, label, label_injected
from rightreasons.stages.split import Watch, with_watched

N = 600
HELD_OUT = ("select", "test")
SHARES = {"train": 0.4, "debias": 0.2, "select": 0.2, "test": 0.2}


def index() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row": np.arange(N),
            "image_id": [f"i{i}" for i in range(N)],
            "identity": pd.Series([None] * N, dtype=object),
            "smiles": rng.integers(0, 2, N),
            "male": rng.integers(0, 2, N),
        }
    )


INDEX = index()


def split(design: str, level: float, *, injected: bool, seed: int = 0) -> pd.DataFrame:
    component = DESIGNS[design]
    small = {"n": 60, "shares": SHARES} if design == "one_sided" else {}
    params = component.params.model_validate({"levels": [level], **small})
    labels = label_injected(INDEX, "smiles", "mark") if injected else label(INDEX, "smiles", "male")
    return component.run(labels, level, params, np.random.default_rng(seed))


def watched(
    drawn: pd.DataFrame, level: float | None, *, seed: int = 0, fixed: bool = True,
    attribute: str = "dot",
) -> pd.DataFrame:  # fmt: skip
    group = Group(dataset="d", task="t", design="phi", level=0.0, seed=seed)
    return with_watched(drawn, INDEX, Watch(attribute=attribute, level=level), group, fixed=fixed)


@pytest.mark.parametrize("injected", [True, False])
@pytest.mark.parametrize(("design", "at"), [("phi", 0.4), ("phi", 0.0), ("one_sided", 0.8)])
def test_shares_of_each_cell_are_those_asked_for(design: str, at: float, injected: bool) -> None:
    drawn = split(design, at, injected=injected)
    for level in (-1.0, -0.3, 0.0, 0.6, 1.0):
        got = watched(drawn, level)
        assert (got["row"] == drawn["row"]).all()
        assert (got["protected"] == drawn["protected"]).all()
        for role, protected, target in itertools.product(
            dict.fromkeys(drawn["role"]), (0, 1), (0, 1)
        ):
            cell = got[(got["role"] == role) & (got["protected"] == protected)]
            cell = cell[cell["target"] == target]
            share = 0.5 + (level / 2 if target else -level / 2)
            expected = 0.5 if role in HELD_OUT else share
            # of balanced, images that train has keep their state: they are no exact share
            slack = 0.5 if role != "balanced" else 0.2 * len(cell)
            assert abs(cell["watched"].sum() - expected * len(cell)) <= slack + 1e-9


def test_the_level_is_phi_of_watched_and_target_in_equal_classes() -> None:
    got = watched(split("phi", 0.4, injected=True), 0.6)
    train = got[got["role"] == "train"]
    correlation = np.corrcoef(train["watched"], train["target"])[0, 1]
    assert train["target"].mean() == pytest.approx(0.5, abs=0.01)
    assert correlation == pytest.approx(0.6, abs=0.02)
    for target in (0, 1):  # independent of the protected attribute given the target
        part = train[train["target"] == target]
        assert abs(np.corrcoef(part["watched"], part["protected"])[0, 1]) < 0.02


def test_an_image_has_one_state_and_its_id_says_so() -> None:
    got = watched(split("one_sided", 0.8, injected=True), 0.8)
    states = got.groupby(got["row"] % N)["watched"].nunique()
    assert states.max() == 1
    assert (got["role"] == "balanced").any()
    assert (got["image_id"].str.endswith("+dot") == (got["watched"] == 1)).all()
    test = got[got["role"] == "test"]
    assert (test.groupby(test["row"] % N).size() == 2).all()  # without and with the mark
    assert got.groupby("role")["image_id"].nunique().equals(got.groupby("role").size())


def test_held_out_images_carry_the_same_for_all_seeds_where_they_are_the_same() -> None:
    drawn = split("phi", 0.4, injected=True)
    first, second = (watched(drawn, 0.6, seed=seed) for seed in (0, 1))
    held = drawn["role"].isin(HELD_OUT)
    assert first[held].equals(second[held])
    assert not first[~held].equals(second[~held])
    free = watched(drawn, 0.6, seed=1, fixed=False)
    assert not first[held].equals(free[held])
    assert first.equals(watched(drawn, 0.6, seed=0))


def test_an_attribute_of_the_dataset_is_as_it_is_found() -> None:
    drawn = split("phi", 0.4, injected=True)
    got = watched(drawn, None, attribute="male")
    assert got["watched"].tolist() == INDEX["male"].to_numpy()[drawn["row"] % N].tolist()
    assert got.drop(columns="watched").equals(drawn)


def test_an_artifact_called_as_an_attribute_is_refused() -> None:
    with pytest.raises(UserError, match="has an attribute 'male' already"):
        watched(split("phi", 0.0, injected=True), 0.5, attribute="male")
