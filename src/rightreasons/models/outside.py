"""Networks of other libraries, and what a network from elsewhere needs around it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rightreasons.core.errors import UserError, reason
from rightreasons.models.classifier import Grouped, Rescaled, Resized, input_steps
from rightreasons.models.facts import HF, IMAGENET, TIMM, TRANSFORMED
from rightreasons.models.hf_folder import hf_config, hf_input
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.models.tensors import tensors_only
from rightreasons.models.timm_networks import timm_input, timm_last


class HFClassifier(nn.Module):
    """A Hugging Face image classifier as a function of images, (N, 3, H, W) -> (N, K).

    Parameters
    ----------
    model
        The library's.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs."""
        return self.model(pixel_values=inputs).logits


def need(library: str, architecture: str) -> None:
    """Raise UserError where an optional library is not installed."""
    if find_spec(library) is None:
        raise UserError(
            f"model.architecture: {architecture} needs the package {library}, which is not "
            f"installed: pip install {library} (or 'rightreasons[{library}]')."
        )


def hf_network(folder: str, classes: int | None, config: dict[str, Any] | None = None) -> nn.Module:
    """Return a fresh Hugging Face image classifier, with its plain (eager) attention.

    Parameters
    ----------
    folder
        A local folder with a config.json. Nothing is fetched, and no code of the folder is run.
    classes
        Outputs; None for as many as the folder's own model has.
    config
        What config.json holds, if the folder need not be there any more.

    Raises
    ------
    UserError
        Where transformers is not installed or has no image classifier of this kind.
    """
    need("transformers", HF + folder)
    import transformers

    told = dict(config if config is not None else hf_config(folder))
    if classes is not None and classes != len(told.get("id2label") or {}):
        told["id2label"] = {str(i): f"LABEL_{i}" for i in range(classes)}
        told["label2id"] = {f"LABEL_{i}": i for i in range(classes)}
    try:
        kind = transformers.CONFIG_MAPPING[told["model_type"]]
        made = kind.from_dict(told)
        model = transformers.AutoModelForImageClassification.from_config(
            made, attn_implementation="eager"
        )
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"model.architecture: {HF}{folder}: transformers makes no image classifier of its "
            f"config.json (model_type {told.get('model_type')!r}): {reason(error)}"
        ) from error
    network = HFClassifier(model.float())
    network.config = json.dumps(told)  # type: ignore[assignment]
    return network


def hf_trained(folder: str) -> nn.Module:
    """Return the image classifier of a folder with its own weights, read by transformers.

    That library knows under which names older versions of it have stored them. Nothing is fetched,
    no code of the folder is run, and of a pickle tensors alone are read.

    Raises
    ------
    UserError
        Where transformers is not installed, the folder's weights cannot be read, or its last layer
        or another one lacks weights.
    """
    need("transformers", HF + folder)
    import transformers

    told, place = hf_config(folder), str(Path(folder))
    try:
        with tensors_only():
            model, report = transformers.AutoModelForImageClassification.from_pretrained(
                place,
                local_files_only=True,
                trust_remote_code=False,
                attn_implementation="eager",
                output_loading_info=True,
            )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        said = "not tensors alone" if "weights_only" in str(error) else reason(error)
        raise UserError(
            f"model.weights: the weights in {place} cannot be read by transformers "
            f"{transformers.__version__}: {said}"
        ) from error
    if lacking := sorted([*report["missing_keys"], *report["mismatched_keys"]], key=str):
        raise UserError(
            f"model.weights: {place} has no weights of {lacking[0]}: it was not trained as an "
            "image classifier. Take the folder of the model that was."
        )
    network = HFClassifier(model.float())
    network.config = json.dumps(told)  # type: ignore[assignment]
    return network


def core_of(network: nn.Module) -> tuple[nn.Module, str]:
    """Return the module whose tensors files name, and what its names begin with in `network`."""
    if isinstance(network, HFClassifier):
        return network.model, "model."
    return network, ""


def made_of(architecture: str, network: nn.Module) -> dict[str, str]:
    """Return what is to be known beside the name to build a network again."""
    return {"config": str(network.config)} if architecture.startswith(HF) else {}


def last_layer(architecture: str, network: nn.Module) -> tuple[str, nn.Linear]:
    """Return the linear layer that gives a network's outputs, with its name.

    Raises
    ------
    UserError
        Where there is none.
    """
    if architecture.startswith(TIMM) and (told := timm_last(architecture, network)):
        return told
    modules = [(n, m) for n, m in network.named_modules() if not list(m.children())]
    if architecture.startswith((TIMM, HF)):  # an identity may stand behind it
        linear = [(n, m) for n, m in modules if isinstance(m, nn.Linear)]
        own = [(n, m) for n, m in linear if any(part in n for part in HEADS)]
        modules = own or linear or modules
    name, last = modules[-1]
    if not isinstance(last, nn.Linear):
        raise UserError(
            f"model.architecture: {architecture} ends in {type(last).__name__}, not in a linear "
            "layer; there is no penultimate layer to intervene on. Choose another architecture."
        )
    return name, last


#: What other libraries call the modules that give outputs.
HEADS = ("classifier", "head", "fc")


