"""From a config as it is written to a checked study with every component's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rightreasons.artifacts import ARTIFACTS
from rightreasons.core.components import load_components
from rightreasons.core.errors import UserError, reason
from rightreasons.core.registry import Registry, suggestion
from rightreasons.data import DATASETS, mask_names
from rightreasons.data.attributes import columns, parse
from rightreasons.data.groups import attributes, parts
from rightreasons.debias import METHODS
from rightreasons.figures import FIGURES
from rightreasons.learning.config import TrainingConfig
from rightreasons.metrics import METRICS
from rightreasons.models.config import ModelConfig
from rightreasons.probes import PROBES, in_order
from rightreasons.saliency import EXPLAINERS
from rightreasons.splits import DESIGNS
from rightreasons.study.check_models import check_models
from rightreasons.study.grid import Grid
from rightreasons.study.groups import check_groups
from rightreasons.study.messages import explain, quoted
from rightreasons.study.methods import check_tuning, study_methods
from rightreasons.study.parameters import component_params
from rightreasons.study.plan_multiverse import allowed
from rightreasons.study.section_tasks import EXPRESSIONS, AttributionRoi, MaskRoi
from rightreasons.study.sections import StudyConfig
from rightreasons.study.yaml_keys import check_keys
from rightreasons.tables.asked import QUESTIONS


def load_config(raw: dict[str, Any], folders: Sequence[Path] = ()) -> StudyConfig:
    """Return the checked config with every component's parameters filled in.

    Parameters
    ----------
    raw
        The config as it is written.
    folders
        Where its files lie: a component's path is looked for in the working directory, then there.

    Raises
    ------
    UserError
        With one line per mistake: the key, the value, what is allowed.
    """
    if "study" not in raw:
        raise UserError(
            "config: study is missing. A config is a whole study with a name of its own. To change "
            "some keys of a study, give its file first and yours after it, both behind one "
            "--configfile: --configfile studies/STUDY.yaml CHANGES.yaml."
        )
    try:
        config = StudyConfig.model_validate(raw)
    except ValidationError as error:
        raise UserError(explain(error, StudyConfig)) from None
    kinds = scanned()
    filled = config.model_dump()
    filled["components"] = list(load_components(config.components, folders))
    for section in ("datasets", "artifacts", "designs"):
        filled[section] = {
            name: component_params(kinds[section], f"{section}.{name}", name, chosen)
            for name, chosen in getattr(config, section).items()
        }
    filled["methods"] = study_methods(kinds["methods"], config.methods, controls=config.controls)
    filled["explain"]["sets"] = {
        group: {
            name: component_params(
                kinds["explainers"], f"explain.sets.{group}.{name}", name, chosen
            )
            for name, chosen in explainers.items()
        }
        for group, explainers in config.explain.sets.items()
    }
    filled["probe"]["probes"] = _probes(config, kinds["probes"])
    for task in config.tasks:
        _check_own_keys(config, task)
    _check_defaults(config, kinds)
    _check_original(filled["methods"], kinds["methods"])
    study = StudyConfig(**filled)
    check_tuning(study)
    _check_masks(study)
    _check_multiverse(study)
    _check_probes(study)
    _check_expressions(study)
    check_groups(study)
    _check_twins(study)
    _check_watched(study, kinds["datasets"])
    _check_cells(study)
    check_models(study)
    return study


def _check_own_keys(config: StudyConfig, task: str) -> None:
    """Raise where a task's own keys of `model` and `training` are wrong."""
    for key, checked, section in (
        ("model", config.task_model, ModelConfig),
        ("training", config.task_training, TrainingConfig),
    ):
        try:
            checked(task)
        except ValidationError as error:
            raise UserError(explain(error, section, f"tasks.{task}.{key}")) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file's mapping.

    Raises
    ------
    UserError
        Where the file is no YAML, names a key twice, or holds no mapping.
    """
    check_keys(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError) as error:  # 2024-02-31 is a ValueError
        raise UserError(f"{path} is no YAML: {reason(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a mapping of keys to values.")
    return content


def read_merged(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the config of several files as Snakemake merges them: later keys over earlier ones.

    Raises
    ------
    UserError
        Where a file is not there, or is no config.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        if not path.is_file():
            raise UserError(f"there is no file {path}.")
        _lay_over(merged, read_yaml(path))
    return merged


def _lay_over(below: dict[str, Any], above: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay_over(below[key], value)
        else:
            below[key] = value


def scanned() -> dict[str, Registry]:
    """Return all registries with what they find by themselves: built-in components and plug-ins.

    Raises
    ------
    UserError
        If a plug-in cannot be loaded.
    """
    found = registries()
    for registry in found.values():
        registry.scan()
    return found


def registries() -> dict[str, Registry]:
    """Return the registries of all components that a config names, by section."""
    return {
        "datasets": DATASETS,
        "artifacts": ARTIFACTS,
        "designs": DESIGNS,
        "methods": METHODS,
        "explainers": EXPLAINERS,
        "probes": PROBES,
        "metrics": METRICS,
        "figures": FIGURES,
    }


def _probes(config: StudyConfig, registry: Registry) -> dict[str, dict[str, Any]]:
    """Return the probes of a study with all their parameters; all there are if none is named."""
    every: dict[str, Any] = {probe.name: {} for probe in in_order()} if config.probe.images else {}
    asked: dict[str, dict[str, Any]] = config.probe.probes or every
    return {
        name: component_params(registry, f"probe.probes.{name}", name, chosen)
        for name, chosen in asked.items()
    }


def _check_defaults(config: StudyConfig, kinds: dict[str, Registry]) -> None:
    """Raise UserError for parameters of metrics and figures that there are not."""
    for name, chosen in config.measure.metrics.items():
        component_params(kinds["metrics"], f"measure.metrics.{name}", name, chosen)
    for name, chosen in config.report.figures.items():
        component_params(kinds["figures"], f"report.figures.{name}", name, chosen)


def _check_original(methods: dict[str, dict[str, Any]], registry: Registry) -> None:
    """Raise UserError unless exactly one method changes nothing: all others start from it."""
    kinds = [one.name for one in registry if one.traits["changes"] == "nothing"]
    found = [name for name, chosen in methods.items() if chosen["kind"] in kinds]
    if len(found) != 1:
        has = f"it has {' and '.join(found)}" if found else "it has none"
        raise UserError(
            f"config: methods: needs `{kinds[0]}: {{}}` once, as every method starts from it and "
            f"is compared with it; {has}."
        )


def _check_masks(study: StudyConfig) -> None:
    """Raise UserError for a mask that a dataset does not have, before anything is computed."""
    named: list[tuple[str, str, Any]] = [
        *((f"tasks.{name}.roi", task.dataset, task.roi) for name, task in study.tasks.items()),
        *(
            (f"regions.attributes.{dataset}.{attribute}", dataset, roi)
            for dataset, attributes in study.regions.attributes.items()
            for attribute, roi in attributes.items()
        ),
        *(
            (f"multiverse.rois.{task}.{name}", study.tasks[task].dataset, roi)
            for task, rois in (study.multiverse.rois.items() if study.multiverse else ())
            for name, roi in rois.items()
        ),
    ]
    for where, dataset, roi in named:
        masks = mask_names(study.datasets[dataset]["kind"], study.datasets[dataset])
        if isinstance(roi, MaskRoi) and roi.mask not in masks:
            raise UserError(
                f"config: {where}.mask = {roi.mask!r}: {dataset} has no such mask"
                f"{suggestion(roi.mask, masks)} Allowed: {', '.join(masks) or 'none'}."
            )


def _check_multiverse(study: StudyConfig) -> None:
    """Raise UserError for a metric that cannot answer the question that it is named for."""
    if study.multiverse is None:
        return
    for question in QUESTIONS:
        known = allowed(question)
        for name in getattr(study.multiverse, question) or ():
            if name not in known:
                raise UserError(
                    f"config: multiverse.{question}: {quoted(name)} is no metric that answers it"
                    f"{suggestion(name, known)} Allowed: {', '.join(known)}."
                )


def _check_probes(study: StudyConfig) -> None:
    """Raise UserError for a method without maps of its own, and for a control's name taken."""
    grid, asked = Grid(study), study.probe
    for method in asked.methods or ():
        if method != grid.explained(method):
            raise UserError(
                f"config: probe.methods: {method} changes decisions only and has the maps of "
                f"{grid.original}. Name {grid.original} in its place."
            )
    if asked.images and (taken := grid.floor_taken()):
        raise UserError(
            f"config: explain.sets: {taken} is the name of a control, which probes need, and of "
            "an explainer of another kind. Call that one something else."
        )


