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
from rightreasons.models.facts import GRID, HF, IMAGENET, TIMM, check_name
from rightreasons.models.fitting import Wanted, chosen_fit
from rightreasons.models.outside import folder_of, input_of
from rightreasons.models.small_networks import SMALL, GridShare, SmallCNN
from rightreasons.models.tensors import read_tensors
from rightreasons.models.weight_files import Tensor, WeightsFile, look_into

N_CLASSES = 2
#: Modules that torchvision's networks have beside the way to their outputs.
AUXILIARY = ("aux1", "aux2", "AuxLogits")
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
        Size and scale of the network's images (`models.config.InputConfig`); None for the pool's
        size on ImageNet's scale.
    config
        What config.json holds, in place of the folder of `hf:FOLDER`.

    Returns
    -------
    Classifier
        On the CPU, in training mode, with the identity as intervention.

    Raises
    ------
    UserError
        For an unknown architecture, one that does not end in a linear layer, and weights that are
        missing, of another architecture, or not finite.
    """
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        if architecture == "small_cnn":
            classifier = _small_cnn(weights, state)
        else:
            classifier = _with_weights(architecture, weights, state, config)
    if input is not None:
        classifier.input = input_of(input)
    return classifier


def _with_weights(
    architecture: str, weights: str, state: str | None, config: str | None
) -> Classifier:
    """Return a network that is no small_cnn, its head at zero where its trunk has weights."""
    network = network_of(architecture, config=config)
    if weights == "none":
        return _split(architecture, network)
    if architecture.startswith(HF) and Path(weights).parent == folder_of(architecture):
        network = outside.hf_trained(architecture.removeprefix(HF))
    else:
        network.load_state_dict(_load_weights(architecture, weights, network, state))
    classifier = _split(architecture, network)
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
    architecture: str, classes: int | None = None, config: str | None = None
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

    Raises
    ------
    UserError
        For an unknown architecture, and one of a library that is not installed.
    """
    check_name(architecture)
    told = None if config is None else json.loads(config)
    if architecture.startswith(TIMM):
        return outside.timm_network(architecture.removeprefix(TIMM), classes)
    if architecture.startswith(HF):
        return outside.hf_network(architecture.removeprefix(HF), classes, told)
    if architecture == efficientnet_lite.NAME:
        network: nn.Module = efficientnet_lite.efficientnet_lite0()
        if classes is not None:
            network.classifier = nn.Linear(efficientnet_lite.LAST, classes)
        return network
    if architecture in SMALL:
        return SMALL[architecture](N_CLASSES if classes is None else classes)
    from torchvision import models

    extra: dict[str, Any] = (
        {"init_weights": True} if architecture in ("googlenet", "inception_v3") else {}
    )
    if classes is not None:
        extra["num_classes"] = classes
    return models.get_model(architecture.removesuffix(GRID), weights=None, **extra)


def _load_weights(
    architecture: str, weights: str, network: nn.Module, state: str | None
) -> dict[str, torch.Tensor]:
    """Return all of a network's tensors, those of a trunk from the weights."""
    architecture = architecture.removesuffix(GRID)
    lite = architecture == efficientnet_lite.NAME
    if weights in IMAGENET and not lite:
        found = imagenet_state(architecture, weights)
        return check_finite(found, network, f"{weights} ({architecture})")
    path = efficientnet_lite.packaged_weights() if weights == "imagenet" else weights
    return from_file(path, network, apart_of(architecture, network), architecture, state)


def from_file(
    path: Path | str,
    network: nn.Module,
    apart: tuple[str, ...],
    architecture: str,
    state: str | None = None,
) -> dict[str, torch.Tensor]:
    """Return all of a network's tensors, with those of a file but for what is apart.

    Raises
    ------
    UserError
        Where the file is missing, is something else, does not fit or has values that are not
        finite.
    """
    file = look_into(located(path, architecture))
    renamed = efficientnet_lite.renamed_file(file) if architecture == "efficientnet_lite0" else None
    core, before = outside.core_of(network)
    own = core.state_dict()
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    wanted = Wanted(shapes, tuple(name.removeprefix(before) for name in apart))
    if renamed is not None:
        content = {name: Tensor(tuple(value.shape), "") for name, value in renamed.items()}
        chosen_fit(WeightsFile(file.path, "renamed", content), wanted, architecture)
        kept = {k: v for k, v in renamed.items() if k in own and not wanted.aside(k)}
        return check_finite(kept, network, str(path))
    fit = chosen_fit(file, wanted, architecture, state)
    names = {k: v for k, v in fit.names.items() if k in own and not wanted.aside(k)}
    found = {before + k: v for k, v in read_tensors(file, fit.where, names).items()}
    return check_finite(found, network, f"{path} ({architecture})")


def located(path: Path | str, architecture: str) -> Path:
    """Return the path of a file of weights; a UserError where there is none."""
    here = Path(path)
    if not here.exists():
        raise UserError(
            f"model.weights: no file {str(path)!r}. Allowed: none, {', '.join(IMAGENET)}, or the "
            f"path of a file with weights of {architecture} (a state dict, of whatever wrapping)."
        )
    return here


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


def _split(architecture: str, network: nn.Module) -> Classifier:
    if architecture.startswith("squeezenet"):
        return _split_squeezenet(network, CELLS if architecture.endswith(GRID) else 1)
    name, last = outside.last_layer(architecture, network)
    drop_auxiliary(network)
    parent_name, _, child = name.rpartition(".")
    parent = network.get_submodule(parent_name)
    setattr(parent, child, nn.Identity())
    made = outside.made_of(architecture, network)
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
