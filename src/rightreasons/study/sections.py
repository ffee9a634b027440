"""The configuration of a study, declared once. `schemas/config.schema.json` is made from it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.core.sections import Section
from rightreasons.core.user_paths import expanded
from rightreasons.data.groups import joined
from rightreasons.learning.config import TrainingConfig
from rightreasons.models.config import ModelConfig
from rightreasons.regions.params import RegionParams
from rightreasons.study.messages import quoted
from rightreasons.tuning.criteria import CRITERIA
from rightreasons.tuning.draws import Sampler

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
EXPRESSIONS = ("target", "protected")  # keys of a task
#: Keys of a method that are no parameters of its kind.
METHOD_KEYS = ("kind", "preset", "search", "control_of")
DEFAULT, TUNED = "default", "tuned"  # presets that every method has, and that tuning fills
#: Choices of the multiverse, the study's own first but for scales.
Threshold = Literal["own", "base_rate", "youden"]
Scale = Literal["max", "mass", "raw"]
Sign = Literal["absolute", "positive"]
Explained = Literal["all", "agreed"]
THRESHOLDS: tuple[Threshold, ...] = ("own", "base_rate", "youden")
SCALES: tuple[Scale, ...] = ("max", "mass", "raw")
SIGNS: tuple[Sign, ...] = ("absolute", "positive")
EXPLAINED: tuple[Explained, ...] = ("all", "agreed")
LONGEST = 100  # letters of a name: paths hold several
Fraction = Annotated[float, Field(ge=0, le=1)]


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise ValueError(
            f"the name {quoted(name)} is used in file names: letters, digits and _ only, beginning "
            f"with a letter, at most {LONGEST}"
        )
    return name


def _check_folder(name: str) -> str:
    if not name.strip() or not name.isprintable() or set(name) & set("{}"):
        raise ValueError("must be the name of a folder, without line breaks and braces")
    return name


def _expanded(name: str) -> str:
    """Return a folder with ~ and variables filled in, as `core.user_paths` does."""
    try:
        return _check_folder(expanded(_check_folder(name)))
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from None


Name = Annotated[str, AfterValidator(_check_name)]
Folder = Annotated[str, AfterValidator(_expanded)]


class MaskRoi(Section):
    """A region of interest from the dataset's own pixel masks."""

    mask: str = Field(description="name of the dataset's mask, one region per image")


class BoxesRoi(Section):
    """A region of interest from boxes that the dataset declares: the mask of their name."""

    boxes: str = Field(description="name of the dataset's boxes, one region per image")


Rectangle = Annotated[list[Fraction], Field(min_length=4, max_length=4)]


class TopAttribution(Section):
    """Where a patch classifier finds an attribute."""

    attribute: str = Field(description="attribute that the patch classifier is trained on")
    quantile: float = Field(
        0.9, gt=0, lt=1, description="quantile of the mean map above which the region lies"
    )


class AttributionRoi(Section):
    """A region of interest that nobody drew: the top of a mean attribution map."""

    attribution: TopAttribution = Field(description="whose attribution, and how much of it")


class ArtifactRoi(Section):
    """A region of interest where an artifact lies, or would lie: exact, image by image."""

    artifact: str = Field(description="name of an artifact of this study")


