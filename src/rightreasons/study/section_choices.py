"""What a config says of choices that are tried: by tuning before, by the multiverse after."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator, field_validator

from rightreasons.core.registry import suggestion
from rightreasons.core.sections import Section
from rightreasons.study.messages import quoted
from rightreasons.study.section_names import Name
from rightreasons.study.section_tasks import KnownRoi, has_area
from rightreasons.tuning.criteria import CRITERIA
from rightreasons.tuning.draws import Sampler

#: Choices of the multiverse, the study's own first but for scales.
Threshold = Literal["own", "base_rate", "youden"]
Scale = Literal["max", "mass", "raw"]
Sign = Literal["absolute", "positive"]
Explained = Literal["all", "agreed"]
THRESHOLDS: tuple[Threshold, ...] = ("own", "base_rate", "youden")
SCALES: tuple[Scale, ...] = ("max", "mass", "raw")
SIGNS: tuple[Sign, ...] = ("absolute", "positive")
EXPLAINED: tuple[Explained, ...] = ("all", "agreed")


class MultiverseConfig(Section):
    """Choices that cost no training: all their combinations are tried on every conclusion."""

    fairness: list[str] | None = Field(
        None,
        min_length=1,
        description="metrics of decisions that say who is fairer, the one that counts by default "
        "first; none: all whose trait `answers` says so",
    )
    performance: list[str] | None = Field(
        None, min_length=1, description="metrics of decisions that say who is right more often"
    )
    saliency: list[str] | None = Field(
        None, min_length=1, description="metrics of maps that say who looks less at the region"
    )
    reliance: list[str] | None = Field(
        None, min_length=1, description="metrics of twins that say who relies less on it"
    )
    threshold: list[Threshold] = Field(
        default_factory=lambda: list(THRESHOLDS),
        description="own: as the study has it, always tried; base_rate: as many decisions 1 as "
        "labels 1 on debias images; youden: the best balanced accuracy on select images, else on "
        "debias images. Methods that choose thresholds keep theirs",
    )
    scale: list[Scale] = Field(
        default_factory=lambda: list(SCALES),
        description="scales of the intensity beside `measure.scale`",
    )
    sign: list[Sign] = Field(
        default_factory=lambda: list(SIGNS),
        description="relevance that counts: |r|, always tried, and max(r, 0)",
    )
    margin: list[Annotated[float, Field(gt=0, lt=0.5)]] = Field(
        default_factory=lambda: [0.05],
        description="regions that are wider on all sides, by shares of the image's side",
    )
    masks: bool = Field(
        True, description="the dataset's own mask of the protected attribute as region, if any"
    )
    rois: dict[Name, dict[Name, Annotated[KnownRoi, WrapValidator(has_area)]]] = Field(
        default_factory=dict, description="other regions by task and name: rectangles and masks"
    )
    explainer: list[Name] | None = Field(
        None,
        min_length=1,
        description="explainers, the one that counts by default first; none: all of a task that "
        "see the network, those that are shown first",
    )
    explained: list[Explained] = Field(
        default_factory=lambda: list(EXPLAINED),
        description="maps that count: all, always tried, and those of images whose true class both "
        "networks predict, so that `explain.explained_class` does not matter",
    )
    level: list[float] | None = Field(
        None,
        min_length=1,
        description="levels, of which the strongest counts by default; none: all but 0",
    )


def switched(given: Any) -> Any:
    """Return a section that may be switched on and off by true and false."""
    return {True: {}, False: None}[given] if isinstance(given, bool) else given


def or_switched(schema: dict[str, Any]) -> None:
    """Say in a section's schema that it may be switched."""
    schema["anyOf"].append({"type": "boolean"})


class TuningConfig(Section):
    """How the parameters of methods with `preset: tuned` are chosen, on the role `select`."""

    trials: int = Field(
        0, ge=0, description="trials of every tuned method, its own parameters first; 0: none"
    )
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field(
        default_factory=lambda: [1000],
        min_length=1,
        description="seeds that trials run with, none of them a seed of the study",
    )
    levels: Literal["each"] | Annotated[list[float], Field(min_length=1)] = Field(
        "each",
        description="each: every level has its own choice; or levels that are tuned together, and "
        "whose one choice all levels get",
    )
    criterion: str = Field(
        "equalized_odds",
        description=f"what chooses between trials: {', '.join(CRITERIA)} (docs/tuning.md)",
    )
    tolerance: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="cell-balanced accuracy that the criterion equalized_odds may give up",
    )
    budget: int | None = Field(
        None,
        ge=1,
        description="image passes that a trial may take; none: as many as training the original, "
        "but at least 12,000",
    )
    sampler: Sampler = Field("sobol", description="how trials are drawn")

    @field_validator("criterion")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CRITERIA:
            raise ValueError(
                f"unknown criterion {quoted(name)}{suggestion(name, CRITERIA)} "
                f"Allowed: {', '.join(CRITERIA)}"
            )
        return name
