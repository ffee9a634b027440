"""Debiasing methods, one file each: `METHODS` finds them all.

A method is a function `method(context: Context, params) -> Debiased`, registered with

- `changes`: "weights" where the network changes (weights or intervention), "decision" where only
  the decision rule does, "nothing" for the original, the network that all others start from. A
  method that changes decisions only has the original's maps, exactly.
- `reference`: True where other methods are compared with it.
- `needs`: what it needs beside images and labels: "regions" for the attribution maps of the
  protected attribute.
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
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
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
    },
    group="rightreasons.methods",
)


@dataclass
class Context:
    """What a method may use. Images and network are loaded only when asked for.

    Parameters
    ----------
    vanilla
        Returns a fresh copy of the vanilla network on `device`, in eval mode.
    fresh
        Returns the network on `device` as it was before vanilla was trained.
    debias, train
        Return that split's images and labels.
    role
        Returns the images and labels of any role by name; none where the split lacks it.
    pool_rows
        Returns the rows of the pool that a role's images are, int64 (n,).
    attribution
        Returns the attribution maps of the pool; a UserError where the cell has none.
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
) -> Context:
    """Return the context of a cell. Nothing of torch is imported until a method asks for it.

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

    Returns
    -------
    Context
        What the method may use.
    """
    from rightreasons.core.seeds import derive, torch_generator
    from rightreasons.learning.config import TrainingConfig
    from rightreasons.learning.predictions import labelled, role_of

    def load() -> Classifier:
        from rightreasons.models.storage import load_model

        return load_model(vanilla_file, vanilla["model"]["architecture"], context.device)

    def build() -> Classifier:
        from rightreasons.models.architectures import build_classifier

        start = derive(seed, "init", *key[:3])
        return build_classifier(**vanilla["model"], seed=start).to(context.device)

    context = Context(
        vanilla=load,
        fresh=build,
        debias=lambda: labelled(images, split, "debias"),
        train=lambda: labelled(images, split, "train"),
        role=lambda role: labelled(images, split, role),
        pool_rows=lambda role: role_of(split, role)["row"].to_numpy(),
        attribution=lambda: _load_attribution(regions, len(images)),
        predictions=role_of(predictions, "debias"),
        training=TrainingConfig(**vanilla["training"]),
        vanilla_generator=lambda: torch_generator(seed, "train", *key[:3]),
        generator=lambda stream: torch_generator(seed, "debias", *key, stream),
        seed_of=lambda stream: derive(seed, "debias", *key, stream),
        progress=progress,
    )
    return context


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
