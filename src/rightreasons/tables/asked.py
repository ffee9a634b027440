"""What the multiverse asks, of whom, and in which universes. Nothing slow: planning reads it."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from rightreasons.core.sections import Section
from rightreasons.metrics.variants import ANY, Variant

#: What can differ between universes, by the names of the table's columns.
CHOICES = ("level", "metric", "threshold", "scale", "sign", "roi", "explainer", "explained")
#: The questions, and what is asked of a method and its reference.
QUESTIONS = {
    "fairness": "fairer?",
    "performance": "right more often?",
    "saliency": "looks less at the region?",
    "reliance": "relies less on it?",
}
OWN_THRESHOLD, OWN_SIGN, OWN_ROI, ALL_MAPS = "own", "absolute", "task", "all"


class AskedTask(Section):
    """What is asked in one task.

    Attributes
    ----------
    methods
        Those that conclusions are about.
    models
        Those with maps of their own, in the order of the measured maps; none where no maps count.
    explainers, variants
        In the order of the measured maps; the first explainer counts by default.
    """

    methods: tuple[str, ...]
    models: tuple[str, ...] = ()
    explainers: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()


class Asked(Section):
    """What is asked in a study.

    Attributes
    ----------
    original
        The method that all others start from.
    references
        The methods that others are compared with, the original first.
    keep
        The methods that choose thresholds, and keep them.
    questions
        The metrics of each question, the one that counts by default first.
    metrics
        All of them with their parameters.
    thresholds, explained
        What is tried, the study's own first.
    scale
        The study's own.
    levels
        By design, the one that counts by default first.
    tasks
        Those with conclusions.
    """

    original: str
    references: tuple[str, ...]
    keep: tuple[str, ...]
    questions: dict[Literal["fairness", "performance", "saliency", "reliance"], tuple[str, ...]]
    metrics: dict[str, dict[str, JsonValue]]
    thresholds: tuple[str, ...]
    explained: tuple[str, ...]
    scale: str
    levels: dict[str, tuple[float, ...]]
    tasks: dict[str, AskedTask]

    def changed(self, task: str, design: str, universe: dict[str, object]) -> list[str]:
        """Return the choices in which a universe of a question differs from the default one.

        Parameters
        ----------
        task, design
            Where.
        universe
            `question`, and its choices by name.
        """
        question = universe["question"]
        metrics = next(names for name, names in self.questions.items() if name == question)
        explainers = self.tasks[task].explainers
        default = {
            "level": self.levels[design][:1],
            "metric": metrics[:1],
            "threshold": (OWN_THRESHOLD,),
            "scale": (self.scale, ANY),
            "sign": (OWN_SIGN,),
            "roi": (OWN_ROI,),
            "explainer": explainers[:1],
            "explained": (ALL_MAPS,),
        }
        return [
            name for name in CHOICES if name in universe and universe[name] not in default[name]
        ]
