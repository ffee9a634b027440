"""Conclusions in all universes: what changes them though nothing is trained anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.job import Cell, Group
from rightreasons.metrics import METRICS, takes_many
from rightreasons.metrics._groups import groups_in
from rightreasons.metrics.influence import influence
from rightreasons.metrics.views import twins_of
from rightreasons.statistics.estimates import Estimate, mean_of, over_seeds
from rightreasons.statistics.seeds import SeedEffect
from rightreasons.tables.asked import ALL_MAPS, CHOICES, OWN_THRESHOLD, Asked, AskedTask
from rightreasons.tables.moved import moved

Array = np.ndarray
Universe = dict[str, Any]

ALPHA = 0.05
MAPS = "saliency"  # the question that maps answer
#: A conclusion that changes in more universes than this is fragile.
FRAGILE = 0.1
ANSWERS = ("better", "undecided", "worse")
CONCLUSION = ["study", "dataset", "task", "design", "method", "question", "reference"]
#: The columns of a default universe that the table `robustness` repeats.
DEFAULT = ("level", "metric", "effect", "ci_low", "ci_high", "p_value", "seeds", "answer")


def multiverse(
    asked: Asked,
    study: str,
    decided: Iterable[tuple[Cell, Path]],
    measured: Iterable[tuple[Group, Path]],
    progress: Callable[..., Iterable[Any]] = lambda items, _: items,
) -> pd.DataFrame:
    """Return every conclusion in every universe in which its number exists.

    An effect is the method's number minus its reference's, its mean over seeds with the variance
    of seeds and shared test images (`statistics.seeds`). The answer is better or worse where its p
    is below 0.05, which is not corrected for the number of universes or methods, else undecided.

    Parameters
    ----------
    asked
        What is asked.
    study
        Its name.
    decided
        The predictions of every cell.
    measured
        What `stages.universe` wrote of the groups whose maps count.
    progress
        Wraps an iterable in a progress bar.
    """
    files: dict[tuple[str, str, str, float], _Place] = {}
    for cell, path in decided:
        _of(files, cell.group).predictions[cell.method, cell.group.seed] = path
    for group, path in measured:
        _of(files, group).maps[group.seed] = path
    rows = []
    for (dataset, task, design, level), place in progress(files.items(), "universes"):
        key = {"study": study, "dataset": dataset, "task": task, "design": design}
        of_task = asked.tasks[task]
        found = [*_of_decisions(asked, of_task, place), *_of_maps(asked, of_task, place)]
        for conclusion, universe, effect in found:
            if np.isnan(effect.value):
                continue
            changed = asked.changed(task, design, {**conclusion, **universe, "level": level})
            rows.append(
                {
                    **key,
                    **conclusion,
                    "level": level,
                    **universe,
                    "changed": ", ".join(changed),
                    **_answered(effect, universe["metric"]),
                }
            )
    return pd.DataFrame(rows)


def robustness(universes: pd.DataFrame) -> pd.DataFrame:
    """Return a row per conclusion: its default answer, and how often others differ from it.

    Parameters
    ----------
    universes
        What `multiverse` returns.

    Returns
    -------
    DataFrame
        Without the conclusions whose default number does not exist. With fewer than two seeds there
        are no answers, and `flips` and `fragile` are missing.
    """
    if universes.empty:
        return pd.DataFrame()
    rows = []
    for names, part in universes.groupby(CONCLUSION, sort=False):
        default = part[part["changed"] == ""]
        if len(default):
            key = dict(zip(CONCLUSION, names, strict=True))
            rows.append({**key, **_robustness(part, default.iloc[0])})
    return pd.DataFrame(rows)


def fragile(found: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Return task, design, level, method, question and reference of the fragile conclusions.

    Parameters
    ----------
    found
        The table `robustness`.
    reference
        Those against this method only; all without.
    """
    columns = ["task", "design", "level", "method", "question", "reference"]
    if found.empty:
        return pd.DataFrame(columns=columns)
    marked = found["fragile"].fillna(value=False).astype(bool)
    if reference is not None:
        marked &= found["reference"] == reference
    return found.loc[marked, columns].reset_index(drop=True)


def _robustness(part: pd.DataFrame, default: pd.Series) -> dict[str, Any]:
    answered = bool(default["seeds"] > 1)
    flipped = (part["answer"] != default["answer"]).astype(float) * (1 if answered else np.nan)
    contrary = (part["gain"] * default["gain"] < 0).astype(float)
    row = {name: default[name] for name in DEFAULT}
    row |= {"universes": len(part), "flips": flipped.mean(), "opposite": contrary.mean()}
    row |= {name: (part["answer"] == name).mean() for name in ANSWERS}
    row["fragile"] = bool(row["flips"] > FRAGILE) if answered else None
    return row | {f"flips_{name}": flipped[part["changed"] == name].mean() for name in CHOICES}


def _answered(effect: SeedEffect, metric: str) -> dict[str, Any]:
    """Return the columns of an effect: `gain` is the effect in the direction of better."""
    gain = effect.value if METRICS[metric].traits["better"] == "higher" else -effect.value
    sure = effect.p_value < ALPHA
    return {
        "effect": effect.value,
        "ci_low": effect.low,
        "ci_high": effect.high,
        "p_value": effect.p_value,
        "seeds": effect.seeds,
        "gain": gain,
        "answer": ("better" if gain > 0 else "worse") if sure else "undecided",
    }