def own_input(
    architecture: str, network: nn.Module, weights: str, image_size: int | None
) -> dict[str, Any] | None:
    """Return size and scale of images where a network's library says them, None where it does not.

    timm says them of its networks, a Hugging Face folder may. Of torchvision's, GoogLeNet and
    Inception take images with mean and standard deviation 0.5 if they have its ImageNet weights:
    torchvision's own builder rescales them inside the network (`transform_input`).

    Parameters
    ----------
    architecture
        The network's name.
    network
        The network.
    weights
        What the config calls its weights.
    image_size
        The side that the network is built for, where the config says one.

    Returns
    -------
    dict or None
        As `models.config.InputConfig` has it.
    """
    if architecture.startswith(TIMM):
        return timm_input(network, image_size)
    if architecture.startswith(HF):
        return hf_input(architecture.removeprefix(HF))
    if architecture in TRANSFORMED and weights in IMAGENET:
        return {"size": None, "mean": [0.5] * 3, "std": [0.5] * 3, "range": [0.0, 1.0]}
    return None


def input_for(given: dict[str, Any] | None, own: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the config gives, else what the library says.

    A config that gives a size alone leaves the scale as the library says it.
    """
    if given is None or own is None:
        return own if given is None else given
    scaled = given["mean"] or given["std"] or list(given["range"]) != [0.0, 1.0]
    return given if scaled else {**own, "size": given["size"]}


def input_of(told: dict[str, Any]) -> nn.Module:
    """Return what images go through on their way into a trunk.

    Parameters
    ----------
    told
        size, mean, std, range, as `models.config.InputConfig` has them.

    Returns
    -------
    Module
        The identity where nothing is to be done. From ImageNet's scale, x = (p - m) / s for pixels
        p from 0 to 1, to ((l + (h - l) p) - mean) / std with the range [l, h].
    """
    low, high = told["range"]
    usual = (low, high) == (0.0, 1.0)
    mean = torch.tensor(told["mean"] or (IMAGENET_MEAN if usual else (0.0,) * 3)).double()
    std = torch.tensor(told["std"] or (IMAGENET_STD if usual else (1.0,) * 3)).double()
    m, s = (torch.tensor(one).double() for one in (IMAGENET_MEAN, IMAGENET_STD))
    factor = (high - low) * s / std
    offset = (low + (high - low) * m - mean) / std
    same = torch.allclose(factor, torch.ones(3).double(), atol=1e-6) and bool(
        (offset.abs() < 1e-6).all()
    )
    return input_steps(
        None if same else Rescaled(factor.float(), offset.float()),
        None if told["size"] is None else Resized(torch.tensor(told["size"])),
    )


def two_logits(
    outputs: int, positive: list[int], negative: list[int] | None, activation: str
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return how two logits are made of K outputs: by a matrix (2, K) or by groups (2, K).

    The softmax of the two logits is the probability of the target. A single logit z that a sigmoid
    follows becomes (-z / 2, z / 2), so that each class has a map. Outputs a and b of a softmax
    over two become (b, a) without loss; groups of a softmax become their log-sum-exps.

    Parameters
    ----------
    outputs
        K.
    positive, negative
        Which outputs say target 1 and 0; None for all others.
    activation
        auto, softmax or sigmoid.

    Raises
    ------
    UserError
        For outputs that there are not, none of one kind, or several with a sigmoid each.
    """
    if activation == "auto":
        activation = "sigmoid" if outputs == 1 else "softmax"
    if outputs == 1 and positive in ([0], [1]):
        positive = [0]
    for key, chosen in (("positive", positive), ("negative", negative or [])):
        if any(not 0 <= one < outputs for one in chosen):
            raise UserError(
                f"model.{key} = {chosen}: the network has {outputs} outputs. Allowed: 0 to "
                f"{outputs - 1}."
            )
    if activation == "sigmoid":
        if len(positive) != 1 or negative is not None:
            raise UserError(
                "model.positive: with a sigmoid for each output one of them says the target, and "
                "none says the other class. Name one output as `positive`, and no `negative`."
            )
        row = torch.zeros(outputs).index_fill(0, torch.tensor(positive), 0.5)
        return torch.stack([-row, row]), None
    others = [one for one in range(outputs) if one not in positive]
    negative = others if negative is None else negative
    if not positive or not negative or set(positive) & set(negative):
        raise UserError(
            f"model.positive = {positive} and model.negative = {negative}: of a softmax over "
            f"{outputs} outputs, some say target 1 and others 0, and none says both."
        )
    groups = torch.zeros(2, outputs, dtype=torch.bool)
    groups[0, negative], groups[1, positive] = True, True
    if len(positive) == len(negative) == 1:
        return groups.float(), None
    return None, groups


def read_out(
    weight: torch.Tensor, bias: torch.Tensor | None, matrix: torch.Tensor | None
) -> nn.Linear:
    """Return the head that gives two logits, or all outputs where a readout makes two of them."""
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    if matrix is not None:
        weight, bias = matrix @ weight, matrix @ bias
    head = nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head


def readout_of(groups: torch.Tensor | None) -> nn.Module:
    """Return the step behind the head."""
    return nn.Identity() if groups is None else Grouped(groups)


def folder_of(architecture: str) -> Path:
    """Return the folder that `hf:FOLDER` names."""
    return Path(architecture.removeprefix(HF))
