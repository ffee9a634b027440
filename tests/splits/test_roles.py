"""Roles: what is held out for all seeds, as many images at all levels, what select holds."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rightreasons.contracts.fakes import labels_of
from rightreasons.core.errors import UserError
from rightreasons.core.seeds import numpy_rng
from rightreasons.splits import CELLS, DESIGNS, HELD_OUT, ROLES, cell_counts, label_injected
from rightreasons.splits._counts import common
from rightreasons.splits._drawing import hold_out
from rightreasons.splits._roles import EQUAL, LEVEL, NATURAL
from rightreasons.splits._slicing import slice_roles
from rightreasons.splits.phi_design import PhiParams, largest_counts, phi_split

SHARES = {"train": 0.4, "debias": 0.2, "select": 0.2, "test": 0.2}
PUBLISHED = {"train": 0.3, "debias": 0.2, "test": 0.5}
#: Levels and parameters of each design that a few hundred images allow.
CASES = {
    "phi": ([-0.6, 0.0, 0.9], {}),
    "one_sided": ([0.3, 2 / 3, 1.0], {"n": "largest"}),
    "artifact_fraction": ([0.0, 0.4, 1.0], {}),
}


def people(counts: tuple[int, ...] = (210, 170, 190, 260)) -> pd.DataFrame:
    """Return images of which two thirds are shared by people, a few each, in random order."""
    rng = np.random.default_rng(5)
    names = [None if k < 0 else f"p{k}" for k in rng.integers(-100, 200, sum(counts))]
    frame = labels_of(counts, names).sample(frac=1, random_state=rng)
    return frame.reset_index(drop=True).assign(row=np.arange(sum(counts)))


def injected(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the labels where the protected attribute is an artifact."""
    marked = label_injected(frame.rename(columns={"target": "cat"}), "cat", "mark")
    return marked.assign(identity=frame["identity"])


def draw(
    design: str, labels: pd.DataFrame, level: float, seed: int = 0, **changes: object
) -> pd.DataFrame:
    """Draw a split as the stage does."""
    levels, more = CASES[design]
    few = {"min_images": dict.fromkeys([r for r in ROLES if r != "train"], 4), "select_cell": 1}
    chosen = {"levels": levels, "shares": SHARES, **few, **more, **changes}
    params = DESIGNS[design].params(**chosen)
    if params.held_out == "fixed":
        labels = hold_out(labels, params.shares, numpy_rng(0, "held_out", "task"))
    rng = numpy_rng(seed, "split", "task")
    split: pd.DataFrame = DESIGNS[design].run(labels, level, params, rng)
    return split


def rows(split: pd.DataFrame, role: str) -> set[int]:
    return set(split.loc[split["role"] == role, "row"])


# What is held out


@pytest.mark.parametrize("kind", ["attribute", "artifact"])
@pytest.mark.parametrize("design", CASES)
def test_seeds_and_levels_share_what_is_held_out_and_not_what_is_trained_on(
    design: str, kind: str
) -> None:
    labels = people() if kind == "attribute" else injected(people())
    who = labels["identity"].to_numpy()
    splits = {
        (level, seed): draw(design, labels, level, seed)
        for level in CASES[design][0]
        for seed in (0, 1, 2)
    }
    first = next(iter(splits.values()))
    for split in splits.values():
        assert all(rows(split, role) == rows(first, role) for role in HELD_OUT)
        drawn = [who[[row % len(who) for row in rows(split, role)]] for role in ROLES]
        used = [set(names[pd.notna(names)]) for names in drawn]
        assert all(used)
        assert not any(a & b for a, b in itertools.combinations(used, 2))
    for level in CASES[design][0]:
        trains = [rows(splits[level, seed], "train") for seed in (0, 1, 2)]
        assert all(a != b for a, b in itertools.combinations(trains, 2))


def test_a_smaller_cap_takes_the_first_of_the_same_order() -> None:
    caps = [{"select": 40, "test": 80}, {"select": 20, "test": 44}]
    more, less = (draw("phi", people(), 0.0, k, max_images=cap) for k, cap in enumerate(caps))
    assert all(rows(less, role) < rows(more, role) for role in HELD_OUT)


