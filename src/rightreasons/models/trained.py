"""A network that was trained elsewhere, head and all, as the suite's classifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import seed_torch
from rightreasons.models import outside
from rightreasons.models.architectures import (
    AUXILIARY,
    SIDE,
    build_classifier,
    check_finite,
    drop_auxiliary,
    imagenet_state,
    network_of,
)
from rightreasons.models.classifier import Classifier
from rightreasons.models.facts import HF, IMAGENET, built_for, is_program
from rightreasons.models.fitting import Wanted
from rightreasons.models.hf_folder import hf_outputs
from rightreasons.models.opened import Opened, located, open_weights
from rightreasons.models.outside import (
    input_for,
    input_of,
    own_input,
    read_out,
    readout_of,
    two_logits,
)
from rightreasons.models.positions import resampled
from rightreasons.models.programs import Program, read_program

if TYPE_CHECKING:
    from rightreasons.models.config import ModelConfig

WHOLE, OUTPUTS, FORM = "whole", "outputs", "form"


def open_trained(model: ModelConfig) -> Classifier:
    """Return a network that was trained elsewhere, in eval mode on the CPU.

    A network whose outputs come from a linear layer is split there: trunk and head, the head's rows
    those of the target. Of a program, and of a network that ends otherwise (SqueezeNet), the trunk
    is the whole network and the head picks its outputs.

    Parameters
    ----------
    model
        What the config says of it.

    Raises
    ------
    UserError
        Where its file is missing, something else or does not fit, or its outputs are not those that
        the config names.
    """
    positive, negative = outputs_of(model)
    if is_program(model.architecture):
        program = read_program(_file_of(model), model.architecture)
        classifier = _whole(program, _count(program, model), positive, negative, model)
    else:
        classifier = _opened(model, positive, negative)
    classifier.input = input_of(input_told(model, classifier.trunk))
    return classifier.eval()


def outputs_of(model: ModelConfig) -> tuple[list[int], list[int] | None]:
    """Return the outputs that say target 1 and 0, by number.

    Raises
    ------
    UserError
        For a label, where the model has none or not that one.
    """
    found: list[list[int] | None] = []
    for key, chosen in (("positive", model.positive), ("negative", model.negative)):
        if chosen is None:
            found.append(None)
            continue
        found.append(numbered(model, key, chosen if isinstance(chosen, list) else [chosen]))
    return found[0] or [], found[1]


def numbered(model: ModelConfig, key: str, chosen: list[int | str]) -> list[int]:
    """Return outputs by number; labels are those of a Hugging Face folder."""
    listed = chosen
    if model.architecture.startswith(HF):
        listed = list(hf_outputs(model.architecture.removeprefix(HF), chosen, key))
    if any(isinstance(one, str) for one in listed):
        raise UserError(
            f"model.{key} = {chosen!r}: labels have names only in a Hugging Face folder. Count "
            "the outputs from 0."
        )
    return [int(one) for one in listed]


def logits_of(
    outputs: int, positive: list[int], negative: list[int] | None, model: ModelConfig
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return how the target's logits are made of K outputs: by a matrix, or by groups (2, K).

    Of more than two classes each has the output that the config names; two are made as
    `outside.two_logits` does.

    Raises
    ------
    UserError
        For outputs that there are not, or that two classes share, and as `two_logits` does.
    """
    if model.classes is None:
        return two_logits(outputs, positive, negative, model.activation)
    chosen = numbered(model, "classes", model.classes)
    wrong = [one for one in chosen if not 0 <= one < outputs]
    if wrong or len(set(chosen)) < len(chosen):
        raise UserError(
            f"model.classes = {model.classes}: the network has {outputs} outputs, 0 to "
            f"{outputs - 1}. Each class has one of its own."
        )
    return torch.eye(outputs)[chosen], None


def input_told(model: ModelConfig, trunk: nn.Module) -> dict[str, Any]:
    """Return size and scale of a network's images: the config's, else what the model says."""
    given = None if model.input is None else model.input.model_dump()
    own = own_input(model.architecture, trunk, model.weights, model.image_size)
    told = input_for(given, own)
    if told is None:
        raise UserError(
            "model.input is missing: say what the network takes, such as `input: {size: 224}`, "
            "with mean and std where they are not ImageNet's."
        )
    return told


