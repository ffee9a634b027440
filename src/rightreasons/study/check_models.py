"""What is wrong with a study's networks, found before anything is computed.

All of it is known from the config and the files that it names, and none of it needs torch: names,
files and what they hold, images and architecture, explainers and architecture, and what a network
that was trained elsewhere allows. Whether tensors fit is asked when a run starts
(`study.rehearsal`), as that needs the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS
from rightreasons.models.config import ModelConfig
from rightreasons.models.facts import (
    HF,
    IMAGENET,
    TIMM,
    check_name,
    check_size,
    check_weights_name,
    check_weights_of,
    family_of,
    is_outside,
    is_program,
    members_of,
    named_weights,
)
from rightreasons.models.hf_folder import hf_config, hf_input, hf_outputs
from rightreasons.models.programs_files import check_program, program_input
from rightreasons.models.weight_files import look_into, state_dicts
from rightreasons.probes import PROBES
from rightreasons.saliency import EXPLAINERS
from rightreasons.study.grid import Grid
from rightreasons.study.messages import quoted
from rightreasons.study.sections import StudyConfig


def check_models(study: StudyConfig) -> None:
    """Raise UserError for a network that cannot do what the study asks of it.

    Raises
    ------
    UserError
        With the key, what is allowed and what to do.
    """
    grid = Grid(study)
    for task in study.tasks:
        model = study.task_model(task)
        own = f"tasks.{task}." if study.tasks[task].model else ""
        try:
            _check_file(model)
            _check_images(model, images_of(study, task))
            _check_frozen(model, study.task_training(task).freeze)
            _check_explainers(study, grid, task, model)
            if not model.train:
                _check_trained(study, grid, task, model)
        except UserError as error:
            raise UserError(f"config: {own}{error}") from None


def images_of(study: StudyConfig, task: str) -> int:
    """Return the side of the images that a task's network gets, in pixels."""
    return int(study.datasets[study.tasks[task].dataset]["size"])


def _check_file(model: ModelConfig) -> None:
    """Raise UserError for names that there are not, and files that are something else."""
    check_name(model.architecture)
    check_weights_name(model.weights)
    check_weights_of(model.architecture, model.weights)
    if model.architecture.startswith(HF):
        hf_config(model.architecture.removeprefix(HF))
    if is_program(model.architecture) and model.train:
        raise UserError(
            f"model.train: {model.architecture} is a program, which cannot be trained. Set "
            "`train: false`."
        )
    path = model.path()
    if path is None:
        packaged = model.architecture == "efficientnet_lite0"
        if not model.train and (model.weights not in IMAGENET or packaged):
            raise UserError(
                f"model.weights = {model.weights!r}: a network that is not trained (`train: "
                "false`) needs the file of its weights."
            )
        return
    if not path.exists():
        names = ", ".join(("none", *named_weights(model.architecture)))
        known = "" if is_outside(model.architecture) else f"{names}, or "
        raise UserError(
            f"model.weights: no file {str(path)!r}. Allowed: {known}the path of a file with "
            f"weights of {model.architecture}."
        )
    if is_program(model.architecture):
        check_program(path, model.architecture)
    else:
        state_dicts(look_into(path))


def _check_images(model: ModelConfig, side: int) -> None:
    """Raise UserError for images that the network does not take."""
    given = None if model.input is None else model.input.size
    where = "model.input.size" if given else "size of the images"
    check_size(model.architecture, given or side, where, model.weights, model.image_size)
    path = model.path()
    if path is not None and is_program(model.architecture):
        wanted = program_input(path)
        if wanted not in (None, given or side):
            raise UserError(
                f"model.input.size = {given}: the program in {path} was made for images of "
                f"{wanted} pixels. Set `input: {{size: {wanted}}}`."
            )


def _check_frozen(model: ModelConfig, freeze: str) -> None:
    """Raise UserError for a random network of which a part stays as it is."""
    if model.train and model.weights == "none" and freeze != "none":
        raise UserError(
            f"training.freeze: {freeze} with `model.weights: none`: it would stay random. Give the "
            "weights of a trained network, or leave `freeze` out."
        )


def _check_explainers(study: StudyConfig, grid: Grid, task: str, model: ModelConfig) -> None:
    """Raise UserError for an explainer that has no rule for a network's steps."""
    for name in grid.sets(task):
        for explainer, chosen in study.explain.sets[name].items():
            why = _why_not(model.architecture, EXPLAINERS[chosen["kind"]].traits)
            if not why:
                continue
            raise UserError(
                f"explain.sets.{name}.{explainer}: {chosen['kind']} cannot explain "
                f"{model.architecture} ({task}): {why}. Allowed for it: "
                f"{', '.join(explainers_for(model.architecture))}. Give the task `sets` without "
                "it, or choose another architecture."
            )