def _has_area(given: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return a checked region, or say all that is allowed rather than why each kind fails."""
    try:
        roi = check(given)
    except ValidationError:
        roi = [0, 0, 0, 0]
    if isinstance(roi, BoxesRoi):
        return MaskRoi(mask=roi.boxes)
    if isinstance(roi, list) and not (roi[0] < roi[2] and roi[1] < roi[3]):
        raise ValueError(
            "allowed are a rectangle [x0, y0, x1, y1] in fractions of the image, "
            "0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, {mask: NAME}, {boxes: NAME}, and for a task "
            "{artifact: NAME} and {attribution: {attribute: NAME, quantile: 0 to 1}}"
        )
    return roi


KnownRoi = Rectangle | MaskRoi | BoxesRoi


class WatchedConfig(Section):
    """A second attribute whose reliance is measured as well: a shortcut that nobody treats."""

    attribute: str = Field(
        description="another artifact's name, or an attribute that the dataset has twins of"
    )
    level: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="of an artifact: share of images with target 1 that carry it minus that of "
        "target 0, in train and debias; in select and test half of each cell carries it",
    )


def _intersection(given: Any) -> Any:
    """Return a list of attributes as one text: its parts, separated by commas."""
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return joined(given)
    return given


def _or_several(schema: dict[str, Any]) -> None:
    """Say in a key's schema that it may be a list, too."""
    several = {"items": {"type": "string"}, "minItems": 1, "type": "array"}
    schema["anyOf"] = [{"type": schema.pop("type")}, several]


class TaskConfig(Section):
    """What is predicted, what must not matter, and where that sits in the image."""

    dataset: str = Field(description="name of a dataset of this study")
    target: str = Field(description="attribute to predict, or an expression: gender == Male")
    protected: Annotated[str, BeforeValidator(_intersection)] = Field(
        description="protected attribute, an expression (race in [Black]), or an artifact's name; "
        "an attribute with any number of values has as many groups (race), and a list of several "
        "an intersection ([race, gender])",
        json_schema_extra=_or_several,
    )
    roi: Annotated[
        Rectangle | MaskRoi | BoxesRoi | AttributionRoi | ArtifactRoi, WrapValidator(_has_area)
    ] = Field(
        description="region of the protected attribute: x0, y0, x1, y1 as fractions, a mask, "
        "the top quantile of an attribution map, or where an artifact lies"
    )
    watched: WatchedConfig | None = Field(
        None,
        description="a second attribute whose reliance is measured as well, to see whether a "
        "method that mitigates one shortcut raises the other",
    )
    designs: list[str] | None = Field(
        None, min_length=1, description="designs of this task; none: all of the study"
    )
    methods: list[str] | None = Field(
        None, min_length=1, description="methods of this task beside vanilla; none: all"
    )
    sets: list[str] | None = Field(
        None, min_length=1, description="sets of explainers of this task; none: all"
    )
    model: dict[str, Any] = Field(
        default_factory=dict, description="keys of `model` that differ for this task"
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="keys of `training` that differ for this task"
    )


def _all_explainers() -> dict[str, dict[str, dict[str, Any]]]:
    return {"main": {"lrp": {}, "integrated_gradients": {}}}


class ExplainConfig(Section):
    """Which maps are made."""

    images: int | Literal["all"] = Field(
        "all", description="number of test images with maps, a quarter from each cell, or all"
    )
    explained_class: Literal["true", "predicted"] = Field(
        "true", description="logit that is explained: of the true or of the predicted class"
    )
    batch_size: int = Field(32, ge=1, description="images per batch")
    sets: dict[Name, Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]] = Field(
        default_factory=_all_explainers,
        min_length=1,
        description="sets of explainers (name: parameters); one job makes the maps of a set",
    )

    @field_validator("images", mode="wrap")
    @classmethod
    def _enough(cls, given: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            images = check(given)
        except ValidationError:
            images = 0
        if images != "all" and images < 8:
            raise ValueError("allowed are a whole number from 8 up, or `all`")
        return images


class CallsConfig(Section):
    """When a metric of maps is said to claim that a model relies on the protected attribute."""

    rate: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="share of level-0 models, which do not rely on it, that may be called",
    )
    null: Literal["auto", "conformal", "student"] = Field(
        "auto",
        description="what a value is judged by: ranks among level-0 models (conformal, which needs "
        "1 / rate seeds), their mean and variance (student, which needs 3), or the first where "
        "there are enough seeds and else the second (auto)",
    )


class MeasureConfig(Section):
    """How maps and predictions are turned into numbers."""

    scale: Scale = Field(
        "max", description="saliency intensity: relative to the map's largest value, its sum, raw"
    )
    metrics: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="parameters of metrics that differ from their defaults"
    )
    replicates: int = Field(1000, ge=50, description="bootstrap replicates")
    witnesses: bool = Field(
        False,
        description="two networks more for each task, design with a level 0 and seed, of the "
        "target and of the protected attribute, which the metrics region_rank_* compare with",
    )
    calls: CallsConfig = Field(
        default_factory=lambda: CallsConfig.model_validate({}),
        description="claims of metrics that are held against true reliance (where twins exist)",
    )


class SanityConfig(Section):
    """Do maps change when the network is made random, layer by layer? Off by default."""

    images: int = Field(
        0, ge=0, description="test images, a quarter from each cell, from 8 up; 0: no such check"
    )
    stages: int = Field(
        6, ge=2, description="steps in which all layers are made random, the head alone first"
    )
    levels: Literal["strongest", "all"] = Field(
        "strongest", description="levels checked: the one farthest from zero, or all"
    )

    @field_validator("images")
    @classmethod
    def _none_or_enough(cls, images: int) -> int:
        if 0 < images < 8:
            raise ValueError("allowed are 0 (no check), or a whole number from 8 up")
        return images