@pytest.mark.parametrize("design", CASES)
def test_per_seed_holds_out_other_images_for_every_seed(design: str) -> None:
    splits = [draw(design, people(), 1 / 2, seed, held_out="per_seed") for seed in (0, 1)]
    assert all(rows(splits[0], role) != rows(splits[1], role) for role in HELD_OUT)


def test_published_shares_are_drawn_as_ever() -> None:
    """As the 30/20/50 splits of the saliency paper were before there was a select."""
    labels = people()
    split = draw("phi", labels, 0.9, 3, shares=PUBLISHED, held_out="per_seed", same_n=False)
    assert set(split["role"]) == set(PUBLISHED)
    slices = slice_roles(labels, (0.3, 0.2, 0.5), numpy_rng(3, "split", "task"))
    for number, role in enumerate(PUBLISHED):
        assert rows(split, role) <= set(labels["row"][slices == number])
        have = cell_counts(labels[slices == number])
        wanted = 4 * min(have) if role == "test" else sum(largest_counts(have, 0.9))
        assert len(rows(split, role)) == wanted


# As many images at all levels


@pytest.mark.parametrize("kind", ["attribute", "artifact"])
@pytest.mark.parametrize("select", ["balanced", "train", "natural"])
@pytest.mark.parametrize("design", CASES)
def test_all_levels_have_as_many_images(design: str, select: str, kind: str) -> None:
    labels = people() if kind == "attribute" else injected(people())
    none = {} if design == "phi" or select != "train" else {"select_cell": 0}
    sizes = [
        draw(design, labels, level, select=select, **none)["role"].value_counts().to_dict()
        for level in CASES[design][0]
    ]
    assert sizes[0] == sizes[1] == sizes[2]
    assert set(sizes[0]) >= set(ROLES)


def test_without_same_n_every_level_has_as_many_as_it_allows() -> None:
    sizes = [
        len(rows(draw("phi", people(), level, same_n=False), "train")) for level in CASES["phi"][0]
    ]
    assert len(set(sizes)) == 3
    assert len(rows(draw("phi", people(), 0.0), "train")) <= min(sizes)


TABLES = st.tuples(*[st.integers(0, 18)] * 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(TABLES, min_size=3, max_size=3), st.integers(1, 50) | st.none())
def test_the_common_number_is_the_largest_that_all_levels_allow(
    tables: list[tuple[int, ...]], most: int | None
) -> None:
    available = dict(zip([-0.7, 0.2, 0.9], tables, strict=True))
    found = common(largest_counts, available, most)
    largest = min(map(sum, tables)) if most is None else min(most, *map(sum, tables))

    def allowed(n: int) -> bool:
        return all(sum(largest_counts(available[level], level, n)) == n for level in available)

    assert found == max(filter(allowed, range(1, largest + 1)), default=0)


def test_a_level_that_is_not_possible_stops_all_that_share_its_n() -> None:
    labels = labels_of((81, 1371, 4136, 4412))
    params = PhiParams(levels=[0.0, 0.95])
    with pytest.raises(UserError, match=r"phi = 0\.95 is not possible.*no level is drawn unless"):
        phi_split(labels, 0.0, params, np.random.default_rng(0))
    alone = params.model_copy(update={"same_n": False})
    assert len(phi_split(labels, 0.0, alone, np.random.default_rng(0)))


def test_a_select_too_small_at_the_common_number_is_named() -> None:
    """phi = 0.9 alone has 10 images in its smallest cells, and with the N of -0.9 none."""
    labels = labels_of((2000, 200, 200, 2000))
    chosen = {"select": "train", "select_cell": 9}
    assert len(draw("phi", labels, 0.9, levels=[0.9], **chosen))
    with pytest.raises(UserError, match=r"many images as all levels allow.*9 in each\. Leave"):
        draw("phi", labels, 0.9, levels=[-0.5, 0.9], **chosen)


# What select holds


def test_select_has_the_levels_association_where_it_is_asked_for() -> None:
    for level in (-0.6, 0.9):
        split = draw("phi", people(), level, select="train")
        counts = cell_counts(split[split["role"] == "select"])
        table = np.repeat(CELLS, counts, axis=0)
        assert abs(np.corrcoef(table.T)[0, 1] - level) <= 1 / sum(counts) + 1e-9
    for design, empty in (("one_sided", (1, 1)), ("artifact_fraction", (1, 0))):
        split = draw(design, people(), 0.4, select="train", select_cell=0)
        counts = dict(zip(CELLS, cell_counts(split[split["role"] == "select"]), strict=True))
        assert [cell for cell in CELLS if counts[cell] == 0] == [empty]


