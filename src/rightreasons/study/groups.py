"""How many groups and classes a task has, and who takes more than two: said before anything runs.

An attribute by itself has as many groups as values. How many these are is known before anything is
fetched where the dataset says so (`Dataset.known_values`): of official datasets, and of the user's
own table where it is there. Where it is not known the stage `split` says it, as the first that
needs it.
"""

from __future__ import annotations

import json
from functools import cache
from math import prod
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.data import DATASETS, create
from rightreasons.data.groups import AND, MOST, attributes, bare, need_two, parts
from rightreasons.debias import METHODS, needs_two_groups
from rightreasons.models.config import check_classes
from rightreasons.splits import DESIGNS
from rightreasons.study.grid import Grid
from rightreasons.study.sections import StudyConfig

#: Of a part of an intersection whose values are not known.
YES_OR_NO = ["0", "1"]


def group_count(study: StudyConfig, task: str) -> int | None:
    """Return the number of groups of a task, None where it is not known before `fetch`.

    An intersection has at least four.
    """
    chosen = study.tasks[task]
    if chosen.protected in study.artifacts:
        return 2
    return _count(study, chosen.dataset, chosen.protected)


def class_count(study: StudyConfig, task: str) -> int | None:
    """Return the number of classes of a task's target, None where it is not known."""
    chosen = study.tasks[task]
    return _count(study, chosen.dataset, chosen.target)


def many_classes(study: StudyConfig, task: str) -> bool:
    """Return whether a task's target is known to have more than two classes."""
    return (class_count(study, task) or 2) > 2


def surely_two(study: StudyConfig, task: str, design: str) -> bool:
    """Return whether a task has two groups and two classes in a design, for all that is known.

    Where their number is not known it is two if the design takes no more.
    """
    counts = group_count(study, task), class_count(study, task)
    any_number = DESIGNS[study.designs[design]["kind"]].traits["many_groups"]
    return all(count == 2 or (count is None and not any_number) for count in counts)


def check_groups(study: StudyConfig) -> None:
    """Raise UserError for more groups or classes than designs and methods take.

    Also for roles that a design does not draw and that something needs, and for an intersection
    with an artifact.
    """
    grid = Grid(study)
    for task, chosen in study.tasks.items():
        where = f"config: tasks.{task}"
        _check_intersection(study, where, chosen.protected)
        count = group_count(study, task) or 2
        if count > MOST:
            raise UserError(
                f"{where}.protected: {chosen.protected} makes {count} groups; at most {MOST} are "
                "possible. Compare it with a number (age >= 40), or take values together with "
                '`in`: race in [Black, "East Asian"].'
            )
        if count > 2:
            if study.measure.witnesses:
                raise UserError(
                    f"measure.witnesses: the predictor of the protected attribute tells two groups "
                    f"apart, and {task} has {count}. Compare one with the others (protected: "
                    "race == Black), or leave it out."
                )
            _check_designs(grid, task, "protected")
            _check_takers(grid, task, where)
        if many_classes(study, task):
            _check_designs(grid, task, "target")
            _check_classes(grid, task, where)
        model, classes = study.task_model(task), class_count(study, task)
        if not model.train and classes is not None:
            check_classes(classes, len(model.classes or "01"), f"{where}.target: ")
    for task, design in grid.pairs():
        _check_roles(grid, task, design)


def names(study: StudyConfig, dataset: str, expression: str) -> list[str]:
    """Return the names of an expression's groups as far as they are known, for messages."""
    found = [""]
    for own in _values(study, dataset, expression):
        found = [f"{left}{AND}{right}".removeprefix(AND) for left in found for right in own or ()]
    return found


def _count(study: StudyConfig, dataset: str, expression: str) -> int | None:
    values = _values(study, dataset, expression)
    if len(values) == 1 and values[0] is None:
        return None
    return prod(len(own or YES_OR_NO) for own in values)


def _values(study: StudyConfig, dataset: str, expression: str) -> list[list[str] | None]:
    """Return the values of each part; of a comparison it and its opposite, None if not known."""
    given = dict(study.datasets[dataset])
    kind, data = str(given.pop("kind")), study.data
    params = json.dumps(given, sort_keys=True)
    found: list[list[str] | None] = []
    for part, column in zip(parts(expression), bare(expression), strict=True):
        own = None if column is None else _known(kind, params, dataset, data, column)
        if column is None or own == YES_OR_NO or (own is not None and len(own) < 2):
            own = [f"not {part}", part]
        found.append(own)
    return found


