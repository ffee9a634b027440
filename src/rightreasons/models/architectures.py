"""Architectures by name: torchvision's classifiers, EfficientNet-Lite0, the suite's small ones."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import seed_torch
from rightreasons.models import efficientnet_lite, outside
from rightreasons.models.classifier import Classifier
from rightreasons.models.facts import (
    GRID,
    HF,
    IMAGENET,
    TIMM,
    TRANSFORMED,
    built_for,
    check_image_size,
    check_name,
)
from rightreasons.models.fitting import Wanted
from rightreasons.models.opened import open_weights
from rightreasons.models.outside import folder_of, input_for, input_of, own_input
from rightreasons.models.positions import resampled
from rightreasons.models.small_networks import SMALL, GridShare, SmallCNN
from rightreasons.models.timm_networks import timm_network

N_CLASSES = 2
#: Modules that torchvision's networks have beside the way to their outputs.
AUXILIARY = ("aux1", "aux2", "AuxLogits")
#: What a stored network says of the images that it is built for, where its name does not.
SIDE = "image_size"
#: A SqueezeNet whose name ends in GRID has a head that reads a grid of cells, this many each way.
CELLS = 7


def build_classifier(
    architecture: str,
    weights: str = "none",
    *,
    seed: int = 0,
    state: str | None = None,
    input: dict[str, Any] | None = None,
    config: str | None = None,
    image_size: int | None = None,
) -> Classifier:
    """Return a fresh two-class classifier.

    Parameters
    ----------
    architecture
        `small_cnn`, `small_vit`, `small_convnext`, `efficientnet_lite0`, a torchvision
        classification model by name, `timm:NAME` or `hf:FOLDER`. Its last linear layer becomes
        the head; SqueezeNet's convolutional classifier becomes global average pooling and a linear
        head. `squeezenet1_0_grid` and `squeezenet1_1_grid` have a head that reads the shares of
        7 x 7 cells in the average: it can ask what is where.
    weights
        `none`, `imagenet` (torchvision's best weights; downloads, checked, on first use; those of
        `efficientnet_lite0` are in a package: `models.efficientnet_lite`),
        `imagenet_v1` or `imagenet_v2` (torchvision's IMAGENET1K_V1 and IMAGENET1K_V2: the best of a
        ResNet-50 are V2, which older papers did not have), or the path of a file with weights of
        the architecture, of whatever wrapping, read without unpickling code
        (`models.weight_files`). The last layer and auxiliary heads of such weights do not matter.
    seed
        What trunk and head are initialised from without weights. The head of a network with
        weights starts at zero, so both classes start at probability 1/2.
    state
        Which of several sets of weights in the file.
    input
        Size and scale of the network's images (`models.config.InputConfig`); None for what timm or
        a Hugging Face folder says, of others the pool's size on ImageNet's scale.
    config
        What config.json holds, in place of the folder of `hf:FOLDER`.
    image_size
        Side of the images that a network with position embeddings is built for; those of weights
        are interpolated. None for the architecture's own.

    Returns
    -------
    Classifier
        On the CPU, in training mode, with the identity as intervention.

    Raises
    ------
    UserError
        For an unknown architecture, one that does not end in a linear layer, a size that it is not
        built for, and weights that are missing, of another architecture, or not finite.
    """
    check_image_size(architecture, image_size)
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        if architecture == "small_cnn":
            classifier = _small_cnn(weights, state)
        else:
            classifier = _with_weights(architecture, weights, state, config, image_size)
    told = input_for(input, own_input(architecture, classifier.trunk, weights, image_size))
    if told is not None:
        classifier.input = input_of(told)
    return classifier


def _with_weights(
    architecture: str,
    weights: str,
    state: str | None,
    config: str | None,
    image_size: int | None,
) -> Classifier:
    """Return a network that is no small_cnn, its head at zero where its trunk has weights."""
    side = built_for(architecture, weights, image_size)
    network = network_of(architecture, config=config, image_size=side)
    if weights == "none":
        return _split(architecture, network, side)
    if architecture.startswith(HF) and Path(weights).parent == folder_of(architecture):
        network = outside.hf_trained(architecture.removeprefix(HF))
    else:
        found = _load_weights(architecture, weights, network, state, image_size)
        network.load_state_dict(found)
    classifier = _split(architecture, network, side)
    # Trained features can be large (SqueezeNet's have no batch norm). A random head on them
    # starts at a loss of 10, and its first gradients wreck the features; from zero it starts
    # at ln 2.
    nn.init.zeros_(classifier.head.weight)
    nn.init.zeros_(classifier.head.bias)
    return classifier


def _small_cnn(weights: str, state: str | None) -> Classifier:
    if weights in IMAGENET:
        raise UserError(
            f"model.weights: there are no weights {weights!r} for small_cnn. Use `none`."
        )
    trunk = SmallCNN()
    classifier = Classifier(trunk, nn.Linear(trunk.n_features, N_CLASSES))
    if weights != "none":
        trunk.load_state_dict(from_file(weights, trunk, (), "small_cnn", state))
        nn.init.zeros_(classifier.head.weight)
        nn.init.zeros_(classifier.head.bias)
    return classifier


def network_of(
    architecture: str,
    classes: int | None = None,
    config: str | None = None,
    image_size: int | None = None,
) -> nn.Module:
    """Return a fresh network by name with a last layer of its own.

    Parameters
    ----------
    architecture
        As for `build_classifier`, but `small_cnn`.
    classes
        Outputs of the last layer; None for the library's default.
    config
        What config.json of `hf:FOLDER` holds, where the folder need not be there.
    image_size
        As for `build_classifier`.

    Raises
    ------
    UserError
        For an unknown architecture, and one of a library that is not installed.
    """
    check_name(architecture)
    told = None if config is None else json.loads(config)
    if architecture.startswith(TIMM):
        outside.need("timm", architecture)
        return timm_network(architecture.removeprefix(TIMM), classes, image_size)
    if architecture.startswith(HF):
        return outside.hf_network(architecture.removeprefix(HF), classes, told)
    if architecture == efficientnet_lite.NAME:
        network: nn.Module = efficientnet_lite.efficientnet_lite0()
        if classes is not None:
            network.classifier = nn.Linear(efficientnet_lite.LAST, classes)
        return network
    sized = {} if image_size is None else {"image_size": image_size}
    if architecture in SMALL:
        return SMALL[architecture](N_CLASSES if classes is None else classes, **sized)
    from torchvision import models

    extra: dict[str, Any] = {"init_weights": True} if architecture in TRANSFORMED else sized
    if classes is not None:
        extra["num_classes"] = classes
    return models.get_model(architecture.removesuffix(GRID), weights=None, **extra)


def _load_weights(
    architecture: str,
    weights: str,
    network: nn.Module,
    state: str | None,
    image_size: int | None,
) -> dict[str, torch.Tensor]:
    """Return all of a network's tensors, those of a trunk from the weights."""
    architecture = architecture.removesuffix(GRID)
    lite = architecture == efficientnet_lite.NAME
    if weights in IMAGENET and not lite:
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        found = resampled(imagenet_state(architecture, weights), shapes)
        return check_finite(found, network, f"{weights} ({architecture})")
    path = efficientnet_lite.packaged_weights() if weights == "imagenet" else weights
    apart = apart_of(architecture, network)
    return from_file(path, network, apart, architecture, state, image_size)


