"""Designs with an injected artifact, and the design artifact_fraction."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import numpy_rng
from rightreasons.splits import DESIGNS, HELD_OUT, ROLES, cell_counts, label, label_injected
from rightreasons.splits.artifact_fraction import largest_train, train_counts

N = 900
LEVELS = {"artifact_fraction": [0, 0.25, 1], "phi": [-0.5, 0, 0.9], "one_sided": [2 / 3]}
MORE = {
    "one_sided": {
        "n": "largest",
        "shares": {"train": 0.7, "debias": 0.1, "select": 0.1, "test": 0.1},
        "min_images": {"debias": 8, "test": 8},
    }
}


def index(n: int = N, share: float = 0.4, people: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    identity = [f"p{i}" for i in rng.integers(0, people, n)] if people else [None] * n
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "image_id": [f"i{i}" for i in range(n)],
            "identity": identity,
            "cat": (rng.random(n) < share).astype(np.int8),
            "hat": (rng.random(n) < 0.5).astype(np.int8),
        }
    )


def split_of(design: str, level: float, seed: int = 0, people: int = 0) -> pd.DataFrame:
    component = DESIGNS[design]
    params = component.params(levels=[level], **MORE.get(design, {}))
    labels = label_injected(index(people=people), "cat", "mark")
    return component.run(labels, level, params, numpy_rng(seed, "split", "task"))


CASES = [(design, level) for design, levels in LEVELS.items() for level in levels]


@pytest.mark.parametrize(("design", "level"), CASES)
def test_rows_ids_and_labels_agree(design: str, level: float) -> None:
    split = split_of(design, level)
    carries = split["protected"] == 1
    assert (split["row"] >= N).equals(carries)
    assert split["image_id"].str.endswith("+mark").equals(carries)
    target = index()["cat"].to_numpy()[split["row"].to_numpy() % N]
    assert np.array_equal(split["target"], target)


@pytest.mark.parametrize(("design", "level"), CASES)
def test_an_image_trains_once_and_is_held_out_twice(design: str, level: float) -> None:
    split = split_of(design, level, people=300)
    source = split["row"] % N
    for role in ("train", "debias"):
        assert source[split["role"] == role].is_unique
    for role in HELD_OUT:
        held = split[split["role"] == role]
        assert set(held.loc[held["protected"] == 0, "row"] + N) == set(
            held.loc[held["protected"] == 1, "row"]
        )
        n11, n10, n01, n00 = cell_counts(held)
        assert n11 == n10 == n01 == n00 > 0
    who = index(people=300)["identity"].to_numpy()
    by_role = [set(who[source[split["role"] == role]]) for role in ROLES]
    assert all(not a & b for a, b in itertools.combinations(by_role, 2))


def test_phi_with_an_artifact_wastes_no_image() -> None:
    split = split_of("phi", 0.9)
    train = split[split["role"] == "train"]
    cats = round(0.3 * index()["cat"].sum())
    assert abs(len(train) - 2 * cats) <= 4
    n11, n10, n01, n00 = cell_counts(train)
    assert abs((n11 * n00 - n10 * n01) / ((len(train) / 2) ** 2) - 0.9) < 2 / len(train) + 0.02


@pytest.mark.parametrize("level", [0, 0.25, 1])
def test_artifact_fraction_is_what_it_says(level: float) -> None:
    train = split_of("artifact_fraction", level).query("role == 'train'")
    n11, n10, n01, n00 = cell_counts(train)
    assert n10 == 0
    assert n11 + n01 == n00
    assert abs(n11 - level * n00) <= 0.5


def test_levels_share_train_and_test_images() -> None:
    splits = [split_of("artifact_fraction", level) for level in (0, 0.25, 1)]
    for role in ("train", "test"):
        drawn = [set(s.loc[s["role"] == role, "row"] % N) for s in splits]
        assert drawn[0] == drawn[1] == drawn[2]
    other = split_of("artifact_fraction", 0, seed=1)
    assert set(other.query("role == 'test'")["row"]) != set(
        splits[0].query("role == 'test'")["row"]
    )


def test_artifact_fraction_of_a_real_attribute_and_the_other_class() -> None:
    component = DESIGNS["artifact_fraction"]
    params = component.params(levels=[1], carrier=0)
    split = component.run(label(index(), "cat", "hat"), 1.0, params, numpy_rng(0, "s"))
    n11, n10, n01, n00 = cell_counts(split[split["role"] == "train"])
    assert n11 == n00 == 0
    assert n10 == n01 > 0
    assert split["row"].is_unique


@pytest.mark.parametrize("carrier", [0, 1])
@pytest.mark.parametrize("level", [0, 0.3, 0.5, 1])
def test_the_largest_train_set_is_the_largest(level: float, carrier: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        available = tuple(rng.integers(0, 30, 4).tolist())
        found = largest_train(available, level, carrier, None)
        sizes = [
            n
            for n in range(1, 70)
            if all(c <= a for c, a in zip(train_counts(n, level, carrier), available, strict=True))
        ]
        assert sum(found) == 2 * max(sizes, default=0)
    assert sum(largest_train((50, 50, 50, 50), level, carrier, 21)) == 20


def test_too_few_images_say_which_cells() -> None:
    component = DESIGNS["artifact_fraction"]
    labels = label(index(60), "cat", "hat")
    params = component.params(levels=[1])
    with pytest.raises(UserError, match=r"artifact_fraction = 1 is not possible.*The role train"):
        component.run(labels, 1.0, params, numpy_rng(0, "s"))
    capped = component.params(levels=[1], max_images={"train": 8})
    with pytest.raises(UserError, match="capped at 8 images"):
        component.run(label_injected(index(), "cat", "m"), 1.0, capped, numpy_rng(0, "s"))


def test_an_artifact_must_not_be_called_as_an_attribute() -> None:
    with pytest.raises(UserError, match="has an attribute 'hat' already"):
        label_injected(index(), "cat", "hat")


@pytest.mark.parametrize("levels", [[-0.1], [1.5], [0.5, 0.5], []])
def test_levels_out_of_range(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="level"):
        DESIGNS["artifact_fraction"].params(levels=levels)
