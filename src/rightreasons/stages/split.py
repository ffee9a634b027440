"""Draw the train, debias and test images of a group."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from rightreasons.core.job import Chosen, Files, Group, Job, Running
from rightreasons.splits import DESIGNS
from rightreasons.stages.files import Split


class SplitInput(Files):
    """The attributes of a pool's images."""

    index: Path


class SplitJob(Job):
    """Draw the split of one group.

    Attributes
    ----------
    target, protected
        The task's attributes, as expressions.
    injected
        Whether the protected attribute is an artifact, so that each image is there twice.
    design
        The design, without its list of levels: a new level leaves the others alone.
    """

    input: SplitInput
    output: Split
    group: Group
    target: str
    protected: str
    injected: bool
    design: Chosen

    def modules(self) -> tuple[str, ...]:
        """Return the design's module."""
        return (DESIGNS[self.design.kind].module,)


def split(job: SplitJob, running: Running) -> None:
    """Evaluate the task's attributes, let the design draw, write."""
    import pandas as pd

    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import numpy_rng
    from rightreasons.splits import label, label_injected

    running.ready()
    design, level = DESIGNS[job.design.kind], job.group.level
    levels: list[JsonValue] = [level]
    labelled = label_injected if job.injected else label
    drawn = design.run(
        labelled(pd.read_parquet(job.input.index), job.target, job.protected),
        level,
        design.params.model_validate({"levels": levels, **job.design.params}),
        numpy_rng(job.group.seed, "split", job.group.task),
    )
    write_parquet(drawn, job.output.split)
