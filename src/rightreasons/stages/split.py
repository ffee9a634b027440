"""Draw the train, debias, select and test images of a group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.core.job import Chosen, Files, Group, Job, Running
from rightreasons.core.sections import Section
from rightreasons.splits import DESIGNS
from rightreasons.stages.files import Split

if TYPE_CHECKING:
    import pandas as pd


class SplitInput(Files):
    """The attributes of a pool's images."""

    index: Path


class Watch(Section):
    """A second attribute whose reliance a task measures as well.

    Attributes
    ----------
    attribute
        An artifact's name, or an attribute of the dataset.
    level
        Of an artifact: the share of images with target 1 that carry it minus that of target 0, in
        train and debias. None for an attribute of the dataset, which is as it is found.
    """

    attribute: str
    level: float | None


class SplitJob(Job):
    """Draw the split of one group.

    Attributes
    ----------
    target, protected
        The task's attributes, as expressions. The protected one may be an intersection.
    many_classes
        Whether the target may have more than two classes: where no network is trained.
    injected
        Whether every image is there twice, without and with the protected attribute: it is an
        artifact, or `both`.
    both
        The attribute of which the pool itself holds both versions of each image, empty for none.
    watched
        What the task watches beside, or None; never where the pool holds both versions.
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
    many_classes: bool
    injected: bool
    both: str
    watched: Watch | None
    design: Chosen
    levels: tuple[float, ...]

    def modules(self) -> tuple[str, ...]:
        """Return the design's module."""
        return (DESIGNS[self.design.kind].module,)


def split(job: SplitJob, running: Running) -> None:
    """Evaluate the task's attributes, hold images out, let the design draw, write."""
    import pandas as pd

    from rightreasons.core.files import write_json, write_parquet
    from rightreasons.core.seeds import numpy_rng
    from rightreasons.data._pool_files import check_pool
    from rightreasons.splits import label, label_injected, one_version
    from rightreasons.splits._drawing import hold_out
    from rightreasons.splits._roles import BaseRoles

    running.ready()
    check_pool(job.input.index.parent)
    design, group = DESIGNS[job.design.kind], job.group
    params = design.params.model_validate({**job.design.params, "levels": list(job.levels)})
    labelled = label_injected if job.injected else label
    index = pd.read_parquet(job.input.index)
    if job.both:
        index = one_version(index, job.both, drawn=not job.injected)
    labels = labelled(index, job.target, job.protected)
    names = names_of(job, index)
    check_names(job, names)
    fixed = isinstance(params, BaseRoles) and params.held_out == "fixed"
    if isinstance(params, BaseRoles) and fixed:
        labels = hold_out(labels, params.shares, numpy_rng(0, "held_out", group.task))
    rng = numpy_rng(group.seed, "split", group.task)
    drawn = design.run(labels, group.level, params, rng)
    if job.watched:
        drawn = with_watched(drawn, index, job.watched, group, fixed=fixed)
    write_parquet(drawn, job.output.split)
    write_json(names, job.output.names)


def names_of(job: SplitJob, index: pd.DataFrame) -> dict[str, list[str]]:
    """Return the names of the groups (`protected`) and classes (`target`), by their numbers."""
    from rightreasons.data.groups import group

    groups = [f"without {job.protected}", f"with {job.protected}"]
    if not job.injected:
        groups = list(group(job.protected, index).names)
    return {"protected": groups, "target": list(group(job.target, index).names)}


def check_names(job: SplitJob, names: dict[str, list[str]]) -> None:
    """Raise UserError for more groups than the design takes, or classes than the networks have."""
    from rightreasons.core.errors import UserError
    from rightreasons.data.groups import need_two

    kind, where = job.design.kind, f"tasks.{job.group.task}"
    for key, expression in (("protected", job.protected), ("target", job.target)):
        if len(names[key]) > 2 and not DESIGNS[kind].traits["many_groups"]:
            said = need_two(expression, names[key], f"the design {kind}")
            raise UserError(f"{where}.{key}: {said}, or choose the design as_is.")
    if len(names["target"]) > 2 and not job.many_classes:
        said = need_two(job.target, names["target"], "a network that is trained here")
        raise UserError(f"{where}.target: {said}.")


def with_watched(
    split: pd.DataFrame, index: pd.DataFrame, watched: Watch, group: Group, *, fixed: bool
) -> pd.DataFrame:
    """Return a split with the column `watched`, int8 0 or 1.

    Image ids with a watched artifact end in +<artifact>, as they do with a protected one.

    Parameters
    ----------
    split
        The group's split.
    index
        The pool's index.
    watched
        An attribute of the dataset is read from the index; of an artifact it is drawn who carries
        it (`splits._watched.carry`), by task and seed: alike at all levels as far as these have the
        same images.
    fixed
        Whether all seeds hold out the same images, which then carry the same for all of them.

    Raises
    ------
    UserError
        Where the dataset has an attribute of the artifact's name.
    """
    from rightreasons.core.errors import UserError
    from rightreasons.core.seeds import numpy_rng
    from rightreasons.data.attributes import binary
    from rightreasons.splits import BALANCED, HELD_OUT, ROLES
    from rightreasons.splits._watched import carry

    if watched.level is None:
        rows = split["row"].to_numpy() % len(index)
        return split.assign(watched=binary(watched.attribute, index)[rows])
    if watched.attribute in index:
        raise UserError(
            f"artifacts.{watched.attribute}: the dataset has an attribute {watched.attribute!r} "
            "already. Give the artifact another name."
        )
    rngs = {
        role: numpy_rng(0 if fixed and role in HELD_OUT else group.seed, "watched", group.task)
        for role in (*ROLES, BALANCED)
    }
    made = carry(split, len(index), watched.level, rngs)
    ids = made["image_id"]
    return made.assign(image_id=ids.where(made["watched"] == 0, ids + f"+{watched.attribute}"))
