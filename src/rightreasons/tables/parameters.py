"""What the tables are told beside the files. Nothing slow here: planning reads it."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from rightreasons.core.roles import Roles
from rightreasons.core.sections import Section


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