@dataclass(frozen=True)
class _Place:
    """The files of one task, design and level: of all its methods and seeds."""

    predictions: dict[tuple[str, int], Path]
    maps: dict[int, Path]

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds in the study's order."""
        return list(dict.fromkeys(seed for _, seed in self.predictions))


def _of(files: dict[tuple[str, str, str, float], _Place], group: Group) -> _Place:
    key = (group.dataset, group.task, group.design, group.level)
    return files.setdefault(key, _Place({}, {}))


def _pairs(asked: Asked, task: AskedTask, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every method with its references, as far as they are known."""
    for reference, method in product(asked.references, task.methods):
        if method != reference and {method, reference} <= set(known):
            yield method, reference


# Predictions


def _of_decisions(
    asked: Asked, task: AskedTask, place: _Place
) -> Iterator[tuple[Universe, Universe, SeedEffect]]:
    """Yield conclusion, universe and effect of all questions that predictions answer."""
    methods = list(dict.fromkeys(method for method, _ in place.predictions))
    questions = [
        (q, metric) for q, names in asked.questions.items() if q != MAPS for metric in names
    ]
    numbers: dict[tuple[str, str, str], list[_Number]] = {}
    for method, policy in product(methods, asked.thresholds):
        tables = (pd.read_parquet(place.predictions[method, seed]) for seed in place.seeds)
        tests = [moved(t, OWN_THRESHOLD if method in asked.keep else policy) for t in tables]
        for _, metric in questions:
            numbers[method, policy, metric] = [_number(asked, metric, test) for test in tests]
    for method, reference in _pairs(asked, task, methods):
        for (question, metric), policy in product(questions, asked.thresholds):
            ours, theirs = (numbers[name, policy, metric] for name in (method, reference))
            found = [one.minus(other) for one, other in zip(ours, theirs, strict=True)]
            yield (
                {"method": method, "question": question, "reference": reference},
                {"metric": metric, "threshold": policy},
                over_seeds(_numbered(found)),
            )


@dataclass(frozen=True, eq=False)
class _Number:
    """A number of one model: a value with what each image adds, or values (N,) per image."""

    images: Array
    value: float | None
    each: Array

    def minus(self, other: _Number) -> tuple[Array, float | None, Array]:
        """Return images, difference, and difference of what they add or of their values."""
        if not np.array_equal(self.images, other.images):
            raise ValueError("two methods of a group have different test images")
        value = None if self.value is None or other.value is None else self.value - other.value
        return self.images, value, self.each - other.each


def _number(asked: Asked, metric: str, test: pd.DataFrame) -> _Number:
    """Return a metric of predictions or twins on test images."""
    images, component = test["image_id"].to_numpy(), METRICS[metric]
    params = component.params.model_validate(asked.metrics[metric])
    if component.traits["needs"] != "counts":
        return _Number(images, None, component.run(twins_of(test), params))
    target, protected, chance = (
        test[name].to_numpy() for name in ("target", "protected", "chance")
    )
    if groups_in(protected) > 2 and not takes_many(component):
        return _Number(images, np.nan, np.full(len(images), np.nan))
    return _Number(images, *influence(component, params, target, protected, chance))


def _numbered(found: Sequence[tuple[Array, float | None, Array]]) -> list[Estimate]:
    """Return differences of single seeds as estimates, images numbered over all seeds."""
    codes, _ = pd.factorize(np.concatenate([images for images, _, _ in found]))
    parts = np.split(codes, np.cumsum([len(images) for images, _, _ in found])[:-1])
    return [
        mean_of(part, each) if value is None else Estimate(value, part, each)
        for part, (_, value, each) in zip(parts, found, strict=True)
    ]


# Maps


def _of_maps(
    asked: Asked, task: AskedTask, place: _Place
) -> Iterator[tuple[Universe, Universe, SeedEffect]]:
    """Yield conclusion, universe and effect of the questions that maps answer."""
    if not place.maps:
        return
    opened = [dict(np.load(place.maps[seed], allow_pickle=False)) for seed in place.seeds]
    codes, _ = pd.factorize(np.concatenate([one["image_id"] for one in opened]))
    images = np.split(codes, np.cumsum([len(one["image_id"]) for one in opened])[:-1])
    for method, reference in _pairs(asked, task, task.models):
        ours, theirs = task.models.index(method), task.models.index(reference)
        differences = [one["values"][ours] - one["values"][theirs] for one in opened]
        agreed = [one["agreed"][ours] & one["agreed"][theirs] for one in opened]
        for (e, explainer), (v, variant), explained in product(
            enumerate(task.explainers), enumerate(task.variants), asked.explained
        ):
            found = [
                mean_of(part, np.where(same | (explained == ALL_MAPS), difference[e, v], np.nan))
                for part, difference, same in zip(images, differences, agreed, strict=True)
            ]
            yield (
                {"method": method, "question": MAPS, "reference": reference},
                {**variant.model_dump(), "explainer": explainer, "explained": explained},
                over_seeds(found),
            )