def explainers_for(architecture: str) -> list[str]:
    """Return the explainers that nothing known speaks against, for an architecture."""
    return [one.name for one in EXPLAINERS if not _why_not(architecture, one.traits)]


def _why_not(architecture: str, traits: Mapping[str, Any]) -> str:
    """Return what speaks against an explainer with these traits, empty where nothing is known."""
    family = family_of(architecture)
    hidden = is_program(architecture) or architecture.startswith(HF)
    if hidden and traits["reads"] == "layers":
        return "it follows a network layer by layer, and the layers are out of its sight"
    if family is None:
        return ""
    if family.name in traits["refuses"]:
        return "it has no rule for some of its layers"
    if traits["only"] and family.name not in traits["only"]:
        return (
            f"it is for {', '.join(members_of(traits['only']))} and timm's networks of their kind"
        )
    return ""


def _check_trained(study: StudyConfig, grid: Grid, task: str, model: ModelConfig) -> None:
    """Raise UserError for what a network that was trained elsewhere does not allow."""
    _check_outputs(model)
    _check_input(model)
    _check_methods(grid, task, model)
    if len(study.seeds) > 1:
        raise UserError(
            f"model.train: false ({task}) with {len(study.seeds)} seeds: the network is the same "
            "for each of them, and differences between seeds would say nothing of training. Name "
            "one seed."
        )
    for named, design in grid.pairs():
        if named == task and len(grid.levels(design)) > 1:
            raise UserError(
                f"model.train: false ({task}) with {len(grid.levels(design))} levels of the design "
                f"{design}: levels say how training images are drawn, and nothing is trained. Name "
                "one level."
            )
    if study.measure.witnesses:
        raise UserError(
            f"measure.witnesses: the networks that region ranks are compared with are trained as "
            f"the task's own is, and {task} trains none (model.train: false). Leave it out."
        )
    if is_program(model.architecture) and study.sanity.images:
        raise UserError(
            f"sanity: {model.architecture} ({task}) has no layers that could be made random. Set "
            "`sanity: {images: 0}`."
        )
    needing = [
        n for n, p in study.probe.probes.items() if "fresh" in PROBES[p["kind"]].traits["needs"]
    ]
    asked = study.probe.images and task in (study.probe.tasks or study.tasks)
    if is_program(model.architecture) and asked and needing:
        raise UserError(
            f"probe.probes: {', '.join(needing)} make layers random, and {model.architecture} "
            f"({task}) has none that could be. Name the other probes in `probe.probes`."
        )


def _check_outputs(model: ModelConfig) -> None:
    for key in ("positive", "negative", "classes"):
        chosen = getattr(model, key)
        listed = chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]
        if model.architecture.startswith(HF):
            hf_outputs(model.architecture.removeprefix(HF), listed, key)
        elif any(isinstance(one, str) for one in listed):
            raise UserError(
                f"model.{key} = {quoted(chosen)}: labels have names only in a Hugging Face folder. "
                "Count the outputs from 0."
            )


def _check_input(model: ModelConfig) -> None:
    if model.input is not None or model.architecture.startswith(TIMM):
        return
    said = hf_input(model.architecture.removeprefix(HF)) if model.architecture.startswith(HF) else 0
    if not said:
        raise UserError(
            "model.input is missing: a network that was trained elsewhere takes images of a size "
            "and scale of its own, and its file does not say which. Set `input: {size: 224}`, with "
            "`mean` and `std` where they are not ImageNet's; `input: {}` for images as they are in "
            "the pool."
        )


def _check_methods(grid: Grid, task: str, model: ModelConfig) -> None:
    """Raise UserError for a method that trains a network, or changes one that hides its layers."""
    whole = is_program(model.architecture) or model.architecture.startswith("squeezenet")
    for method in grid.methods(task, "weights"):
        trains = grid.trait(method, "trains")
        if not trains and not whole:
            continue
        why = (
            "it trains a network, and how this one was trained is not known"
            if trains
            else "it changes features or weights, and this network shows its outputs alone"
        )
        fit = [m.name for m in METHODS if m.traits["changes"] != "weights"]
        fit += [] if whole else [m.name for m in METHODS if _edits(m.traits)]
        raise UserError(
            f"methods.{grid.control_of(method) or method}: not with `model.train: false` ({task}): "
            f"{why}. Allowed: {', '.join(fit)}. Give the task `methods` without it."
        )


def _edits(traits: dict[str, object]) -> bool:
    return traits["changes"] == "weights" and not traits["trains"]