def test_a_natural_select_is_the_data_as_it_comes() -> None:
    labels = labels_of((400, 100, 300, 1200))
    split = draw("phi", labels, 0.0, select="natural")
    assert cell_counts(split[split["role"] == "select"]) == (80, 20, 60, 240)
    few = draw("phi", labels, 0.0, select="natural", max_images={"select": 120})
    held = hold_out(labels, SHARES, numpy_rng(0, "held_out", "task"))
    first = held[held["held_role"] == "select"].sort_values("held_place")["row"].head(120)
    assert rows(few, "select") == set(first)


@pytest.mark.parametrize("select", ["train", "natural"])
def test_an_artifact_is_in_one_version_of_an_image_unless_cells_are_equal(select: str) -> None:
    labels = injected(people())
    split = draw("phi", labels, 0.9, select=select)
    mine = split[split["role"] == "select"]
    assert (mine["row"] % len(labels)).is_unique
    n11, n10, n01, n00 = cell_counts(mine)
    if select == "natural":
        assert abs(n11 - n01) <= 1
        assert abs(n10 - n00) <= 1
        assert n11 + n01 != n10 + n00
    else:
        assert min(n11, n00) > 5 * max(n10, n01)


def test_a_cell_of_select_below_the_floor_is_refused_and_named() -> None:
    labels = labels_of((40, 400, 400, 400))  # of which 8, 80, 80, 80 are for select
    counts = cell_counts(
        draw("phi", labels, 0.0, levels=[0.0], select_cell=8).query("role == 'select'")
    )
    assert counts == (8, 8, 8, 8)
    lacks = r"select lacks 1 images with protected = 1 and target = 1 \(it has 8, needs 9\)"
    with pytest.raises(UserError, match=lacks):
        draw("phi", labels, 0.0, levels=[0.0], select_cell=9)
    assert len(draw("phi", labels, 0.0, levels=[0.0], select_cell=9, select="natural"))
    with pytest.raises(UserError, match="select is capped at 20 images and needs 24"):
        draw("phi", labels, 0.0, levels=[0.0], select_cell=6, max_images={"select": 20})
    with pytest.raises(UserError, match="select has 248 images and needs 300"):
        draw("phi", labels, 0.0, levels=[0.0], select="natural", min_images={"select": 300})


def test_a_floor_that_the_design_cannot_keep_is_refused_with_the_config() -> None:
    for design in ("one_sided", "artifact_fraction"):
        with pytest.raises(ValidationError, match="set select_cell: 0"):
            DESIGNS[design].params(select="train")
        assert DESIGNS[design].params(select="train", select_cell=0).select == "train"
    with pytest.raises(ValidationError, match=r"empty at the levels \[1.0\]"):
        PhiParams(select="train", levels=[0.5, 1.0])


def test_designs_say_what_their_roles_hold_and_which_cells_they_leave_empty() -> None:
    for select, said in {"balanced": EQUAL, "train": LEVEL, "natural": NATURAL}.items():
        holds = PhiParams(select=select).composition()
        assert holds == {"train": LEVEL, "debias": LEVEL, "select": said, "test": EQUAL}
    assert set(PhiParams(shares=PUBLISHED).composition()) == set(PUBLISHED)
    one_sided = DESIGNS["one_sided"].params(balanced="nearest")
    assert one_sided.composition()["debias"] == EQUAL
    assert one_sided.composition()["balanced"] == "equal cells, as nearly as there are images"
    levels = (-1, -0.9, 0, 1)
    empty = [PhiParams().leaves_empty("debias", level) for level in levels]
    assert empty == [True, False, False, True]
    assert one_sided.leaves_empty("train", 0.5)
    assert not one_sided.leaves_empty("debias", 0.5)


@pytest.mark.parametrize("name", ["phi", "artifact_fraction", "agreement"])
def test_minus_zero_is_zero(name: str) -> None:
    levels = DESIGNS[name].params(levels=[-0.0, 0.5]).model_dump()["levels"]
    assert [f"{level:g}" for level in levels] == ["0", "0.5"]
    with pytest.raises(ValidationError, match="named twice"):
        DESIGNS[name].params(levels=[0.0, -0.0])
