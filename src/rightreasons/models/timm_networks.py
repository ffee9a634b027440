"""Networks of timm: by name, their images, and files of weights under other names than timm's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import isqrt
from typing import Any

import torch
from torch import nn

from rightreasons.core.errors import UserError, reason
from rightreasons.core.registry import suggestion
from rightreasons.models.facts import TIMM, check_multiple
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD

#: Outputs that a network gets where timm builds it without a last layer.
OUTPUTS = 2


def timm_network(name: str, classes: int | None, image_size: int | None = None) -> nn.Module:
    """Return a fresh network of timm's, with a last linear layer.

    Towers that timm builds without one (DINOv2's) get one behind their pooled features.

    Parameters
    ----------
    name
        timm's, with or without the tag of weights, which says size and scale of its images.
    classes
        Outputs; None for as many as timm gives it.
    image_size
        Side of the images that it is built for; None for timm's.

    Raises
    ------
    UserError
        Where timm has no such model, or not for that size.
    """
    import timm

    if not timm.is_model(name.partition(".")[0]):
        raise UserError(
            f"model.architecture: timm has no model {name!r}"
            f"{suggestion(name, timm.list_models())} `timm.list_models()` has all."
        )
    extra: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if image_size is not None:
        extra["img_size"] = image_size
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, **extra)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise _not_built(name, image_size, error) from error
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if image_size is not None and patch is not None:
        check_multiple(TIMM + name, image_size, patch[0] if isinstance(patch, tuple) else patch)
    if classes is None and getattr(network, "num_classes", None) == 0:
        network.reset_classifier(OUTPUTS)  # type: ignore[operator]
    return network


def _not_built(name: str, image_size: int | None, error: Exception) -> UserError:
    if image_size is not None and "img_size" in str(error):
        return UserError(
            f"model.image_size = {image_size}: {TIMM}{name} is not built for one size of images. "
            f"Leave it out; `model.input: {{size: {image_size}}}` resizes images on their way in."
        )
    size = "" if image_size is None else f" for images of {image_size} pixels"
    return UserError(f"model.architecture: timm does not build {name!r}{size}: {reason(error)}")


def timm_last(architecture: str, network: nn.Module) -> tuple[str, nn.Linear] | None:
    """Return the linear layer that timm calls a network's classifier, with its name.

    None for a network that does not say.

    Raises
    ------
    UserError
        Where it is something else, such as the two heads of a distilled network.
    """
    if not hasattr(network, "get_classifier"):
        return None
    last = network.get_classifier()  # type: ignore[operator]
    if isinstance(last, nn.Linear):
        return next(name for name, module in network.named_modules() if module is last), last
    kind = "several layers" if isinstance(last, (tuple, list)) else type(last).__name__
    raise UserError(
        f"model.architecture: {architecture} ends in {kind}, not in a linear layer; there is no "
        "penultimate layer to intervene on. Choose another architecture."
    )


def timm_input(network: nn.Module, image_size: int | None = None) -> dict[str, Any]:
    """Return what timm says of a network's images, as `models.config.InputConfig` has it."""
    told: dict[str, Any] = getattr(network, "pretrained_cfg", None) or {}
    size = told.get("input_size") or (3, 224, 224)
    return {
        "size": image_size or int(size[-1]),
        "mean": list(told.get("mean") or IMAGENET_MEAN),
        "std": list(told.get("std") or IMAGENET_STD),
        "range": [0.0, 1.0],
    }


#: Ends of the names under which files have position embeddings.
POSITIONS = ("pos_embed", "positional_embedding", "pos_embedding")


def converted(
    tensors: dict[str, torch.Tensor], network: nn.Module, image_size: int | None
) -> dict[str, torch.Tensor] | None:
    """Return tensors of a file under timm's names and in the shapes of a network.

    timm knows the names of the places that networks come from: OpenAI's and OpenCLIP's image
    towers, DINOv2 with and without registers, the original Swin and ConvNeXt, ... It interpolates
    position embeddings, too, which is done where the config asks for a size and not by itself.

    Parameters
    ----------
    tensors
        All tensors of the file, by name.
    network
        As `timm_network` returns it.
    image_size
        The side of images that the config asks for; None where it asks for none.

    Returns
    -------
    dict or None
        None where timm has no conversion, or it does not know what to make of these.

    Raises
    ------
    UserError
        Where positions are for another size of images, and the config does not ask for one.
    """
    convert: Callable[..., Any] | None = getattr(
        sys.modules.get(type(network).__module__), "checkpoint_filter_fn", None
    )
    if convert is None:
        return None
    if image_size is None:
        _refuse_resampling(tensors, network)
    try:
        found = convert(dict(tensors), network)
    except (RuntimeError, ValueError, KeyError, AttributeError, TypeError, AssertionError):
        return None
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}


def _refuse_resampling(tensors: dict[str, torch.Tensor], network: nn.Module) -> None:
    own = getattr(network, "pos_embed", None)
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    files = [v for name, v in tensors.items() if name.endswith(POSITIONS) and v.dim() in (2, 3)]
    if not isinstance(own, torch.Tensor) or own.dim() != 3 or patch is None or len(files) != 1:
        return
    sides = [isqrt(value.shape[-2]) * patch[0] for value in (files[0], own)]  # with a class token
    if sides[0] != sides[1]:
        raise UserError(
            f"model.weights: the file's position embeddings are for images of {sides[0]} pixels, "
            f"and the network is built for {sides[1]}. Set `model: {{image_size: {sides[0]}}}`, or "
            f"`model: {{image_size: {sides[1]}}}` to have them interpolated."
        )
