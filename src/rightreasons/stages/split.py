"""Draw the train, debias, select and test images of a group."""

from __future__ import annotations

from pathlib import Path

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
        Whether every image is there twice, without and with the protected attribute: it is an
        artifact, or `both`.
    both
        The attribute of which the pool itself holds both versions of each image, empty for none.
    design
        The design, without its list of levels.
    levels
        The levels that have as many images as the group's. Without `same_n` it is the group's own
        alone, and a new level leaves the others alone.
    """

    input: SplitInput
    output: Split
    group: Group
    target: str
    protected: str
    injected: bool
    both: str
    design: Chosen
    levels: tuple[float, ...]

    def modules(self) -> tuple[str, ...]:
        """Return the design's module."""
        return (DESIGNS[self.design.kind].module,)


def split(job: SplitJob, running: Running) -> None:
    """Evaluate the task's attributes, hold images out, let the design draw, write."""
    import pandas as pd

    from rightreasons.core.files import write_parquet
    from rightreasons.core.seeds import numpy_rng
    from rightreasons.splits import label, label_injected, one_version
    from rightreasons.splits._drawing import hold_out
    from rightreasons.splits._roles import RoleParams

    running.ready()
    design, group = DESIGNS[job.design.kind], job.group
    params = design.params.model_validate({**job.design.params, "levels": list(job.levels)})
    labelled = label_injected if job.injected else label
    index = pd.read_parquet(job.input.index)
    if job.both:
        index = one_version(index, job.both, drawn=not job.injected)
    labels = labelled(index, job.target, job.protected)
    if isinstance(params, RoleParams) and params.held_out == "fixed":
        labels = hold_out(labels, params.shares, numpy_rng(0, "held_out", group.task))
    rng = numpy_rng(group.seed, "split", group.task)
    write_parquet(design.run(labels, group.level, params, rng), job.output.split)
