"""What an audit's study has left: predictions, group metrics, maps, and what marks did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.audit.marks import Effect, effects
from rightreasons.audit.study import BY, DESIGN, METHOD, OWN, WHOLE
from rightreasons.core.files import read_json
from rightreasons.core.job import Group
from rightreasons.metrics.by_group import GroupReport, of_predictions
from rightreasons.metrics.measures import MapSet
from rightreasons.study.plan import Plan
from rightreasons.tables.schema import read_table


@dataclass(frozen=True)
class Audited:
    """The results of an audit.

    Parameters
    ----------
    plan
        Of the audit's study, which has run.
    """

    plan: Plan

    def group(self, task: str) -> Group:
        """Return the one group of a task."""
        return self.plan.grid.group(task, DESIGN, 0.0, self.plan.study.seeds[0])

    def predictions(self, task: str) -> pd.DataFrame:
        """Return the predictions of a task's test images."""
        rows = pd.read_parquet(self.plan.trained_files(self.group(task)).predictions)
        return rows[rows["role"] == "test"].reset_index(drop=True)

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """The names of groups and classes."""
        names: dict[str, list[str]] = read_json(self.plan.split(self.group(OWN)).output.names)
        return names

    @property
    def groups(self) -> list[str]:
        """The names of the protected groups."""
        return [str(name) for name in self.names["protected"]]

    @property
    def classes(self) -> list[str]:
        """The names of the target's classes."""
        return [str(name) for name in self.names["target"]]

    @cached_property
    def own(self) -> pd.DataFrame:
        """The predictions of the user's own test images."""
        return self.predictions(OWN)

    @cached_property
    def report(self) -> GroupReport:
        """The group metrics."""
        return of_predictions(
            self.own,
            self.groups,
            self.classes,
            seed=self.plan.study.seeds[0],
            replicates=self.plan.study.measure.replicates,
        )

    @property
    def marks(self) -> list[str]:
        """The marks that were laid over the images."""
        return [task.removeprefix(BY) for task in self.plan.study.tasks if task.startswith(BY)]

    @cached_property
    def effects(self) -> list[Effect]:
        """What each mark does; of decisions, with two classes."""
        if not self.marks:
            return []
        rows = [self.predictions(BY + mark).assign(mark=mark) for mark in self.marks]
        both = pd.concat(rows, ignore_index=True)
        return effects(both[both["protected"] == 0], self.marks)

    @property
    def region(self) -> list[float] | dict[str, Any] | None:
        """The region of the protected attribute as in the config, None where nobody named one."""
        roi: Any = self.plan.study.tasks[OWN].model_dump(mode="json")["roi"]
        return None if roi == WHOLE else roi

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The table `cell_metrics`."""
        return read_table(self.plan.paths.table("cell_metrics"))

    def of_maps(self, task: str, metric: str) -> pd.DataFrame:
        """Return a metric of maps by explainer: value, ci_low, ci_high, n."""
        rows = self.cells
        which = (rows["task"] == task) & (rows["method"] == METHOD) & (rows["metric"] == metric)
        return rows[which & rows["explainer"].notna()].set_index("explainer")

    def region_share(self, task: str) -> float:
        """Return the region's share of the image, mean over the explained images."""
        with np.load(self.plan.measure_files(self.group(task)).mean_maps) as arrays:
            return float(arrays["roi"].mean())

    @cached_property
    def map_set(self) -> MapSet:
        """The maps of the user's own test images."""
        files = self.plan.map_files(self.group(OWN), METHOD, "main")
        return MapSet.open(files.maps, files.index)

    def is_control(self, explainer: str) -> bool:
        """Return whether an explainer sees no network."""
        return explainer in self.plan.grid.roles.controls
