"""A model's layers by name: reading what one gives out, and putting an affine map behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.models.classifier import Affine, Intervened, channel_axis

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

PENULTIMATE, LAST_CONV = "penultimate", "last_conv"
Freeze = Literal["none", "trunk", "convolutions"]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def layer_of(model: Classifier, name: str) -> nn.Module:
    """Return the trunk's module `name`.

    Parameters
    ----------
    model
        The network.
    name
        `penultimate`: the trunk itself, whose output the intervention gets; `last_conv`: what the
        last convolution leads to before it is pooled (`relu3` of small_cnn, `layer4` of a ResNet,
        `features` of a SqueezeNet), of a vision transformer the last tokens that are read by
        another block; or the name of a module of the trunk.

    Raises
    ------
    UserError
        Where there is no such module, with those that there are.
    """
    if name == PENULTIMATE:
        return model.trunk
    return model.trunk.get_submodule(layer_name(model, name))


def layer_name(model: Classifier, name: str) -> str:
    """Return the name in the trunk of a layer as `layer_of` takes it, other than `penultimate`."""
    if name == LAST_CONV:
        return _last_conv(model.trunk)
    modules = [known for known, _ in model.trunk.named_modules() if known]
    if name not in modules:
        top = ", ".join(child for child, _ in model.trunk.named_children())
        raise UserError(
            f"layer: the trunk has no module {name!r}{suggestion(name, modules)} Allowed: "
            f"penultimate, last_conv, one of {top}, or a module inside one of them (layer4.1)."
        )
    for around in _around(name):
        if isinstance(model.trunk.get_submodule(around), nn.MultiheadAttention):
            raise UserError(
                f"layer: {name} is a part of an attention step, which gives out more than its "
                f"tokens. Name the block around it: {around.rpartition('.')[0]}."
            )
    return name


def _around(name: str) -> list[str]:
    """Return a module's name and those of the modules around it."""
    path = name.split(".")
    return [".".join(path[:depth]) for depth in range(1, len(path) + 1)]


def _last_conv(trunk: nn.Module) -> str:
    """Return the widest module that ends with the last convolution and has no pooling behind it.

    Steps are taken to happen in the order in which the trunk lists its modules.
    """
    convolutions = [name for name, m in trunk.named_modules() if isinstance(m, nn.Conv2d)]
    if not convolutions:
        raise UserError(
            "layer: the trunk has no convolution. Allowed: penultimate, or a module of the trunk."
        )
    for name in _around(convolutions[-1]):
        inside = convolutions[-1].removeprefix(name).removeprefix(".")
        behind = _behind(trunk.get_submodule(name), inside)
        called = not isinstance(trunk.get_submodule(name), nn.ModuleList)
        if called and not any(isinstance(module, POOLS) for module in behind):
            found = _with_activation(trunk, name)
            return _last_tokens(trunk, found) or found
    raise AssertionError("a convolution has nothing behind it inside itself")


def _last_tokens(trunk: nn.Module, name: str) -> str | None:
    """Return the block whose tokens another one reads last, None where no blocks are behind `name`.

    A vision transformer's convolution cuts the image into patches, and blocks of attention follow.
    Where a class token collects what is asked for, the last block reads the others' tokens and
    what it makes of them is lost: the one before is meant. Where all tokens are averaged, it is the
    last.
    """
    names = [known for known, _ in trunk.named_modules()]
    behind = [known for known in names[names.index(name) + 1 :] if not known.startswith(f"{name}.")]
    for known in behind:
        module = trunk.get_submodule(known)
        if isinstance(module, POOLS):
            return None
        blocks = list(module.named_children())
        if isinstance(module, (nn.Sequential, nn.ModuleList)) and _are_blocks(module):
            collected = any(parameter.endswith(TOKENS) for parameter, _ in _own(trunk))
            at = len(blocks) - 1 - collected
            return f"{known}.{blocks[at][0]}" if at >= 0 else None
    return None


#: What libraries call the token that collects what is asked of an image.
TOKENS = ("class_token", "cls_token")


