"""What the tables are told beside the files. Nothing slow here: planning reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import JsonValue

from rightreasons.core.roles import Roles
from rightreasons.core.sections import Section
from rightreasons.debias import METHODS
from rightreasons.metrics import METRICS


class Timed(Section):
    """A job whose time and memory Snakemake measured.

    Attributes
    ----------
    key
        What is known of its cell: dataset, task, design, level, seed, method.
    explainers
        The set of explainers, where it is about one.
    path
        Snakemake's benchmark file, which may be missing.
    """

    stage: str
    key: dict[str, str | float | int]
    explainers: str | None = None
    path: Path


class Described(Section):
    """What is known of a method without running it: columns of the tables.

    Attributes
    ----------
    kind
        Its name in the registry.
    preset
        Where its parameters come from.
    control_of
        The method that it is the matched control of, or None.
    uses_protected
        Where it uses the protected attribute, "never" where it does not.
    noise
        Whether it decides without a look at the image.
    """

    kind: str
    preset: str
    control_of: str | None
    uses_protected: str
    noise: bool = False


class Comparing(Section):
    """What is compared, and how.

    Attributes
    ----------
    methods
        The methods of each task, in the study's order.
    roles
        The parts that they play.
    metrics
        Every metric with its parameters.
    replicates
        Bootstrap replicates.
    """

    methods: dict[str, tuple[str, ...]]
    roles: Roles
    metrics: dict[str, dict[str, JsonValue]]
    replicates: int


class TableOne(Section):
    """What Table 1 of the data-attribution paper is made of.

    Attributes
    ----------
    original, balanced
        The kinds of method that are its baselines: the unchanged training, and that on balanced
        data.
    schemes
        The paper's name of each kind of method that it proposes, in the order of its rows.
    numbers
        The column of each metric that it shows, in their order.
    gap
        The column that is to be small; the others are accuracies, the first of them the overall.
    """

    original: str
    balanced: str
    schemes: dict[str, str]
    numbers: dict[str, str]
    gap: str

    @classmethod
    def registered(cls) -> Self:
        """Return what the traits of the registered methods and metrics say."""
        schemes = {method.name: method.traits["scheme"] for method in METHODS}
        shown = [metric for metric in METRICS if metric.traits["table_one"]]
        shown.sort(key=lambda metric: metric.traits["order"])
        numbers = {metric.name: metric.traits["table_one"] for metric in shown}
        gaps = [metric.name for metric in shown if metric.traits["better"] == "lower"]
        return cls(
            original=next(m.name for m in METHODS if m.traits["changes"] == "nothing"),
            balanced=next(m.name for m in METHODS if m.traits["baseline"]),
            schemes=dict(
                sorted(((k, v) for k, v in schemes.items() if v), key=lambda item: item[1])
            ),
            numbers=numbers,
            gap=numbers[gaps[0]],
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of method that Table 1 is about, baselines first."""
        return (self.original, self.balanced, *self.schemes)

    @property
    def accuracies(self) -> tuple[str, ...]:
        """The columns of accuracies, the overall one first."""
        return tuple(column for column in self.numbers.values() if column != self.gap)


#: Fewer blocks or methods are too few for tests over blocks.
FEWEST = 3


class Ranking(Section):
    """Which methods are ranked over tasks, levels and seeds, and how.

    Attributes
    ----------
    study
        Its name.
    methods
        The study's methods in their order, without matched controls.
    noise
        Those of them that decide without a look at the image.
    original
        The method that effects are against.
    replicates
        Number of bootstrap samples.
    """

    study: str
    methods: tuple[str, ...]
    noise: tuple[str, ...]
    original: str
    replicates: int