def from_file(
    path: Path | str,
    network: nn.Module,
    apart: tuple[str, ...],
    architecture: str,
    state: str | None = None,
    image_size: int | None = None,
) -> dict[str, torch.Tensor]:
    """Return all of a network's tensors, with those of a file but for what is apart.

    Raises
    ------
    UserError
        Where the file is missing, is something else, does not fit or has values that are not
        finite.
    """
    core, before = outside.core_of(network)
    shapes = {name: tuple(value.shape) for name, value in core.state_dict().items()}
    wanted = Wanted(shapes, tuple(name.removeprefix(before) for name in apart))
    opened = open_weights(path, core, wanted, architecture, state, image_size)
    names = {k: v for k, v in opened.fit.names.items() if k in shapes and not wanted.aside(k)}
    found = {before + k: v for k, v in opened.read(names).items()}
    return check_finite(found, network, f"{path} ({architecture})")


def imagenet_state(architecture: str, weights: str) -> dict[str, torch.Tensor]:
    """Return torchvision's ImageNet weights, UserError where there are none or no network."""
    if architecture.startswith((TIMM, HF)) or architecture in SMALL:
        raise UserError(
            f"model.weights: {weights} are torchvision's, and there are none of {architecture}. "
            "Use `none`, or give the path of a file."
        )
    from torchvision import models

    known = models.get_model_weights(architecture)
    if IMAGENET[weights] not in known.__members__:
        there = [name for name, member in IMAGENET.items() if member in known.__members__]
        raise UserError(
            f"model.weights: torchvision has no weights {weights} of {architecture}. Allowed: "
            f"none, {', '.join(there)}, or the path of a state dict."
        )
    try:
        return known[IMAGENET[weights]].get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"model.weights: the ImageNet weights of {architecture} could not be fetched "
            f"({error}). Download them where there is a network and give the file's path."
        ) from error


def check_finite(
    found: dict[str, torch.Tensor], network: nn.Module, what: str
) -> dict[str, torch.Tensor]:
    """Return a network's tensors with those that were found, UserError if one is not finite."""
    own = network.state_dict()
    broken = [k for k, v in found.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UserError(
            f"model.weights: {what} hold NaN or infinite values in {', '.join(broken[:3])}."
        )
    return {**own, **found}


def apart_of(architecture: str, network: nn.Module) -> tuple[str, ...]:
    """Return the names of what does not matter of weights to start from: heads."""
    aux = tuple(name for name in AUXILIARY if getattr(network, name, None) is not None)
    if architecture.startswith("squeezenet"):
        return ("classifier", *aux)
    return (outside.last_layer(architecture, network)[0], *aux)


def _split(architecture: str, network: nn.Module, image_size: int | None) -> Classifier:
    if architecture.startswith("squeezenet"):
        return _split_squeezenet(network, CELLS if architecture.endswith(GRID) else 1)
    name, last = outside.last_layer(architecture, network)
    drop_auxiliary(network)
    parent_name, _, child = name.rpartition(".")
    parent = network.get_submodule(parent_name)
    setattr(parent, child, nn.Identity())
    made = outside.made_of(architecture, network)
    if image_size is not None:
        made[SIDE] = str(image_size)
    return Classifier(network, nn.Linear(last.in_features, N_CLASSES), made)


def drop_auxiliary(network: nn.Module) -> None:
    """Take the auxiliary heads away from a network, in place."""
    if getattr(network, "aux_logits", False):
        network.aux_logits = False  # type: ignore[assignment]
        for aux in AUXILIARY:
            if hasattr(network, aux):
                setattr(network, aux, None)


def _split_squeezenet(network: nn.Module, cells: int) -> Classifier:
    classifier = network.get_submodule("classifier")
    n_features = next(m for m in classifier.children() if isinstance(m, nn.Conv2d)).in_channels
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        features=network.get_submodule("features"),
        gap=nn.AdaptiveAvgPool2d(1) if cells == 1 else GridShare(cells),
        flatten=nn.Flatten(),
    )
    return Classifier(nn.Sequential(layers), nn.Linear(n_features * cells**2, N_CLASSES))