def rebuilt(
    architecture: str, state: dict[str, torch.Tensor], made: dict[str, str], seed: int = 0
) -> Classifier:
    """Return a classifier of the shape that a stored one has, its weights fresh.

    Parameters
    ----------
    architecture
        Its name.
    state
        Its tensors.
    made
        What was stored beside them.
    seed
        Of the fresh weights.
    """
    if is_program(architecture):
        trunk: nn.Module = Program(state["trunk.program"], architecture)
        classifier = Classifier(trunk, nn.Linear(*state["head.weight"].shape[::-1]), dict(made))
    elif made.get(FORM) == WHOLE:
        trunk = network_of(architecture, int(made[OUTPUTS]))
        drop_auxiliary(trunk)
        classifier = Classifier(trunk, nn.Linear(*state["head.weight"].shape[::-1]), dict(made))
    else:
        side = int(made[SIDE]) if SIDE in made else None
        classifier = build_classifier(
            architecture, seed=seed, config=made.get("config"), image_size=side
        )
        if len(state["head.weight"]) != classifier.head.out_features:
            classifier.head = nn.Linear(*state["head.weight"].shape[::-1])
    return classifier


def shows_features(model: Classifier) -> bool:
    """Return whether a network shows what its head reads, and not its outputs alone."""
    return model.made.get(FORM) != WHOLE


def fresh_like(model: Classifier, architecture: str, seed: int) -> Classifier:
    """Return a classifier of a model's shape that has not been trained, in training mode.

    Raises
    ------
    UserError
        For a program, whose weights are inside.
    """
    if isinstance(model.trunk, Program):
        raise UserError(f"{architecture}: a program has no layers that could be made random.")
    if not model.made and model.head.out_features == 2:
        fresh = build_classifier(architecture, seed=seed)
    else:
        with torch.random.fork_rng(devices=[]):
            seed_torch(seed)
            fresh = rebuilt(architecture, model.state_dict(), model.made, seed)
    fresh.input, fresh.readout = model.input, model.readout
    return fresh


def _file_of(model: ModelConfig) -> Path:
    path = model.path()
    if path is None:
        raise UserError(
            f"model.weights = {model.weights!r}: a network that is not trained (`train: false`) "
            "needs the file of its weights."
        )
    return located(path, model.architecture)


def _count(network: nn.Module, model: ModelConfig) -> int:
    """Return how many outputs a program has, by asking it."""
    told = input_told(model, network)
    side = told["size"] or getattr(network, "side", None) or 224
    with torch.no_grad():
        try:
            return int(network(torch.zeros(2, 3, side, side)).shape[1])
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise UserError(
                f"model.weights: the program does not take images (N, 3, {side}, {side}) with "
                f"model.input.size = {side}"
                + (f"; it was made for {network.side} pixels" if _side_of(network) else "")
                + "."
            ) from error


def _side_of(network: nn.Module) -> int | None:
    return getattr(network, "side", None)


def _whole(
    network: nn.Module,
    outputs: int,
    positive: list[int],
    negative: list[int] | None,
    model: ModelConfig,
) -> Classifier:
    matrix, groups = logits_of(outputs, positive, negative, model)
    head = read_out(torch.eye(outputs), None, matrix)
    made = {FORM: WHOLE, OUTPUTS: str(outputs)}
    classifier = Classifier(network, head, made)
    classifier.readout = readout_of(groups)
    return classifier


def _opened(model: ModelConfig, positive: list[int], negative: list[int] | None) -> Classifier:
    """Return a network with layers, its weights read."""
    name = model.architecture
    if name.startswith(HF) and _file_of(model).parent == outside.folder_of(name):
        return _of_folder(model, positive, negative)
    side = built_for(name, model.weights, model.image_size)
    classifier = build_classifier(name, image_size=side)
    trunk, _ = outside.core_of(classifier.trunk)
    found = _imagenet(model, trunk) if model.weights in IMAGENET else _in_file(model, classifier)
    if found.whole is not None:
        network = network_of(name, found.outputs)
        drop_auxiliary(network)
        network.load_state_dict(check_finite(found.whole, network, found.what))
        return _whole(network, found.outputs, positive, negative, model)
    trunk.load_state_dict(check_finite(found.trunk, trunk, found.what))
    check_finite(found.head, nn.Module(), found.what)
    matrix, groups = logits_of(found.outputs, positive, negative, model)
    classifier.head = read_out(found.head["weight"].float(), found.head.get("bias"), matrix)
    classifier.readout = readout_of(groups)
    return classifier


def _of_folder(model: ModelConfig, positive: list[int], negative: list[int] | None) -> Classifier:
    """Return the network of a Hugging Face folder with the weights beside its config.json."""
    network = outside.hf_trained(model.architecture.removeprefix(HF))
    check_finite(network.state_dict(), nn.Module(), str(model.path()))
    name, last = outside.last_layer(model.architecture, network)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    matrix, groups = logits_of(last.out_features, positive, negative, model)
    head = read_out(last.weight.detach(), None if last.bias is None else last.bias.detach(), matrix)
    classifier = Classifier(network, head, outside.made_of(model.architecture, network))
    classifier.readout = readout_of(groups)
    return classifier