def _check_twins(study: StudyConfig) -> None:
    """Raise UserError for a method that needs twins in a task that has none."""
    grid = Grid(study)
    for task in (task for task in study.tasks if task not in grid.twinned()):
        if needing := grid.needs("twins", task):
            raise UserError(
                f"config: tasks.{task}: the method {needing[0]} needs twins, and "
                f"{grid.dataset(task)} has none for {study.tasks[task].protected!r}. Name the "
                f"task's methods without it in tasks.{task}.methods, or choose an artifact or "
                "another attribute as `protected`."
            )


def _check_watched(study: StudyConfig, datasets: Registry) -> None:
    """Raise UserError for a watched attribute that cannot be switched by itself."""
    for name, task in study.tasks.items():
        if (watched := task.watched) is None:
            continue
        where, asked = f"config: tasks.{name}.watched", watched.attribute
        traits = datasets[study.datasets[task.dataset]["kind"]].traits
        able = traits["twins"]
        if traits["both"]:
            raise UserError(
                f"{where}: of {task.dataset} there are two versions of each image already, by its "
                f"{traits['both']}, and no second attribute can be watched. Leave `watched` out, "
                "or take another dataset with two artifacts."
            )
        if asked == task.protected or asked in attributes(task.protected):
            raise UserError(
                f"{where}.attribute: {quoted(asked)} is the protected attribute already. Watch "
                "another one, or leave `watched` out."
            )
        if asked in columns(task.target):
            raise UserError(f"{where}.attribute: {quoted(asked)} is the target. Watch another one.")
        allowed = [a for a in (*study.artifacts, *able) if a not in (task.target, task.protected)]
        if asked not in allowed:
            raise UserError(
                f"{where}.attribute: {quoted(asked)} can be switched in no image: it is no "
                f"artifact of this study, and {task.dataset} has no twins of it"
                f"{suggestion(asked, allowed)} Allowed: {', '.join(allowed) or 'none'}."
            )
        if asked in study.artifacts and watched.level is None:
            raise UserError(
                f"{where}.level is missing: say how strongly the artifact {quoted(asked)} goes "
                "with the target, from -1 to 1, such as 0.8."
            )
        if asked not in study.artifacts and watched.level is not None:
            raise UserError(
                f"{where}.level: {quoted(asked)} is an attribute of the dataset, which is watched "
                "as it is found. Leave `level` out, or watch an artifact."
            )


