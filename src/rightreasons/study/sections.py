"""The configuration of a study, declared once. `schemas/config.schema.json` is made from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from rightreasons.core.registry import suggestion
from rightreasons.core.sections import Section
from rightreasons.learning.config import TrainingConfig
from rightreasons.models.config import ModelConfig
from rightreasons.regions.params import RegionParams
from rightreasons.study.messages import quoted
from rightreasons.study.section_choices import (
    MultiverseConfig,
    Scale,
    TuningConfig,
    or_switched,
    switched,
)
from rightreasons.study.section_names import Folder, Name
from rightreasons.study.section_tasks import ArtifactRoi, KnownRoi, TaskConfig, has_area

#: Keys of a method that are no parameters of its kind.
METHOD_KEYS = ("kind", "preset", "search", "control_of")
DEFAULT, TUNED = "default", "tuned"  # presets that every method has, and that tuning fills


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
    attributes: dict[Name, dict[str, Annotated[KnownRoi | None, WrapValidator(has_area)]]] = Field(
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
    multiverse: Annotated[MultiverseConfig | None, BeforeValidator(switched)] = Field(
        None,
        description="how often conclusions change with choices that cost no training; true: with "
        "the default choices, false: not asked",
        json_schema_extra=or_switched,
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