@dataclass(frozen=True)
class _Found:
    """The tensors of a trained network: of trunk and head, or of the whole."""

    what: str
    trunk: dict[str, torch.Tensor] = field(default_factory=dict)
    head: dict[str, torch.Tensor] = field(default_factory=dict)
    whole: dict[str, torch.Tensor] | None = None

    @property
    def outputs(self) -> int:
        """How many outputs there are."""
        if self.whole is not None:
            return len(self.whole[f"{SQUEEZED}.weight"])
        return len(self.head["weight"])


#: The convolution that gives a SqueezeNet's outputs.
SQUEEZED = "classifier.1"


def _imagenet(model: ModelConfig, trunk: nn.Module) -> _Found:
    name, what = model.architecture, f"{model.weights} ({model.architecture})"
    state = imagenet_state(name, model.weights)
    if f"{SQUEEZED}.weight" in state and name.startswith("squeezenet"):
        return _Found(what, whole=state)
    last, _ = outside.last_layer(name, network_of(name))
    aside = Wanted({}, (last, *AUXILIARY)).aside
    head = {part: state[f"{last}.{part}"] for part in ("weight", "bias")}
    kept = {k: v for k, v in state.items() if not aside(k)}
    return _Found(what, resampled(kept, _shapes(trunk)), head)


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _in_file(model: ModelConfig, classifier: Classifier) -> _Found:
    """Return what a file holds of a network, refused where it does not fit."""
    name, path, (trunk, before) = (
        model.architecture,
        _file_of(model),
        outside.core_of(classifier.trunk),
    )
    last, shapes = last_name(name).removeprefix(before), _shapes(trunk)
    wanted = Wanted(shapes, (last, *AUXILIARY))
    opened = open_weights(path, trunk, wanted, name, model.state, model.image_size)
    _refuse_interventions(opened)
    found = opened.fit.names
    names = {own: found[own] for own in found if own in shapes}
    what = f"{path} ({name})"
    if name.startswith("squeezenet") and f"{SQUEEZED}.weight" in found:
        names |= {f"{SQUEEZED}.{part}": found[f"{SQUEEZED}.{part}"] for part in PARTS}
        return _Found(what, whole=opened.read(names))
    head = _head_of(opened, last, classifier.n_features)
    return _Found(what, opened.read(names), opened.read(head))


PARTS = ("weight", "bias")


def last_name(architecture: str) -> str:
    """Return what an architecture calls the layer that gives its outputs."""
    if architecture == "small_cnn":
        return "head"
    if architecture.startswith("squeezenet"):
        return "classifier"
    return outside.last_layer(architecture, network_of(architecture))[0]


def _head_of(opened: Opened, last: str, width: int) -> dict[str, str]:
    """Return the file's names of a head's weight and bias."""
    fit, state = opened.fit, opened.state
    own = {name: fit.names[name] for name in fit.names if name.startswith(f"{last}.")}
    beside = f"{fit.prefix.removesuffix('trunk.')}head"  # a model that this suite has stored
    if not own and fit.prefix.endswith("trunk."):
        own = {
            f"{last}.{part}": f"{beside}.{part}" for part in PARTS if f"{beside}.{part}" in state
        }
    weights = [name for name in own if name.endswith(".weight")]
    if len(weights) != 1 or state[own[weights[0]]].shape[1:] != (width,):
        has = "no last layer" if not weights else f"a last layer of {len(weights)} steps"
        if len(weights) == 1:
            has = f"a last layer of shape {state[own[weights[0]]].shape}, not (K, {width})"
        raise UserError(
            f"model.weights: {opened.path} has {has} ({last}), and `train: false` takes a network "
            "head and all. Save a network with layers of your own as a program: "
            "torch.export.save(torch.export.export(model.eval(), (images,)), 'model.pt2'), and "
            "give it as `architecture: torch_export`."
        )
    bias = f"{weights[0].removesuffix('.weight')}.bias"
    found = {"weight": own[weights[0]]}
    return {**found, "bias": own[bias]} if bias in own else found


def _refuse_interventions(opened: Opened) -> None:
    """Raise UserError for a model of this suite with a map between its layers."""
    maps = [name for name in opened.state if name.startswith("intervention.") or ".affine." in name]
    if maps:
        raise UserError(
            f"model.weights: {opened.path} is a debiased model of this suite with a map between "
            f"its layers ({maps[0]}), which `train: false` would leave out. Take the model of a "
            "method that changes weights alone."
        )