def _own(trunk: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return trunk.named_parameters(recurse=False)


def _are_blocks(modules: nn.Module) -> bool:
    """Return whether these are blocks of one kind, one after another, with weights in them."""
    blocks = list(modules.children())
    alike = len({type(block) for block in blocks}) == 1
    return alike and all(list(block.children()) for block in blocks)


def _behind(module: nn.Module, name: str) -> list[nn.Module]:
    """Return the modules in `module` that it lists after its module `name`."""
    names = [known for known, _ in module.named_modules()]
    return [m for _, m in list(module.named_modules())[names.index(name) + 1 :]]


def _with_activation(trunk: nn.Module, name: str) -> str:
    """Return the last of the batch norms and activations that follow a module in its parent."""
    parent, _, last = name.rpartition(".")
    children = list(trunk.get_submodule(parent).named_children())
    at = [child for child, _ in children].index(last)
    for child, module in children[at + 1 :]:
        whole = isinstance(module, NORMS) or not list(module.children())
        if not whole or isinstance(module, (*POOLS, nn.Flatten, nn.Dropout)):
            break
        if not isinstance(module, nn.Identity):  # as in the place of a head, behind a pooling
            last = child
    return f"{parent}.{last}" if parent else last


def intervene(model: Classifier, name: str, affine: Affine) -> str:
    """Put an affine map behind a layer, in place.

    Parameters
    ----------
    model
        The network.
    name
        The layer, as for `layer_of`. At `penultimate` the map becomes the model's intervention.
    affine
        The map; of channels, where the layer's output has positions.

    Returns
    -------
    str
        The layer's own name, for `take_away`: an alias may then mean another layer.

    Raises
    ------
    UserError
        Where there is no such layer.
    """
    if name == PENULTIMATE:
        model.intervention = affine
        return name
    name = layer_name(model, name)
    put_behind(model.trunk, name, affine)
    return name


def put_behind(trunk: nn.Module, name: str, affine: Affine) -> None:
    """Replace the module `name` by itself and an affine map behind it."""
    parent, _, child = name.rpartition(".")
    layer = trunk.get_submodule(name)
    setattr(trunk.get_submodule(parent), child, Intervened(layer, affine))


def take_away(model: Classifier, name: str) -> None:
    """Undo `intervene`, given the name that it returned."""
    if name == PENULTIMATE:
        model.intervention = nn.Identity().train(model.training)
        return
    parent, _, child = name.rpartition(".")
    setattr(model.trunk.get_submodule(parent), child, model.trunk.get_submodule(f"{name}.layer"))


@contextmanager
def captured(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Give a list whose only item is the module's latest output, within the block.

    What follows the module gets a copy, so that an in-place activation does not overwrite the
    output before its gradient is taken. An output that no weight that is trained leads to is made
    to need a gradient, so that one can be taken with respect to it. The hook is gone when the
    block ends.
    """
    outputs: list[torch.Tensor] = []

    def keep(_: nn.Module, __: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        if not isinstance(output, torch.Tensor):
            raise UserError(
                f"layer: {type(module).__name__} gives out {type(output).__name__}, not a tensor "
                "of activations. Name another module, such as the block around it."
            )
        if torch.is_grad_enabled() and not output.requires_grad:
            output = output.detach().requires_grad_()
        outputs[:] = [output]
        return output.clone()

    handle = module.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Let a forward pass within the block be differentiated twice, for penalties on gradients.

    Of torch's ways to compute attention only the plain one has a second derivative.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        yield


def by_position(values: torch.Tensor) -> torch.Tensor:
    """Return activations or gradients as (N, positions, channels).

    (N, C) has one position, (N, C, H, W) and (N, H, W, C) have H W, (N, tokens, C) has its tokens.
    """
    if values.dim() == 2:
        return values[:, None]
    return values.movedim(channel_axis(values), -1).flatten(1, -2)


def as_map(values: torch.Tensor) -> torch.Tensor:
    """Return a layer's output, that has positions, as a map (N, C, h, w).

    Tokens (N, t + h^2, C) are those of a square of patches, row by row, behind t of other kinds:
    class and registers.
    """
    if values.dim() == 3:
        side = isqrt(values.shape[1])
        patches = values[:, values.shape[1] - side**2 :]
        return patches.transpose(1, 2).unflatten(2, (side, side))
    return values.movedim(channel_axis(values), 1)


@contextmanager
def frozen(model: Classifier, freeze: Freeze) -> Iterator[None]:
    """Keep a part of a network as it is while the rest is trained, within the block.

    Parameters
    ----------
    model
        The network.
    freeze
        `none`; `trunk`: everything before the head; `convolutions`: all convolutions and batch
        norms, which of a vision transformer is no more than what cuts images into patches. A frozen
        batch norm keeps its statistics too: see `learning.training.training_mode`.
    """
    chosen = freeze_part(model, freeze)
    try:
        yield
    finally:
        for parameter in chosen:
            parameter.requires_grad_(True)


def freeze_part(model: Classifier, freeze: Freeze) -> list[nn.Parameter]:
    """Let a part of a network not be trained from now on, and return its weights.

    Parameters
    ----------
    model
        The network.
    freeze
        As for `frozen`.

    Returns
    -------
    list
        Without those that were frozen before.
    """
    kinds = (nn.Conv2d, *NORMS)
    if freeze == "trunk":
        chosen = list(model.trunk.parameters())
    elif freeze == "convolutions":
        chosen = [p for m in model.modules() if isinstance(m, kinds) for p in m.parameters()]
    else:
        chosen = []
    chosen = [parameter for parameter in chosen if parameter.requires_grad]
    for parameter in chosen:
        parameter.requires_grad_(False)
    return chosen