def _check_cells(study: StudyConfig) -> None:
    """Raise UserError for a method that needs all cells at a level that leaves one empty."""
    grid = Grid(study)
    for task, design in grid.pairs():
        named = (method for method in grid.methods(task) if not grid.control_of(method))
        needy = [method for method in named if _needs_cells(grid, method)]
        empty = [level for level in grid.levels(design) if grid.leaves_empty(design, level)]
        if needy and empty:
            levels, ones = ", ".join(f"{level:g}" for level in empty), " and ".join(needy)
            raise UserError(
                f"config: designs.{design}.levels: at {levels} the debias images of {task} have "
                f"no image in some cell of target and protected attribute, and {ones} "
                f"need{'s' * (len(needy) == 1)} all cells. Use a level that is less extreme (such "
                f"as {0.95 * empty[0]:g}), or give the tasks of this design `methods` without "
                f"{'it' if len(needy) == 1 else 'them'}."
            )


def _needs_cells(grid: Grid, method: str) -> bool:
    """Return whether a method, or the threshold it is to choose, needs images in all cells."""
    by_threshold = grid.study.methods[method].get("threshold") == "equalized_odds"
    return bool(grid.trait(method, "all_cells")) or by_threshold


def _check_expressions(study: StudyConfig) -> None:
    """Raise UserError for an attribute expression that cannot be parsed."""
    named = {
        **{f"tasks.{n}.{k}": getattr(t, k) for n, t in study.tasks.items() for k in EXPRESSIONS},
        **{
            f"tasks.{name}.roi.attribution.attribute": task.roi.attribution.attribute
            for name, task in study.tasks.items()
            if isinstance(task.roi, AttributionRoi)
        },
        **{
            f"regions.attributes.{d}.{a}": a for d, c in study.regions.attributes.items() for a in c
        },
    }
    for where, expression in named.items():
        try:
            if where.endswith(".protected"):
                parts(expression)
            else:
                parse(expression)
        except UserError as error:
            raise UserError(f"config: {where}: {error}") from None
