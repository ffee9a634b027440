"""Architectures by name: torchvision's classifiers, EfficientNet-Lite0, the small CNN."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.core.seeds import seed_torch
from rightreasons.models import efficientnet_lite
from rightreasons.models.classifier import Classifier

N_CLASSES = 2
#: What torchvision calls the weights that a config can name.
IMAGENET = {
    "imagenet": "DEFAULT",
    "imagenet_v1": "IMAGENET1K_V1",
    "imagenet_v2": "IMAGENET1K_V2",
}


class GridAverage(nn.AdaptiveAvgPool2d):
    """Adaptive average pooling that is plain average pooling where the grid divides the input.

    The same numbers; but on a GPU only the gradient of the plain one is the same in every run.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the averages (N, C, cells, cells) of (N, C, H, W)."""
        height, width = input.shape[-2:]
        cells = int(self.output_size)  # type: ignore[arg-type]
        if height % cells or width % cells:
            return super().forward(input)
        return F.avg_pool2d(input, (height // cells, width // cells))


class GridShare(GridAverage):
    """The share of each cell of a grid in the average over all: together they are the average.

    A linear head with the same weights for all cells is one that reads the average. The division
    matters: as large as the average each, so many features make Adam's first steps too large by
    far, and a trained trunk is wrecked.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the shares (N, C, cells, cells) of (N, C, H, W)."""
        return super().forward(input) / int(self.output_size) ** 2  # type: ignore[arg-type]


#: Ends the name of a SqueezeNet whose head reads a grid of cells, this many each way.
GRID, CELLS = "_grid", 7


class SmallCNN(nn.Sequential):
    """Three convolutional layers with batch norm and dropout.

    (N, 3, H, W) -> (N, 1024) for any image of at least 8 x 8 pixels: 64 channels, averaged over a
    grid of 4 x 4. The paper gives no widths. The grid keeps where things are, without which
    three layers do not learn a smile (docs/decisions.md).

    Parameters
    ----------
    dropout
        Probability that a feature is dropped in training.

    References
    ----------
    Mitigating Bias Using Model-Agnostic Data Attribution, section 4.
    """

    widths = (16, 32, 64)
    cells = 4
    n_features = widths[-1] * cells**2

    def __init__(self, dropout: float = 0.2) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (n_in, n_out) in enumerate(itertools.pairwise((3, *self.widths)), start=1):
            layers[f"conv{i}"] = nn.Conv2d(n_in, n_out, 3, padding=1)
            layers[f"bn{i}"] = nn.BatchNorm2d(n_out)
            layers[f"relu{i}"] = nn.ReLU()
            layers[f"pool{i}"] = nn.MaxPool2d(2)
        layers["grid"] = GridAverage(self.cells)
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(dropout)
        super().__init__(layers)


def build_classifier(architecture: str, weights: str = "none", *, seed: int = 0) -> Classifier:
    """Return a fresh two-class classifier.

    Parameters
    ----------
    architecture
        `small_cnn`, `efficientnet_lite0`, or a torchvision classification model by name. Its last
        linear layer becomes the head; SqueezeNet's convolutional classifier becomes global average
        pooling and a linear head. `squeezenet1_0_grid` and `squeezenet1_1_grid` have a head that
        reads the shares of 7 x 7 cells in the average: it can ask what is where.
    weights
        `none`, `imagenet` (torchvision's best weights; downloads, checked, on first use; those of
        `efficientnet_lite0` are in a package: `models.efficientnet_lite`),
        `imagenet_v1` or `imagenet_v2` (torchvision's IMAGENET1K_V1 and IMAGENET1K_V2: the best of a
        ResNet-50 are V2, which older papers did not have), or the path of a state dict for the
        architecture, read without unpickling code.
    seed
        What trunk and head are initialised from without weights. The head of a network with
        weights starts at zero, so both classes start at probability 1/2.

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
            return _small_cnn(weights)
        network = _network(architecture)
        if weights == "none":
            return _split(architecture, network)
        network.load_state_dict(_load_weights(architecture, weights, network))
        classifier = _split(architecture, network)
        # Trained features can be large (SqueezeNet's have no batch norm). A random head on them
        # starts at a loss of 10, and its first gradients wreck the features; from zero it starts
        # at ln 2.
        nn.init.zeros_(classifier.head.weight)
        nn.init.zeros_(classifier.head.bias)
        return classifier


def _small_cnn(weights: str) -> Classifier:
    if weights != "none":
        raise UserError(
            f"model.weights: there are no weights {weights!r} for small_cnn. Use `none`."
        )
    trunk = SmallCNN()
    return Classifier(trunk, nn.Linear(trunk.n_features, N_CLASSES))


