"""Models on disk: a `.safetensors` file and a JSON file beside it, never a pickle."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rightreasons.core.errors import UserError, reason
from rightreasons.core.files import whole
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, Projection


def save_model(model: Classifier, path: Path) -> None:
    """Write a model's state dict as .safetensors, whole or not at all.

    Raises
    ------
    UserError
        If the disk is full or must not be written to.
    """
    state = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    with whole(path) as scratch:
        save_file(state, scratch)


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
    except SafetensorError as error:
        raise UserError(f"{path} is broken: delete it and run again. {reason(error)}.") from error
    model = build_classifier(architecture)
    if any(key.startswith("intervention.") for key in state):
        model.intervention = Projection.empty(model.n_features)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{path} is no model of {architecture}: delete it and run again. {reason(error)}"
        ) from error
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UserError(f"{path} holds NaN or infinite values in {', '.join(broken[:3])}.")
    return model.to(device).to(memory_format=torch.channels_last).eval()
