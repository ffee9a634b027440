"""Draw all pictures of one figure, and write what each shows for Snakemake's report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightreasons.core.errors import UserError, reason
from rightreasons.core.job import Chosen, Files, Group, Job, Running
from rightreasons.core.registry import Component
from rightreasons.core.sections import Section
from rightreasons.debias import METHODS
from rightreasons.figures import FIGURES, Given
from rightreasons.figures._given import StudyFacts
from rightreasons.stages.roi import Roi, RoiInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class FigureInput(Files):
    """The figure's tables, called as their files are, and all other files that drawings need."""

    tables: tuple[Path, ...]
    files: tuple[Path, ...]


class FigureOutput(Files):
    """The files of each drawing, one a format, and each drawing's caption."""

    drawings: tuple[Path, ...]
    captions: tuple[Path, ...]


class Drawing(Section):
    """One picture.

    Attributes
    ----------
    name
        What its files are called.
    wildcards
        What it is of.
    groups
        The groups that it is about.
    files
        By name (`rightreasons.figures.FILES`): which of the job's files it needs.
    roi
        The task's ROI, where the figure asks for it.
    """

    name: str
    wildcards: dict[str, str]
    groups: tuple[Group, ...]
    files: dict[str, tuple[int, ...]]
    roi: Roi | None


class FigureJob(Job):
    """Draw all pictures of one figure.

    Attributes
    ----------
    figure
        The figure with its parameters.
    study
        What it is told of the study.
    drawings
        The pictures, in the order of the output files.
    """

    input: FigureInput
    output: FigureOutput
    figure: Chosen
    study: StudyFacts
    drawings: tuple[Drawing, ...]

    def modules(self) -> tuple[str, ...]:
        """Return the figure's module, and the original's, whose style and title no other job has.

        An edited style of another method runs that method again, and what follows.
        """
        roles = self.study.roles
        original = METHODS[roles.methods[roles.original]]
        return (FIGURES[self.figure.kind].module, original.module)


def figure(job: FigureJob, running: Running) -> None:
    """Draw and save one picture after the other; a picture that fails does not stop the others.

    Raises
    ------
    UserError, RuntimeError
        Where pictures failed, naming them: the first if all did so for a mistake of the user's.
    """
    from rightreasons.tables.schema import read_table

    component = FIGURES[job.figure.kind]
    matched = () if component.traits["controls"] else tuple(job.study.roles.matched)
    tables = {path.stem: without_methods(read_table(path), matched) for path in job.input.tables}
    formats = component.traits["formats"]
    failed: dict[str, Exception] = {}
    for i, drawing in enumerate(running.progress(job.drawings, component.name)):
        files = job.output.drawings[i * len(formats) : (i + 1) * len(formats)]
        try:
            given = given_of(job, drawing, tables)
            write_text(caption(component, given), job.output.captions[i])
            save(drawn(component, given, job.figure.params), dict(zip(formats, files, strict=True)))
        except Exception as error:
            logging.exception("%s failed", drawing.name)
            failed[drawing.name] = error
    if failed:
        raise _all_failures(failed, len(job.drawings))


def without_methods(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return a table's rows but those of some methods."""
    if not methods or "method" not in table:
        return table
    return table[~table["method"].isin(methods)]


def drawn(component: Component, given: Given, params: Mapping[str, Any]) -> Any:
    """Return what a figure draws: a matplotlib figure in the suite's style, or a text a format."""
    checked = component.params(**params)
    if "png" not in component.traits["formats"]:
        return component.run(given, checked)
    from rightreasons.figures._style import styled

    with styled():
        return component.run(given, checked)


def save(picture: Any, files: Mapping[str, Path]) -> None:
    """Write a picture in all its formats.

    Parameters
    ----------
    picture
        A matplotlib figure, or a text by format.
    files
        The path of each format.
    """
    if isinstance(picture, Mapping):
        for name, path in files.items():
            write_text(picture[name], path)
        return
    from rightreasons.figures._style import save_figure

    save_figure(picture, files)


def write_text(text: str, path: Path) -> None:
    """Write a text whole or not at all."""
    from rightreasons.core.files import whole

    with whole(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def caption(component: Component, given: Given) -> str:
    """Return what one drawing shows, as reStructuredText."""
    words = {**given.wildcards, "original": given.roles.original}
    words["references"] = " and ".join(given.roles.references)
    if "task" in words:
        words |= {"target": given.facts.target, "protected": given.facts.protected}
    if "design" in words:
        words["level"] = f"{given.strongest:g}"
    text: str = component.traits["caption"]
    return text.strip().format(**words) + "\n"


def given_of(job: FigureJob, drawing: Drawing, tables: Mapping[str, pd.DataFrame]) -> Given:
    """Return what one drawing is given.

    Parameters
    ----------
    job, drawing
        The figure's job and one of its pictures.
    tables
        The figure's tables by name.
    """
    files = {
        name: tuple(job.input.files[place] for place in places)
        for name, places in drawing.files.items()
    }
    above = (path.parent for path in job.output.drawings[0].parents if path.name == "report")
    folder = str(next(above, Path()) / "tables")
    given = Given(
        study=job.study.model_copy(update={"tables": folder}),
        wildcards=drawing.wildcards,
        tables=tables,
        groups=drawing.groups,
        files=files,
    )
    return replace(given, roi=partial(_roi, drawing.roi, files)) if drawing.roi else given


def _roi(
    roi: Roi, files: Mapping[str, tuple[Path, ...]], rows: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    from rightreasons.regions.rois import as_masks

    read = {name: files[name][0] for name in ("images", "masks", "pool")}
    maps = {name: files[f"roi_{name}"] for name in ("region", "confidence", "mean")}
    read |= {name: found[0] for name, found in maps.items() if found}
    return as_masks(roi.of(RoiInput(**read), rows, shape), shape)


def _all_failures(failed: Mapping[str, Exception], count: int) -> Exception:
    said = "; ".join(f"{name}: {reason(error)}" for name, error in failed.items())
    message = (
        f"{len(failed)} of {count} drawings failed: {said}. The log has the details. The others "
        "were drawn, and are drawn again with these."
    )
    mistakes = all(isinstance(error, UserError) for error in failed.values())
    return UserError(message) if mistakes else RuntimeError(message)
