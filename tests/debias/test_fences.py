"""What a method is given: images of its roles, by whatever path it asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.contracts.fakes import CPU, quiet
from rightreasons.core.errors import UserError
from rightreasons.debias import NEEDS, OPEN_ROLES, Context, open_context
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.fence import Fenced
from rightreasons.learning.images import Rows

ROLES = [*["train"] * 8, *["debias"] * 6, *["select"] * 4, *["test"] * 6]
CLOSED = ("test", "select", "valid", "")
N = len(ROLES) + 3  # three images are in no role

ROWS = np.random.default_rng(0).permutation(N)[: len(ROLES)]
IMAGES = np.arange(N, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
TWINS = IMAGES + np.uint8(100)
SPLIT = pd.DataFrame(
    {
        "row": [*ROWS, *ROWS[:4]],
        "image_id": [f"i{row}" for row in [*ROWS, *ROWS[:4]]],
        "role": [*ROLES, *["balanced"] * 4],
        "target": (np.arange(len(ROLES) + 4) % 2).astype(np.int8),
        "protected": (np.arange(len(ROLES) + 4) // 2 % 2).astype(np.int8),
    }
)
HELD = SPLIT.loc[SPLIT["role"].isin(["test", "select"]), "row"].to_numpy()
OUTSIDE = np.setdiff1d(np.arange(N), SPLIT["row"])
MINE = np.setdiff1d(np.arange(N), [*HELD, *OUTSIDE])


def masks_of(rows: np.ndarray, name: str) -> np.ndarray:
    return (IMAGES[rows, :, :, 0] % 2 == 0) if name == "even" else IMAGES[rows, :, :, 0] > 9


@pytest.fixture
def context(tmp_path: Path) -> Context:
    found = open_context(
        vanilla_file=tmp_path / "model.safetensors",
        vanilla={"model": {}, "training": TrainingConfig.model_validate({}).model_dump()},
        predictions=SPLIT.assign(score=0.5),
        images=IMAGES,
        split=SPLIT,
        seed=0,
        key=("task", "phi", "0", "mine"),
        progress=quiet,
        masks=masks_of,
        roi=lambda rows: masks_of(rows, "even"),
        twins=TWINS,
    )
    found.device = CPU
    return found


def test_a_methods_roles_are_open(context: Context) -> None:
    for role in OPEN_ROLES:
        rows = SPLIT.loc[SPLIT["role"] == role, "row"].to_numpy()
        data, twins = context.role(role), context.twins(role)
        every = np.arange(len(rows))
        assert context.pool_rows(role).tolist() == rows.tolist()
        assert (data.images[every] == IMAGES[rows]).all()
        assert (twins.images[every] == TWINS[rows]).all()
        assert twins.target.tolist() == data.target.tolist()
        assert twins.protected.tolist() == [1 - label for label in data.protected.tolist()]
        assert twins.image_ids == data.image_ids
        assert (context.masks(role, "even") == masks_of(rows, "even")).all()
        assert (context.roi(role) == masks_of(rows, "even")).all()
    assert context.train().image_ids == context.role("train").image_ids
    assert set(context.predictions["role"]) == {"debias"}


@pytest.mark.parametrize("role", CLOSED)
@pytest.mark.parametrize("ask", ["role", "pool_rows", "masks", "roi", "twins"])
def test_no_other_role_is(context: Context, ask: str, role: str) -> None:
    arguments = (role, "even") if ask == "masks" else (role,)
    with pytest.raises(UserError, match=f"'{role}' is closed to methods"):
        getattr(context, ask)(*arguments)


@pytest.mark.parametrize("of", ["debias", "train", "twins"])
def test_no_other_image_is_read_from_the_pool_behind_them(context: Context, of: str) -> None:
    data = context.twins("train") if of == "twins" else getattr(context, of)()
    pool = data.images.pool
    assert pool.shape == IMAGES.shape
    source = TWINS if of == "twins" else IMAGES
    assert (pool[MINE] == source[MINE]).all()
    for row in [*HELD, *OUTSIDE]:
        ways = [
            int(row), np.array([row]), np.array([MINE[0], row]), np.array([row - N]),
            slice(row, row + 1), np.arange(N) == row,
        ]  # fmt: skip
        for way in ways:
            with pytest.raises(UserError, match="not this method's"):
                pool[way]
        with pytest.raises(UserError, match="not this method's"):
            Rows(pool, np.array([row]))[np.array([0])]
    for everything in (lambda: pool[:], lambda: np.asarray(pool), lambda: list(pool)):
        with pytest.raises(UserError):
            everything()
    with pytest.raises(ValueError, match="read-only"):
        pool.open[:] = True


def reachable(start: Any) -> Iterator[Any]:
    """Yield all that can be reached by attributes, arguments and closures, but behind a fence."""
    seen: dict[int, Any] = {}
    left = [start]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        yield one
        if isinstance(one, Fenced):
            continue
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list | tuple):
            left += one
        elif isinstance(one, partial):
            left += [one.func, one.args, one.keywords]
        elif isinstance(one, FunctionType):
            left += [cell.cell_contents for cell in one.__closure__ or ()]
        elif type(one).__module__.startswith("rightreasons"):
            left.append(vars(one))


def test_nothing_that_a_context_holds_has_a_held_out_image(context: Context) -> None:
    held = {f"i{row}" for row in HELD}
    found = list(reachable(context))
    tables = [one for one in found if isinstance(one, pd.DataFrame)]
    assert len(tables) >= 2  # the split and the predictions
    for table in tables:
        assert set(table["role"]) <= set(OPEN_ROLES)
        assert not held & set(table["image_id"])
    assert sum(isinstance(one, Fenced) for one in found) == 2
    assert not any(isinstance(one, np.ndarray) for one in found)


@pytest.mark.parametrize("need", NEEDS)
def test_what_a_method_does_not_declare_it_does_not_get(tmp_path: Path, need: str) -> None:
    bare = open_context(
        vanilla_file=tmp_path / "model.safetensors",
        vanilla={"model": {}, "training": TrainingConfig.model_validate({}).model_dump()},
        predictions=SPLIT,
        images=IMAGES,
        split=SPLIT,
        seed=0,
        key=("task", "phi", "0", "mine"),
        progress=quiet,
    )
    ask = {
        "regions": bare.attribution,
        "roi": lambda: bare.roi("train"),
        "masks": lambda: bare.masks("train", "even"),
        "twins": lambda: bare.twins("train"),
    }
    with pytest.raises(UserError, match=rf"needs=\('{need}',\)"):
        ask[need]()
    assert {"roi", "masks", "twins", "attribution"} <= {field.name for field in fields(Context)}
