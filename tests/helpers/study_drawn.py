"""The figures of every study, drawn from small made-up tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import given as made_up
from fake_tables import (
    COLLAPSED,
    TASK,
    fake_associations,
    fake_cells,
    fake_part,
    fake_runtimes,
    fake_tests,
)
from rightreasons.core.job import Group
from rightreasons.figures import Given

STUDIES = {
    "full": fake_cells(),
    "one": fake_cells(("vanilla",), (0.9,), (0,), ("lrp",)),
    "gaps": fake_cells(("vanilla", "finetune", "zhang", "my_own_method"), (-0.5, 0.5)),
}
STUDIES["gaps"].loc[STUDIES["gaps"]["metric"] == "twin_flip_rate", "value"] = np.nan
GONE = STUDIES["gaps"].query("metric == 'rrf' and explainer == 'lrp' and level > 0").index[:3]
STUDIES["gaps"].loc[GONE, "value"] = np.nan


def tables_of(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return all tables of a study that the figures read; a lone vanilla has no comparisons."""
    methods = tuple(cells["method"].unique())
    alone = len(methods) == 1
    return {
        "cell_metrics": cells,
        "tests": pd.DataFrame() if alone else fake_tests(cells),
        "associations": pd.DataFrame() if alone else fake_associations(),
        "runtimes": fake_runtimes(methods),
    }


OVER = {
    "metrics_by_level": ("task", "design", "explainer"),
    "comparisons": ("task", "design"),
    "pareto": ("task", "design"),
    "mean_maps": ("task", "design", "explainer"),
}


def given(name: str, tables: Mapping[str, pd.DataFrame], **changes: Any) -> Given:
    """Return what one of these figures is given of the study that its `cell_metrics` are of."""
    cells = tables.get("cell_metrics", STUDIES["full"])
    facts: dict[str, Any] = {
        "methods": tuple(cells["method"].unique()),
        "explainers": tuple(cells["explainer"].dropna().unique()),
        "levels": sorted(cells["level"].unique()),
        "dataset": "synthfaces",
        "over": OVER.get(name, ()),
        "explainer": "lrp",
        "symbol": "φ",
    }
    return made_up.given(tables, **{**TASK, **facts, **changes})


def draw(name: str, tables: Mapping[str, pd.DataFrame], **changes: Any) -> Any:
    return made_up.drawn(name, given(name, tables, **changes))


def draw_mean_maps(
    parts: Sequence[Mapping[str, np.ndarray]],
    methods: tuple[str, ...],
    collapsed: tuple[str, float, int] = COLLAPSED,
) -> Figure:
    """Draw mean maps of seeds at level 0.9, from files as the stage `measure` leaves them."""
    seeds = tuple(range(len(parts)))
    groups = [Group(dataset="synthfaces", **TASK, level=0.9, seed=seed) for seed in seeds]
    cells = fake_cells(methods, (0.9,), seeds, ("lrp",), collapsed)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{seed}.npz" for seed in seeds]
        for path, part in zip(files, parts, strict=True):
            np.savez(path, **part)
        what = given("mean_maps", {"cell_metrics": cells}, groups=groups, seeds=seeds,
                     files={"mean_maps": tuple(files)})  # fmt: skip
        return made_up.drawn("mean_maps", what)


@cache
def drawn(name: str, study: str) -> Figure:
    """Draw one figure of a study."""
    cells = STUDIES[study]
    if name == "mean_maps":
        methods = tuple(cells["method"].unique())
        return draw_mean_maps([fake_part(methods)], methods)
    tables = tables_of(cells)
    return draw(name, {table: tables[table] for table in ("cell_metrics", *NEEDED[name])})


NEEDED = {
    "mean_maps": (),
    "metrics_by_level": (),
    "fairness_against_saliency": ("associations",),
    "comparisons": ("tests",),
    "runtimes": ("runtimes",),
}