@cache
def _known(kind: str, params: str, name: str, data: str, column: str) -> list[str] | None:
    given: dict[str, Any] = json.loads(params)
    return create(kind, given, name=name, data_dir=data).known_values(column)


def _check_intersection(study: StudyConfig, where: str, protected: str) -> None:
    """Raise UserError for an artifact, or an attribute of twins of a pool, in an intersection."""
    if len(parts(protected)) == 1:
        return
    both = {str(DATASETS[given["kind"]].traits["both"]) for given in study.datasets.values()}
    for name in attributes(protected):
        if name in study.artifacts or name in both - {""}:
            raise UserError(
                f"{where}.protected: {name} is put into images by itself and cannot be a part of "
                "an intersection. Name it alone, or intersect attributes of the dataset."
            )


def _check_designs(grid: Grid, task: str, key: str) -> None:
    """Raise UserError for a design of a task that needs two groups and two classes."""
    study, chosen = grid.study, grid.study.tasks[task]
    expression: str = getattr(chosen, key)
    for design in (design for name, design in grid.pairs() if name == task):
        if DESIGNS[study.designs[design]["kind"]].traits["many_groups"]:
            continue
        found = names(study, chosen.dataset, expression)
        said = need_two(expression, found, f"the design {design}")
        able = ", ".join(d.name for d in DESIGNS if d.traits["many_groups"])
        raise UserError(
            f"config: tasks.{task}.{key}: {said}, or give the task a design that takes any number "
            f"({able}): tasks.{task}.designs."
        )


def _check_takers(grid: Grid, task: str, where: str) -> None:
    """Raise UserError for a method or a watched attribute that needs two groups."""
    study, chosen = grid.study, grid.study.tasks[task]
    found = names(study, chosen.dataset, chosen.protected)
    for method in grid.methods(task):
        given = grid.method(method)
        params = METHODS[given.kind].params.model_validate(given.params)
        if needs_two_groups(METHODS[given.kind], params):
            original = grid.control_of(method) or method
            said = need_two(chosen.protected, found, f"the method {original}")
            raise UserError(
                f"{where}.protected: {said}, or name the task's methods without it in "
                f"tasks.{task}.methods."
            )
    if chosen.watched is not None:
        said = need_two(chosen.protected, found, "a task that watches a second attribute")
        raise UserError(f"{where}.protected: {said}, or leave `watched` out.")


def _check_classes(grid: Grid, task: str, where: str) -> None:
    """Raise UserError for a target of several classes where a network is trained or debiased."""
    chosen = grid.study.tasks[task]
    found = names(grid.study, chosen.dataset, chosen.target)
    others = [m for m in grid.methods(task) if m != grid.original and not grid.trait(m, "noise")]
    who = "a network that is trained here"
    if not grid.trains(task):
        if not others:
            return
        who = f"the method {others[0]}"
    raise UserError(f"{where}.target: {need_two(chosen.target, found, who)}.")


def _check_roles(grid: Grid, task: str, design: str) -> None:
    """Raise UserError where a design draws no images of a role that something needs."""
    shares = grid.study.designs[design].get("shares")
    if shares is None:
        return
    where = f"config: designs.{design}.shares"
    if "train" not in shares and grid.trains(task):
        raise UserError(
            f"{where} has no `train`, and the task {task} trains a network. Give that role a share "
            "of the images, such as 0.3, or take a network as it is: model: {train: false}."
        )
    needy = [method for method in grid.methods(task) if _needs_debias(grid, method)]
    if "debias" not in shares and needy:
        raise UserError(
            f"{where} has no `debias`, and the method {needy[0]} of the task {task} needs its "
            "images. Give that role a share of the images, such as 0.2, or name the task's methods "
            f"without {needy[0]} in tasks.{task}.methods."
        )


def _needs_debias(grid: Grid, method: str) -> bool:
    given = grid.method(method)
    traits = METHODS[given.kind].traits
    return (
        traits["changes"] != "nothing"
        and not traits["noise"]
        and bool({"fit"} & {*traits["uses_target"], *traits["uses_protected"]})
    )
