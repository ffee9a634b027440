"""What an audit's study has left: predictions, group metrics, maps, and what marks did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rightreasons.audit.marks import Effect, effects
from rightreasons.audit.study import BY, DESIGN, METHOD, OWN, WHOLE
from rightreasons.core.files import read_json
from rightreasons.core.job import Group
from rightreasons.metrics.measures import MapSet
from rightreasons.study.plan import Plan


class Number(NamedTuple):
    """A number with its 95 % interval, and the images that it rests on; NaN where missing."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """Return value and interval as the report shows them."""
        return f"{share(self.value)} {interval(self.low, self.high)}".strip()


def share(value: float) -> str:
    """Return a share as text with two digits, "missing" where there is none."""
    return "missing" if np.isnan(value) else f"{value:.2f}"


def percent(value: float) -> str:
    """Return a share in percent, with a digit more below one."""
    return f"{100 * value:.1f} %" if 0 < abs(value) < 0.01 else f"{100 * value:.0f} %"


def interval(low: float, high: float) -> str:
    """Return an interval as text, empty where there is none."""
    return "" if np.isnan(low) or np.isnan(high) else f"[{low:.2f}, {high:.2f}]"


def numbers(rows: pd.DataFrame, key: str) -> dict[str, Number]:
    """Return rows with value, ci_low, ci_high and n by what is in the column `key`."""
    columns = (rows[name].astype(float) for name in ("value", "ci_low", "ci_high", "n"))
    values = zip(rows[key].astype(str), *columns, strict=True)
    return {name: Number(value, low, high, int(n)) for name, value, low, high, n in values}


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
    def overall(self) -> dict[str, Number]:
        """What is said of all groups together, by metric."""
        rows = self._cells(OWN)
        return numbers(rows[rows["explainer"].isna()], "metric")

    @cached_property
    def by_group(self) -> pd.DataFrame:
        """The rows of the table `groups`."""
        return self._measured(OWN, "groups")

    def rates(self, group: int) -> dict[str, Number]:
        """Return a group's rates by metric; of several classes, those of the first."""
        rows = self.by_group
        mine = rows[rows["group_code"] == group].drop_duplicates("metric")
        return numbers(mine, "metric")

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

    def of_maps(self, task: str, metric: str) -> dict[str, Number]:
        """Return a metric of maps by explainer."""
        rows = self._cells(task)
        return numbers(rows[(rows["metric"] == metric) & rows["explainer"].notna()], "explainer")

    def _cells(self, task: str) -> pd.DataFrame:
        return self._measured(task, "cell_metrics")

    def _measured(self, task: str, table: str) -> pd.DataFrame:
        rows = pd.read_parquet(getattr(self.plan.measure_files(self.group(task)), table))
        return rows[rows["method"] == METHOD]

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