class ProbeConfig(Section):
    """How good are the maps: faithful, robust, sparse, and of this network? Off by default."""

    images: int = Field(
        0,
        ge=0,
        description="test images with maps that are probed, a quarter from each cell, from 8 up "
        "and at most `explain.images`; 0: no probes",
    )
    levels: Literal["strongest", "all"] = Field(
        "strongest", description="levels probed: the one farthest from zero, or all"
    )
    tasks: list[str] | None = Field(None, min_length=1, description="tasks probed; none: all")
    methods: list[str] | None = Field(
        None,
        min_length=1,
        description="methods whose maps are probed, of those that change weights, and the "
        "original; none: the original alone",
    )
    sets: list[str] | None = Field(
        None, min_length=1, description="sets of explainers that are probed; none: all of a task"
    )
    probes: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="probes (name: parameters; `kind` defaults to the name); none: all there are",
    )

    @field_validator("images")
    @classmethod
    def _none_or_enough(cls, images: int) -> int:
        if 0 < images < 8:
            raise ValueError("allowed are 0 (no probes), or a whole number from 8 up")
        return images


class RegionsConfig(Section):
    """Patch classifiers: where in the data an attribute is to be seen."""

    seed: int = Field(0, ge=0, description="seed of all patch classifiers")
    classifier: RegionParams = Field(
        default_factory=lambda: RegionParams.model_validate({}),
        description="the patch classifier and its training",
    )
    attributes: dict[Name, dict[str, Annotated[KnownRoi | None, WrapValidator(_has_area)]]] = Field(
        default_factory=dict,
        description="attributes to locate beside those that tasks need, by dataset; each with its "
        "known region (rectangle or mask) to compare with, or null. `coin_flip` is a control: a "
        "label that is nowhere in the image",
    )
    quantile: float = Field(
        0.9, gt=0, lt=1, description="quantile of a map above which it is compared with a known ROI"
    )


