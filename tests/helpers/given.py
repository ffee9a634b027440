"""What a figure is given, made up: facts of a study, tables as they are read from Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from rightreasons.core.job import Group
from rightreasons.core.roles import Roles
from rightreasons.debias import METHODS
from rightreasons.figures import FIGURES, Given
from rightreasons.figures._given import DatasetFacts, DesignFacts, StudyFacts, TaskFacts
from rightreasons.saliency import EXPLAINERS
from rightreasons.stages.figure import drawn as draw
from rightreasons.tables.schema import TABLES, read_table, write_table


def as_table(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a frame as a job reads it from Parquet."""
    if name not in TABLES:
        return frame
    with TemporaryDirectory() as folder:
        write_table([frame] if len(frame) else [], name, Path(folder) / "t.parquet")
        return read_table(Path(folder) / "t.parquet")


def roles_of(methods: Sequence[str], explainers: Sequence[str], **kinds: str) -> Roles:
    """Return the roles of methods and explainers, each of the kind of its name, or of `kinds`."""
    of = {name: kinds.get(name, name) for name in (*methods, *explainers)}
    has = {
        trait: [e for e in explainers if of[e] in EXPLAINERS and EXPLAINERS[of[e]].traits[trait]]
        for trait in ("noise", "control")
    }
    known = [m for m in methods if of[m] in METHODS]
    originals = [m for m in known if METHODS[of[m]].traits["changes"] == "nothing"]
    original = originals[0] if originals else methods[0]
    others = [m for m in known if METHODS[of[m]].traits["reference"] and m != original]
    return Roles(
        original=original,
        references=(original, *others),
        methods={name: of[name] for name in methods},
        chance=tuple(m for m in known if METHODS[of[m]].traits["noise"]),
        explainers={name: of[name] for name in explainers},
        noise=tuple(has["noise"]),
        controls=tuple(has["control"]),
    )


def given(
    tables: Mapping[str, pd.DataFrame] | None = None,
    *,
    methods: Sequence[str],
    explainers: Sequence[str],
    task: str,
    design: str,
    levels: Sequence[float],
    seeds: Sequence[int] = (0,),
    groups: Sequence[Group] = (),
    files: Mapping[str, tuple[Path, ...]] | None = None,
    over: Sequence[str] = (),
    explainer: str = "",
    dataset: str = "faces",
    shown: Sequence[str] | None = None,
    facts: Mapping[str, Any] | None = None,
    of_dataset: Mapping[str, Any] | None = None,
    symbol: str = "",
    kinds: Mapping[str, str] | None = None,
    **rest: Any,
) -> Given:
    """Return what a figure is given of a study with one task, design and dataset.

    over: which of task, design, explainer, dataset the drawing is of. facts, of_dataset: of the
    task and dataset, where they differ from a target Smiling and a protected attribute
    Wearing_Hat, and a dataset without patch classifiers.
    """
    names = {"task": task, "design": design, "explainer": explainer, "dataset": dataset}
    own = {
        "dataset": dataset,
        "target": "Smiling",
        "protected": "Wearing_Hat",
        "artifact": None,
        "methods": tuple(methods),
        "sets": ("main",),
        "explainers": tuple(explainers),
        "shown": tuple(explainers if shown is None else shown),
        "boxes": (),
        **(facts or {}),
    }
    strongest = max(levels, key=lambda level: (abs(level), level))
    return Given(
        study=StudyFacts(
            seeds=tuple(seeds),
            roles=roles_of(methods, explainers, **(kinds or {})),
            tasks={task: TaskFacts(**own)},
            designs={
                design: DesignFacts(
                    levels=tuple(levels), strongest=strongest, symbol=symbol or design
                )
            },
            datasets={
                dataset: DatasetFacts(
                    **{
                        "shows_images": True,
                        "attributes": {},
                        "artifacts": {},
                        **(of_dataset or {}),
                    }
                )
            },
            quantile=0.9,
            page_images=100,
        ),
        wildcards={name: names[name] for name in over},
        tables={name: as_table(frame, name) for name, frame in (tables or {}).items()},
        groups=tuple(groups),
        files=files or {},
        **rest,
    )


def drawn(name: str, what: Given, **params: Any) -> Any:
    """Draw one picture of a figure, in the suite's style."""
    return draw(FIGURES[name], what, params)
