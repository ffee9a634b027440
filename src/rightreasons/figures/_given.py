"""What a figure is given: facts of the study, tables, and the files that it asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import Field, JsonValue

from rightreasons.core.job import Chosen, Group
from rightreasons.core.roles import Roles
from rightreasons.core.sections import Section

if TYPE_CHECKING:
    from rightreasons.metrics.measures import MapSet
    from rightreasons.regions.attribution import Attribution

#: An ROI as in the config: a rectangle, or a mask, an attribution map or an artifact by name.
Region = list[float] | dict[str, JsonValue]


class TaskFacts(Section):
    """What figures know of a task.

    Attributes
    ----------
    target, protected
        Attributes, as expressions.
    artifact
        The artifact that is the protected attribute, or None.
    watched, watched_artifact
        The second attribute whose reliance is measured, and the artifact that it is; None without.
    methods
        Its methods, in the study's order.
    explained
        For each method, matched controls among them, the one whose maps it has.
    sets
        Its sets of explainers.
    explainers, shown
        All its explainers, and those that get figures of their own.
    boxes
        Its explainers that hide boxes, the coarsest grid first.
    """

    dataset: str
    target: str
    protected: str
    artifact: Chosen | None
    watched: str | None = None
    watched_artifact: Chosen | None = None
    methods: tuple[str, ...]
    explained: dict[str, str] = Field(default_factory=dict)
    sets: tuple[str, ...]
    explainers: tuple[str, ...]
    shown: tuple[str, ...]
    boxes: tuple[str, ...]


class DesignFacts(Section):
    """What figures know of a design.

    Attributes
    ----------
    levels
        Its levels, in the study's order.
    strongest
        The level farthest from zero.
    symbol
        What its level is called.
    """

    levels: tuple[float, ...]
    strongest: float
    symbol: str


class DatasetFacts(Section):
    """What figures know of a dataset.

    Attributes
    ----------
    shows_images
        Whether figures may show single images of it.
    attributes
        The attributes with a patch classifier, each with where it is known to be, or None.
    artifacts
        Those of them that are artifacts.
    """

    shows_images: bool
    attributes: dict[str, Region | None]
    artifacts: dict[str, Chosen]


class StudyFacts(Section):
    """What figures know of a study.

    Attributes
    ----------
    roles
        The parts that its methods and explainers play.
    tasks, designs, datasets
        Those that a figure is about, in the study's order.
    quantile
        Quantile of a map above which it is compared with a known ROI.
    page_images
        The most images in a page of dots.
    tables
        The folder of the study's tables, as queries name it.
    """

    seeds: tuple[int, ...]
    roles: Roles
    tasks: dict[str, TaskFacts]
    designs: dict[str, DesignFacts]
    datasets: dict[str, DatasetFacts]
    quantile: float
    page_images: int
    tables: str = ""


def _not_asked_for(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    raise TypeError("the figure does not ask for `roi` among its `files`")


@dataclass(frozen=True)
class Given:
    """What a figure's function is given.

    Attributes
    ----------
    study
        Facts of the study.
    wildcards
        What this drawing is of: the names that the figure's trait `over` asks for.
    tables
        The tables that the figure asks for, by name.
    groups
        The groups that this drawing is about: by task, design, level and seed.
    files
        The files that the figure asks for, by name (`rightreasons.figures.FILES`).
    roi
        Returns the ROI of the task's images, rows of the pool, at a size (H, W): bool (N, H, W), or
        (H, W) where it is the same in all. Of figures that ask for it.
    """

    study: StudyFacts
    wildcards: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame]
    groups: tuple[Group, ...] = ()
    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    roi: Callable[[np.ndarray, tuple[int, ...]], np.ndarray] = _not_asked_for

    @property
    def task(self) -> str:
        """The task's name."""
        return self.wildcards["task"]

    @property
    def design(self) -> str:
        """The design's name."""
        return self.wildcards["design"]

    @property
    def explainer(self) -> str:
        """The explainer's name."""
        return self.wildcards["explainer"]

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.wildcards.get("dataset") or self.facts.dataset

    @property
    def facts(self) -> TaskFacts:
        """The facts of the task."""
        return self.study.tasks[self.task]

    @property
    def roles(self) -> Roles:
        """The parts that methods and explainers play."""
        return self.study.roles

    @property
    def strongest(self) -> float:
        """The level of the design that is farthest from zero."""
        return self.study.designs[self.design].strongest

    def table(self, name: str) -> pd.DataFrame:
        """Return the rows of a table that are of this drawing's dataset, task and design.

        Parameters
        ----------
        name
            One of those that the figure asks for.
        """
        rows = self.tables[name]
        for key in ("dataset", "task", "design"):
            if key in self.wildcards and key in rows:
                rows = rows[rows[key] == self.wildcards[key]]
        return rows

    def mean_maps(self, group: Group) -> Mapping[str, np.ndarray]:
        """Return a group's mean images, mean maps and ROI by name (`metrics.mean_maps.mean_maps`).

        Of figures that ask for `mean_maps` among their `files`.
        """
        path = self.files["mean_maps"][self.groups.index(group)]
        return np.load(path, allow_pickle=False)

    def map_sets(self, group: Group) -> list[MapSet]:
        """Return the original's maps of a group, a set of explainers each.

        Of figures that ask for `maps` among their `files`.
        """
        from rightreasons.metrics.measures import MapSet

        counts = [len(self.study.tasks[g.task].sets) for g in self.groups]
        place = self.groups.index(group)
        first, last = sum(counts[:place]), sum(counts[: place + 1])
        files = zip(self.files["maps"], self.files["map_index"], strict=True)
        return [MapSet.open(maps, index) for maps, index in list(files)[first:last]]

    def images(self, artifact: Chosen | None = None) -> Any:
        """Return what gives the pool's images, uint8 (n, H, W, 3), by `images[rows]`.

        Of figures that ask for `pool` or `roi` among their `files`.

        Parameters
        ----------
        artifact
            Laid over the images of the second half of rows, N to 2N - 1; without one there are N
            rows.
        """
        from rightreasons.artifacts.injected import open_images

        return open_images(self.files["images"][0], artifact)

    def shown(self, chosen: pd.DataFrame) -> Any:
        """Return what gives a task's images, uint8 (n, H, W, 3), by `shown[rows]`.

        Parameters
        ----------
        chosen
            Rows of an index of maps: what is given are these images as the models saw them.
        """
        from rightreasons.artifacts.injected import open_images

        facts, path = self.facts, self.files["images"][0]
        return open_images(path, facts.artifact, facts.watched_artifact, chosen)

    def index(self) -> pd.DataFrame:
        """Return the pool's index: a row per image."""
        return pd.read_parquet(self.files["index"][0])

    def attributions(self) -> Sequence[Attribution]:
        """Return the attribution maps of the pool, one per attribute.

        Of figures that ask for `regions` among their `files`.
        """
        from rightreasons.regions.attribution import Attribution

        return [Attribution.load(path.parent) for path in self.files["region"]]