class ReportConfig(Section):
    """What the report shows."""

    show_images: list[Name] | None = Field(
        None,
        description="datasets of which figures and pages may show single images; by default the "
        "rendered faces (synthfaces) only. Look into a dataset's licence before you name it",
    )
    page_images: int = Field(
        200,
        ge=8,
        description="most images in a page of dots, and of a level in the explorer: more make a "
        "larger file",
    )
    explainers: list[Name] | None = Field(
        None,
        min_length=1,
        description="explainers that get figures of their own and a place in the pages of dots; by "
        "default a task's first four. Tables, yardstick and sanity checks have all",
    )
    figures: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="parameters of figures that differ from their defaults"
    )


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
    rois: dict[Name, dict[Name, Annotated[KnownRoi, WrapValidator(_has_area)]]] = Field(
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


def _switched(given: Any) -> Any:
    """Return a section that may be switched on and off by true and false."""
    return {True: {}, False: None}[given] if isinstance(given, bool) else given


def _or_switched(schema: dict[str, Any]) -> None:
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


class StudyConfig(Section):
    """A whole study: one grid of cells."""

    study: Name = Field(description="name of the study and of its folder under results/")
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field(
        min_length=1, description="seeds; everything random in a cell comes from its seed"
    )
    deterministic: bool = Field(
        False, description="same numbers in every run on a GPU too, at some cost of speed"
    )
    components: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="your own components: Python files (my_method.py), folders with such files "
        "(mine/) and names of modules; paths are looked for in the working directory, then beside "
        "the config",
    )
    results: Folder = Field(
        "results", description="folder of all studies' results; ~ and $VARIABLES are filled in"
    )
    data: Folder = Field(
        "data", description="folder for downloaded or hand-dropped data, written likewise"
    )
    datasets: dict[Name, dict[str, Any]] = Field(
        min_length=1, description="datasets (name: parameters; `kind` defaults to the name)"
    )
    artifacts: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="artifacts that are put into images (name: parameters; `kind` defaults to the "
        "name); a task's `protected` names one",
    )
    tasks: dict[Name, TaskConfig] = Field(min_length=1, description="tasks by name")
    designs: dict[Name, dict[str, Any]] = Field(
        min_length=1, description="designs with their levels (name: parameters)"
    )
    model: ModelConfig = Field(
        default_factory=lambda: ModelConfig.model_validate({}), description="the network"
    )
    training: TrainingConfig = Field(
        default_factory=lambda: TrainingConfig.model_validate({}),
        description="training of the vanilla model",
    )
    methods: dict[Name, dict[str, Any]] = Field(
        min_length=1,
        description="methods (name: parameters; `kind` defaults to the name; `preset`: a set of "
        "parameters of the method's, such as published, or tuned; `search`: the parameters that "
        "tuning draws, all of the method's search space by default)",
    )
    controls: bool = Field(
        True,
        description="for every method with a strength, the same run at strength 0 as its control; "
        "and a method that is nothing but chance, where there are several",
    )
    tuning: TuningConfig = Field(
        default_factory=lambda: TuningConfig.model_validate({}),
        description="how parameters of tuned methods are chosen",
    )
    explain: ExplainConfig = Field(
        default_factory=lambda: ExplainConfig.model_validate({}), description="saliency maps"
    )
    measure: MeasureConfig = Field(
        default_factory=lambda: MeasureConfig.model_validate({}), description="metrics"
    )
    sanity: SanityConfig = Field(
        default_factory=lambda: SanityConfig.model_validate({}),
        description="sanity check of the explainers",
    )
    probe: ProbeConfig = Field(
        default_factory=lambda: ProbeConfig.model_validate({}),
        description="probes of explanation quality",
    )
    multiverse: Annotated[MultiverseConfig | None, BeforeValidator(_switched)] = Field(
        None,
        description="how often conclusions change with choices that cost no training; true: with "
        "the default choices, false: not asked",
        json_schema_extra=_or_switched,
    )
    regions: RegionsConfig = Field(
        default_factory=lambda: RegionsConfig.model_validate({}), description="data attribution"
    )
    report: ReportConfig = Field(
        default_factory=lambda: ReportConfig.model_validate({}), description="single images shown"
    )

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is named twice; name each once")
        return seeds

    @model_validator(mode="after")
    def _tuning_seeds(self) -> StudyConfig:
        if shared := set(self.seeds) & set(self.tuning.seeds):
            raise ValueError(
                f"tuning.seeds: {', '.join(map(str, sorted(shared)))} is a seed of the study, too. "
                "Tune with other seeds than those that are reported"
            )
        return self

    @model_validator(mode="after")
    def _references(self) -> StudyConfig:
        for name, task in self.tasks.items():
            _check_known(f"tasks.{name}.dataset", [task.dataset], "dataset", self.datasets)
            self._check_task(name, task)
        _check_known("regions.attributes", self.regions.attributes, "dataset", self.datasets)
        taken = [e for chosen in self.explain.sets.values() for e in chosen]
        if twice := {e for e in taken if taken.count(e) > 1}:
            raise ValueError(f"explain.sets: {', '.join(sorted(twice))} is in two sets")
        self._check_probe()
        shown, explainers = self.report.show_images, self.report.explainers
        if self.multiverse is not None:
            asked = self.multiverse
            _check_known("multiverse.explainer", asked.explainer or [], "explainer", taken)
            _check_known("multiverse.rois", asked.rois, "task", self.tasks)
        _check_known("report.show_images", shown or [], "dataset", self.datasets)
        _check_known("report.explainers", explainers or [], "explainer", taken)
        return self

    def _check_probe(self) -> None:
        """Raise ValueError where a probe asks for what the study does not have."""
        asked, made = self.probe, self.explain.images
        if made != "all" and asked.images > made:
            raise ValueError(
                f"probe.images: {asked.images} images are more than the {made} that have maps "
                f"(explain.images). Allowed: up to {made}"
            )
        _check_known("probe.tasks", asked.tasks or [], "task", self.tasks)
        _check_known("probe.methods", asked.methods or [], "method", self.methods)
        _check_known("probe.sets", asked.sets or [], "set of explainers", self.explain.sets)

    def _check_task(self, name: str, task: TaskConfig) -> None:
        """Raise ValueError for a name in a task that the study does not know."""
        _check_known(f"tasks.{name}.designs", task.designs or [], "design", self.designs)
        _check_known(f"tasks.{name}.methods", task.methods or [], "method", self.methods)
        sets = self.explain.sets
        _check_known(f"tasks.{name}.sets", task.sets or [], "set of explainers", sets)
        if isinstance(task.roi, ArtifactRoi):
            artifact = [task.roi.artifact]
            _check_known(
                f"tasks.{name}.roi.artifact", artifact, "key of `artifacts`", self.artifacts
            )

    def task_model(self, task: str) -> ModelConfig:
        """Return the network of a task: the study's, with the task's own keys."""
        return ModelConfig(**{**self.model.model_dump(), **self.tasks[task].model})

    def task_training(self, task: str) -> TrainingConfig:
        """Return how a task's networks are trained: as the study's, with the task's own keys."""
        return TrainingConfig(**{**self.training.model_dump(), **self.tasks[task].training})


def _check_known(where: str, chosen: Collection[str], noun: str, allowed: Collection[str]) -> None:
    """Raise for the first name of `chosen` that is not allowed."""
    for name in chosen:
        if name not in allowed:
            raise ValueError(
                f"{where}: unknown {noun} {quoted(name)}{suggestion(name, allowed)} "
                f"Allowed: {', '.join(allowed) or 'none, the study has none'}"
            )
