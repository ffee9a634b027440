"""Debiasing methods, one file each: `METHODS` finds them all.

A method is a function `method(context: Context, params) -> Debiased`, registered with

- `changes`: "weights" where the network changes (weights or intervention), "decision" where only
  the decision rule does, "nothing" for the original, the network that all others start from. A
  method that changes decisions only has the original's maps, exactly.
- `reference`: True where other methods are compared with it.
- `needs`: what it needs beside images and labels: "regions" for the attribution maps of the
  protected attribute, "roi" for the task's region of interest, "masks" for the dataset's masks,
  "twins" for images with the protected attribute switched. A study that has no twins refuses a
  method that needs them.
- `uses_target`: whose targets it uses: "train" (the train split's, as vanilla's network does) and
  "fit" (the debias split's).
- `uses_protected`: where it uses the protected attribute with its default parameters: "train" (the
  train split's), "fit" (the debias split's), "regions" (through its attribution maps alone),
  "decision" (of the image that is decided on); empty where never. A threshold that is chosen for
  equalized odds (`DecisionParams`) always uses the debias split's.
- `noise`: True for a decision that knows nothing of the image: what chance alone gives, with
  which no method is to be ranked.
- `random`: False where another seed gives the same result.
- `scheme`: what Table 1 of the data-attribution paper calls it, where it is one of that paper's.
- `baseline`: True for the training on balanced data that Table 1 compares with.
- `small`: parameters with which it is quick, for tests.
- `exempt`: why a test of the contract is not for it, by the test's name.
- `style`: its colour, marker and line in figures, as matplotlib has them; empty for spare ones.
- `hides`: the parameter that says how much of an image it hides; empty where it hides nothing.
- `presets`: sets of parameters by name, such as "published": those of the paper, or of its
  authors' code. Others keep their defaults.
- `search`: what a tuned method's parameters may be, a range of `core.search` for each.
- `knob`: the parameter that says how strongly the method acts; empty where there is none. At 0
  nothing but the method's budget is left, and with it a run at 0 is the method's own control.
- `inert`: True where nothing at all is left at 0, so that the original is the control.
- `all_cells`: True where it needs debias images in each cell of target and protected.
- `many_groups`: True where it takes a protected attribute with more than two groups although it
  uses it. A method that never uses it takes any number (`needs_two_groups`).
- `trains`: False where a method that changes weights trains no network, so that it can be applied
  to one that was trained elsewhere, in a way that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component, Params, Registry
from rightreasons.learning.decisions import Decision, GroupDecision
from rightreasons.runtime.devices import fit_batch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

    from rightreasons.learning.config import TrainingConfig
    from rightreasons.learning.images import LabelledImages
    from rightreasons.models.classifier import Classifier
    from rightreasons.regions.attribution import Attribution

METHODS = Registry(
    "rightreasons.debias",
    "method",
    traits={
        "changes": "weights",
        "reference": False,
        "needs": (),
        "uses_target": ("train", "fit"),
        "uses_protected": (),
        "noise": False,
        "random": True,
        "scheme": "",
        "baseline": False,
        "small": {},
        "exempt": {},
        "style": (),
        "hides": "",
        "presets": {},
        "search": {},
        "knob": "",
        "inert": False,
        "all_cells": False,
        "many_groups": False,
        "trains": True,
    },
    group="rightreasons.methods",
)

#: What traits of a method may say. A `Context` has images of these roles and of no other.
NEEDS = ("regions", "roi", "masks", "twins")
OPEN_ROLES = ("train", "debias", "balanced")


def _undeclared(need: str) -> Callable[..., Any]:
    """Return a function that says that a method has not declared a need."""

    def refuse(*_: Any) -> Any:
        raise UserError(
            f"this cell was opened without {need}. Register the method with `needs=({need!r},)`: "
            "the plan then provides them."
        )

    return refuse


@dataclass
class Context:
    """What a method may use. Images and network are loaded only when asked for.

    It has images and labels of the roles train, debias and balanced. Those of test, and those that
    hyperparameters are chosen on (select), are closed: asking for them is a UserError.

    Parameters
    ----------
    vanilla
        Returns a fresh copy of the vanilla network on `device`, in eval mode.
    fresh
        Returns the network on `device` as it was before vanilla was trained.
    debias, train
        Return that split's images and labels.
    role
        Returns the images and labels of one of `OPEN_ROLES` by name; none where the split lacks
        it. A UserError for any other.
    pool_rows
        Returns the rows of the pool that such a role's images are, int64 (n,).
    attribution
        Returns the attribution maps of the pool; a UserError where the cell has none. No image of
        test or select was used for them or has one.
    predictions
        Vanilla's predictions on the debias split, with these columns of the table
        `predictions`: image_id, target, protected, logit_0, logit_1, score.
    training
        How vanilla was trained, the default for methods that train.
    vanilla_generator
        Returns a torch generator in the state in which vanilla's training began.
    generator
        Returns a fresh torch generator on the CPU for a named random stream of this cell.
    seed_of
        Returns the integer seed of such a stream.
    progress
        Wraps an iterable in a progress bar: `progress(iterable, description)`.
    masks
        `masks(role, name)` returns the dataset's mask `name` of a role's images, bool (n, H, W); a
        UserError where the dataset has none of that name, or the method does not need "masks".
    roi
        `roi(role)` returns the task's region of interest in a role's images, bool (n, H, W),
        whatever the config draws it from. Needs "roi".
    twins
        `twins(role)` returns a role's images with the protected attribute switched, and its label
        with it; target and ids stay. Needs "twins".
    """

    vanilla: Callable[[], Classifier]
    fresh: Callable[[], Classifier]
    debias: Callable[[], LabelledImages]
    train: Callable[[], LabelledImages]
    role: Callable[[str], LabelledImages]
    pool_rows: Callable[[str], np.ndarray]
    attribution: Callable[[], Attribution]
    predictions: pd.DataFrame
    training: TrainingConfig
    vanilla_generator: Callable[[], torch.Generator]
    generator: Callable[[str], torch.Generator]
    seed_of: Callable[[str], int]
    progress: Callable[..., Any]
    masks: Callable[[str, str], np.ndarray] = field(default_factory=partial(_undeclared, "masks"))
    roi: Callable[[str], np.ndarray] = field(default_factory=partial(_undeclared, "roi"))
    twins: Callable[[str], LabelledImages] = field(default_factory=partial(_undeclared, "twins"))

    @cached_property
    def device(self) -> torch.device:
        """The device to compute on."""
        from rightreasons.runtime.devices import pick_device

        return pick_device()


@dataclass
class Debiased:
    """What a method returns.

    Parameters
    ----------
    model
        The debiased network, None where the network is vanilla's.
    decision
        Its decision rule.
    notes
        Numbers worth keeping (losses per epoch, chosen threshold, ...), ready for JSON: no NaN.
    """

    model: Classifier | None = None
    decision: Decision | GroupDecision = field(default_factory=Decision)
    notes: dict[str, Any] = field(default_factory=dict)


def apply(method: Component, context: Context, params: Params) -> Debiased:
    """Return what a method makes of a cell, with smaller batches where its own do not fit.

    The method then begins anew, as if its `batch_size` (or the study's, where it has none) had been
    the smaller one; see `rightreasons.runtime.devices.fit_batch` for what is said and recorded.

    Parameters
    ----------
    method
        The registered method.
    context
        What it may use.
    params
        Its parameters, an instance of `method.params`.

    Returns
    -------
    Debiased
        What the method returned in the attempt that fitted.
    """
    own = getattr(params, "batch_size", None)

    def attempt(size: int) -> Debiased:
        training = context.training.model_copy(update={"batch_size": size})
        chosen = params if own is None else params.model_copy(update={"batch_size": size})
        given = context if own is not None else replace(context, training=training)
        return method.run(given, chosen)

    asked = context.training.batch_size if own is None else own
    return fit_batch(attempt, asked, f"methods.{method.name}", _least_batch(type(params)))


def places(method: Component, params: Params, trait: str) -> tuple[str, ...]:
    """Return where a method uses labels with these parameters.

    Parameters
    ----------
    method
        The registered method.
    params
        A `threshold` other than half is chosen on the debias split.
    trait
        `uses_target` or `uses_protected`, which say where it does with its defaults.

    Returns
    -------
    tuple of str
        Values of that trait, each once.
    """
    chosen = ("fit",) if getattr(params, "threshold", "half") != "half" else ()
    return tuple(dict.fromkeys((*method.traits[trait], *chosen)))


def needs_two_groups(method: Component, params: Params) -> bool:
    """Return whether a method with these parameters needs a protected attribute of two groups.

    Every method does that uses the attribute, its maps, its masks or its twins, unless its trait
    `many_groups` says otherwise.
    """
    uses = places(method, params, "uses_protected") or {"regions", "twins"} & set(
        method.traits["needs"]
    )
    return bool(uses) and not method.traits["many_groups"]


def _least_batch(params: type[Params]) -> int:
    """Return the smallest `batch_size` that a method's parameters allow, 2 where they have none."""
    field = params.model_fields.get("batch_size")
    limits = [getattr(limit, "ge", None) for limit in field.metadata] if field else []
    return max([2, *(limit for limit in limits if limit is not None)])


def open_context(
    *,
    vanilla_file: Path,
    vanilla: dict[str, Any],
    predictions: pd.DataFrame,
    images: np.ndarray,
    split: pd.DataFrame,
    seed: int,
    key: tuple[str, ...],
    progress: Callable[..., Any],
    regions: Path | None = None,
    masks: Callable[[np.ndarray, str], np.ndarray] | None = None,
    roi: Callable[[np.ndarray], np.ndarray] | None = None,
    twins: np.ndarray | None = None,
) -> Context:
    """Return the context of a cell. Nothing of torch is imported until a method asks for it.

    Of the split only the rows of `OPEN_ROLES` enter, and of the pool only their images.

    Parameters
    ----------
    vanilla_file
        The vanilla network's weights (.safetensors).
    vanilla
        Its metadata, with the keys `model` and `training`.
    predictions
        Vanilla's predictions, of which those of the role debias are kept.
    images : uint8 (N, H, W, 3)
        The pool.
    split
        The cell's split: row, image_id, role, target, protected.
    seed
        The cell's seed.
    key
        The cell's task, design, level and method: all random streams derive from it and `seed`.
    progress
        Wraps an iterable in a progress bar: `progress(iterable, description)`.
    regions
        The folder of the protected attribute's maps, None where the method needs none.
    masks
        Returns the dataset's mask of a name, bool (n, H, W), for rows of the pool; or None.
    roi
        Returns the task's region of interest, bool (n, H, W), for rows of the pool; or None.
    twins : uint8 (N, H, W, 3)
        The pool with the protected attribute switched; or None.

    Returns
    -------
    Context
        What the method may use.
    """
    from rightreasons.core.seeds import derive, torch_generator
    from rightreasons.learning.config import TrainingConfig
    from rightreasons.learning.fence import Fenced
    from rightreasons.learning.predictions import role_of
    from rightreasons.models.config import ModelConfig

    split = split[split["role"].isin(OPEN_ROLES)].reset_index(drop=True)
    rows = split["row"].to_numpy()
    pool = Fenced(images, rows)
    switched = None if twins is None else Fenced(twins, rows)

    def load() -> Classifier:
        from rightreasons.models.layers import freeze_part
        from rightreasons.models.storage import load_model

        model = load_model(vanilla_file, vanilla["model"]["architecture"], context.device)
        freeze_part(model, context.training.freeze)
        return model

    def build() -> Classifier:
        from rightreasons.models.architectures import build_classifier
        from rightreasons.models.layers import freeze_part

        start = derive(seed, "init", *key[:3])
        model = ModelConfig(**vanilla["model"])
        network = build_classifier(**model.starting(), seed=start).to(context.device)
        freeze_part(network, context.training.freeze)
        return network

    role = partial(_images, pool, split)
    pool_rows = partial(_rows, split)
    context = Context(
        vanilla=load,
        fresh=build,
        debias=partial(role, "debias"),
        train=partial(role, "train"),
        role=role,
        pool_rows=pool_rows,
        attribution=lambda: _load_attribution(regions, len(pool)),
        predictions=role_of(predictions, "debias"),
        training=TrainingConfig(**vanilla["training"]),
        vanilla_generator=lambda: torch_generator(seed, "train", *key[:3]),
        generator=lambda stream: torch_generator(seed, "debias", *key, stream),
        seed_of=lambda stream: derive(seed, "debias", *key, stream),
        progress=progress,
    )
    if masks is not None:
        context.masks = lambda role, name: masks(pool_rows(role), name)
    if roi is not None:
        context.roi = lambda role: roi(pool_rows(role))
    if switched is not None:
        context.twins = lambda role: _switched(_images(switched, split, role))
    return context


def _rows(split: pd.DataFrame, role: str) -> np.ndarray:
    """Return the rows of the pool that a role's images are; a UserError for a closed role."""
    return _open(split, role)["row"].to_numpy()


def _images(pool: Any, split: pd.DataFrame, role: str) -> LabelledImages:
    """Return the images and labels of a role; a UserError for a closed one."""
    from rightreasons.learning.predictions import labelled

    return labelled(pool, _open(split, role), role)


def _open(split: pd.DataFrame, role: str) -> pd.DataFrame:
    """Return the rows of a split that play a role, a UserError for one that methods may not see."""
    from rightreasons.learning.predictions import role_of

    if role not in OPEN_ROLES:
        raise UserError(
            f"the role {role!r} is closed to methods, so that nothing they choose depends on it. "
            f"Allowed: {', '.join(OPEN_ROLES)}."
        )
    return role_of(split, role)


def _switched(data: LabelledImages) -> LabelledImages:
    """Return images with the other value of the protected attribute."""
    return replace(data, protected=1 - data.protected)


def _load_attribution(folder: Path | None, n_images: int) -> Attribution:
    from rightreasons.regions.attribution import Attribution

    if folder is None:
        raise UserError(
            "this cell has no attribution maps. Register the method with `needs=('regions',)`: the "
            "stage `region` then gives it those of the protected attribute."
        )
    attribution = Attribution.load(folder)
    if len(attribution) != n_images:
        raise UserError(
            f"{folder} has maps of {len(attribution)} images and the pool has {n_images}: they "
            "are of another pool. Delete the folder and run the stage `region` again."
        )
    return attribution