def _network(architecture: str) -> nn.Module:
    if architecture == efficientnet_lite.NAME:
        return efficientnet_lite.efficientnet_lite0()
    from torchvision import models

    known = models.list_models(module=models)
    grids = {name + GRID: name for name in known if name.startswith("squeezenet")}
    architecture = grids.get(architecture, architecture)
    if architecture not in known:
        names = [*known, *grids, efficientnet_lite.NAME]
        raise UserError(
            f"model.architecture: unknown architecture {architecture!r}"
            f"{suggestion(architecture, names)} Allowed: small_cnn, efficientnet_lite0 and "
            "torchvision's classification models (resnet18, resnet50, squeezenet1_0, ...)."
        )
    extra: dict[str, Any] = (
        {"init_weights": True} if architecture in ("googlenet", "inception_v3") else {}
    )
    return models.get_model(architecture, weights=None, **extra)


def _load_weights(architecture: str, weights: str, network: nn.Module) -> dict[str, torch.Tensor]:
    architecture = architecture.removesuffix(GRID)
    lite = architecture == efficientnet_lite.NAME
    if weights in IMAGENET and not lite:
        return _imagenet(architecture, weights)
    path = efficientnet_lite.packaged_weights() if weights == "imagenet" else Path(weights)
    if not path.is_file():
        raise UserError(
            f"model.weights: no file {weights!r}. Allowed: none, {', '.join(IMAGENET)}, or the "
            f"path of a state dict of {architecture} (.safetensors, or .pth of tensors only)."
        )
    state = _read_state(path)
    state = efficientnet_lite.renamed(state) if lite else state
    return _check_state(state, network, f"{weights} ({architecture})")


def _imagenet(architecture: str, weights: str) -> dict[str, torch.Tensor]:
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


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise UserError(f"model.weights: {path} is no safetensors file: {error}") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises a dozen types
        what = next(iter(str(error).splitlines()), "it ends too early")
        raise UserError(
            f"model.weights: {path} is not a state dict of tensors only, and nothing else is "
            f"read, for safety: {what}"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and torch.is_tensor(v) for k, v in state.items()
    ):
        raise UserError(f"model.weights: {path} holds no flat dict of tensors (a state dict).")
    return state


def _check_state(
    state: dict[str, torch.Tensor], network: nn.Module, what: str
) -> dict[str, torch.Tensor]:
    own = network.state_dict()
    wrong = sorted(
        {k for k in own if k not in state and not k.endswith("num_batches_tracked")}
        | {k for k in state if k not in own}
        | {k for k in state if k in own and state[k].shape != own[k].shape}
    )
    if wrong:
        raise UserError(
            f"model.weights: {what} do not fit: {len(wrong)} tensors are missing, surplus or of "
            f"another shape, first {', '.join(wrong[:3])}. Use weights of the same architecture."
        )
    broken = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise UserError(
            f"model.weights: {what} hold NaN or infinite values in {', '.join(broken[:3])}."
        )
    return {**own, **state}


def _split(architecture: str, network: nn.Module) -> Classifier:
    if architecture.startswith("squeezenet"):
        return _split_squeezenet(network, CELLS if architecture.endswith(GRID) else 1)
    name, last = [(n, m) for n, m in network.named_modules() if not list(m.children())][-1]
    if not isinstance(last, nn.Linear):
        raise UserError(
            f"model.architecture: {architecture} ends in {type(last).__name__}, not in a linear "
            "layer; there is no penultimate layer to intervene on. Choose another architecture."
        )
    if getattr(network, "aux_logits", False):
        network.aux_logits = False  # type: ignore[assignment]
        for aux in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, aux):
                setattr(network, aux, None)
    parent_name, _, child = name.rpartition(".")
    parent = network.get_submodule(parent_name)
    setattr(parent, child, nn.Identity())
    return Classifier(network, nn.Linear(last.in_features, N_CLASSES))


def _split_squeezenet(network: nn.Module, cells: int) -> Classifier:
    classifier = network.get_submodule("classifier")
    n_features = next(m for m in classifier.children() if isinstance(m, nn.Conv2d)).in_channels
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        features=network.get_submodule("features"),
        gap=nn.AdaptiveAvgPool2d(1) if cells == 1 else GridShare(cells),
        flatten=nn.Flatten(),
    )
    return Classifier(nn.Sequential(layers), nn.Linear(n_features * cells**2, N_CLASSES))
