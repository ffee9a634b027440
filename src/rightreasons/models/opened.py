"""A file of weights that fits a network: under which names, and its tensors in the right shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path

import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models import efficientnet_lite
from rightreasons.models.facts import TIMM, named_weights
from rightreasons.models.fitting import Fit, Wanted, chosen_fit, fits
from rightreasons.models.positions import NAME, PATCHES, resampled
from rightreasons.models.tensors import read_tensors
from rightreasons.models.timm_networks import converted
from rightreasons.models.weight_files import Tensor, WeightsFile, look_into, state_dicts

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Opened:
    """A dict of a file that fits a network.

    Attributes
    ----------
    path
        The file.
    fit
        How it fits.
    state
        Names and shapes of the dict.
    read
        From names of the network to names of the dict: gives the tensors under the former.
    """

    path: Path
    fit: Fit
    state: dict[str, Tensor]
    read: Callable[[dict[str, str]], Tensors]


def open_weights(
    path: Path | str,
    network: nn.Module,
    wanted: Wanted,
    architecture: str,
    state: str | None = None,
    image_size: int | None = None,
) -> Opened:
    """Return the dict of a file that fits a network.

    Files of EfficientNet-Lite0 under published names and those of other places that timm knows are
    converted. Position embeddings are interpolated where the config says a size of images.

    Parameters
    ----------
    path
        The file.
    network
        Whose tensors are wanted.
    wanted
        Their names and shapes.
    architecture
        What the config calls the network.
    state
        Which of several dicts in the file.
    image_size
        The side of images that the config asks for.

    Raises
    ------
    UserError
        Where it is missing, something else, or does not fit.
    """
    file = look_into(located(path, architecture))
    if architecture == efficientnet_lite.NAME:
        renamed = efficientnet_lite.renamed_file(file)
        if renamed is not None:
            return _in_memory(file, renamed, wanted, architecture)
    if image_size is not None:
        wanted = replace(wanted, loose=(NAME,))
    try:
        fit = chosen_fit(file, wanted, architecture, state)
    except UserError:
        _refuse_other_size(file, wanted, architecture)
        if not architecture.startswith(TIMM):
            raise
        other = _converted(file, network, wanted, state, image_size)
        if other is None:
            raise
        return _in_memory(file, other, wanted, architecture)

    def read(names: dict[str, str]) -> Tensors:
        return resampled(read_tensors(file, fit.where, names), wanted.shapes)

    return Opened(file.path, fit, state_dicts(file)[fit.where], read)


def _refuse_other_size(file: WeightsFile, wanted: Wanted, architecture: str) -> None:
    """Raise UserError for weights that fit but for the size of images that they were made for."""
    if NAME not in wanted.shapes or wanted.loose:
        return
    loose = replace(wanted, loose=(NAME,))
    for fit in fits(state_dicts(file), loose):
        if fit.off == 0:
            there = state_dicts(file)[fit.where][fit.names[NAME]].shape
            patch = wanted.shapes[PATCHES][-1]
            old, own = (isqrt(shape[1] - 1) * patch for shape in (there, wanted.shapes[NAME]))
            raise UserError(
                f"model.weights: the position embeddings in {file.path} are for images of {old} "
                f"pixels, and {architecture} is built for {own}. Set `model: {{image_size: {old}}}`"
                f", or `model: {{image_size: {own}}}` to have them interpolated."
            )


def located(path: Path | str, architecture: str) -> Path:
    """Return the path of a file of weights; a UserError where there is none."""
    here = Path(path)
    if not here.exists():
        names = ", ".join(("none", *named_weights(architecture)))
        raise UserError(
            f"model.weights: no file {str(path)!r}. Allowed: {names}, or the path of a file with "
            f"weights of {architecture} (a state dict, of whatever wrapping)."
        )
    return here


def _in_memory(file: WeightsFile, tensors: Tensors, wanted: Wanted, architecture: str) -> Opened:
    content = {name: Tensor(tuple(value.shape), "") for name, value in tensors.items()}
    fit = chosen_fit(WeightsFile(file.path, "converted", content), wanted, architecture)

    def read(names: dict[str, str]) -> Tensors:
        return {own: tensors[there] for own, there in names.items()}

    return Opened(file.path, fit, content, read)


def _converted(
    file: WeightsFile, network: nn.Module, wanted: Wanted, state: str | None, image_size: int | None
) -> Tensors | None:
    """Return what timm makes of the first dict of a file that it makes something of that fits."""
    for where, tensors in state_dicts(file).items():
        if state not in (None, where):
            continue
        read = read_tensors(file, where, {name: name for name in tensors})
        made = converted(read, network, image_size)
        if made is None:
            continue
        told = {where: {name: Tensor(tuple(value.shape), "") for name, value in made.items()}}
        if any(fit.off == 0 for fit in fits(told, wanted)):
            return made
    return None
