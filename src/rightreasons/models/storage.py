"""Models on disk: a `.safetensors` file and a JSON file beside it, never a pickle."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from rightreasons.core.errors import UserError, reason
from rightreasons.core.files import whole
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import (
    Affine,
    Classifier,
    Gated,
    Grouped,
    Rescaled,
    Resized,
    input_steps,
)
from rightreasons.models.layers import put_behind
from rightreasons.models.trained import rebuilt


def save_model(model: Classifier, path: Path) -> None:
    """Write a model's state dict as .safetensors, whole or not at all.

    Raises
    ------
    UserError
        If the disk is full or must not be written to.
    """
    state = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    with whole(path) as scratch:
        save_file(state, scratch, metadata=model.made or None)


def load_model(path: Path, architecture: str, device: torch.device) -> Classifier:
    """Return a stored model in eval mode.

    Parameters
    ----------
    path
        The .safetensors file that `save_model` wrote.
    architecture
        The model's, as for `build_classifier`.
    device
        Where it is put.

    Raises
    ------
    UserError
        Where the file is cut short, of another architecture, or holds values that are not finite.
    """
    try:
        state = load_file(path)
        with safe_open(path, "pt") as file:
            made = file.metadata() or {}
    except SafetensorError as error:
        raise UserError(f"{path} is broken: delete it and run again. {reason(error)}.") from error
    try:
        model = rebuilt(architecture, state, made) if _is_outside(state, made) else None
        model = model or build_classifier(architecture)
        _put_interventions(model, state)
        _put_ends(model, state)
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{path} is no model of {architecture}: delete it and run again. {reason(error)}"
        ) from error
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UserError(f"{path} holds NaN or infinite values in {', '.join(broken[:3])}.")
    return model.to(device).to(memory_format=torch.channels_last).eval()


def _is_outside(state: dict[str, torch.Tensor], made: dict[str, str]) -> bool:
    """Return whether a stored model is of another shape than its architecture's name says."""
    return bool(made) or "readout.groups" in state or "trunk.program" in state


def _put_ends(model: Classifier, state: dict[str, torch.Tensor]) -> None:
    """Give a network the steps before its trunk and behind its head that a state dict tells of."""
    scale, side = state.get("input.scale.factor"), state.get("input.resize.side")
    model.input = input_steps(
        None if scale is None else Rescaled(scale, state["input.scale.offset"]),
        None if side is None else Resized(side),
    )
    if "readout.groups" in state:
        model.readout = Grouped(state["readout.groups"])


def _put_interventions(model: Classifier, state: dict[str, torch.Tensor]) -> None:
    """Give a network the interventions that a state dict has values for; the keys say which."""
    if "intervention.gates" in state:
        gates, thresholds = state["intervention.gates"], state["intervention.thresholds"]
        model.intervention = Gated(_affine(state, "intervention.affine"), gates, thresholds)
    elif "intervention.read" in state:
        model.intervention = _affine(state, "intervention")
    end = ".affine.read"
    layers = [key for key in state if key.startswith("trunk.") and key.endswith(end)]
    for key in sorted(layers, key=len):
        name = key.removesuffix(end)
        put_behind(model.trunk, name.removeprefix("trunk."), _affine(state, f"{name}.affine"))


def _affine(state: dict[str, torch.Tensor], name: str) -> Affine:
    return Affine(*(state[f"{name}.{part}"] for part in ("read", "write", "bias")))
