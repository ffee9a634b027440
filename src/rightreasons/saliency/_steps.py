"""What the steps of a traced network are: linear or not, of the image or of its size alone.

A step is a node of the graph, its kind the class of its module, its function or its method's name.
Explainers that change how a network propagates know each kind or refuse it, in the words in which
the user knows the layer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from rightreasons.core.errors import UserError
from rightreasons.models.classifier import Affine, Gated, Grouped, Rescaled, Resized
from rightreasons.saliency._attention import Attend, Unit, Unwindows, WindowBias, Windows
from rightreasons.saliency._timm_steps import ResponseNorm, SameFrame

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
LINEARS = (nn.Conv2d, nn.Linear)
DROPOUTS = (nn.Dropout, nn.Dropout2d)
INTERVENTIONS = (Affine, Gated)
INPUTS = (Rescaled, Resized)  # what images go through before the trunk
MAX_POOLS = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
RECTIFYING_FUNCTIONS = (F.relu, torch.relu, "relu", "relu_")
ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus),
)
ACTIVATING_FUNCTIONS = (
    *(F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid),
    *(F.softplus, F.sigmoid, F.tanh, torch.sigmoid, torch.tanh, "sigmoid", "tanh"),
)
#: Activations of which products are made: what they say is how much of another value passes.
GATES = (nn.Sigmoid, nn.Hardsigmoid, nn.Softmax)
GATING_FUNCTIONS = (
    *(F.sigmoid, F.hardsigmoid, torch.sigmoid, "sigmoid", F.softmax, torch.softmax, "softmax"),
)
SOFTMAXES = (F.softmax, torch.softmax, "softmax")
LAYER_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
NORMALISING_FUNCTIONS = (F.layer_norm, F.group_norm, F.rms_norm)
SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
DIFFERENCES = (operator.sub, torch.sub, "sub")
PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
RATIOS = (operator.truediv, torch.div, "div", "div_")
MATRIX_PRODUCTS = (operator.matmul, torch.matmul, torch.bmm, "matmul", "bmm", torch.einsum)
POOLING_FUNCTIONS = (F.max_pool2d, F.adaptive_max_pool2d)
AVERAGING_FUNCTIONS = (F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, "mean")
FLATTENING_FUNCTIONS = (torch.flatten, "flatten")
#: Functions and methods that put values elsewhere, once or several times, or leave them out.
MOVING_FUNCTIONS = (
    *FLATTENING_FUNCTIONS,
    *(operator.getitem, torch.cat, torch.stack, torch.clone, F.dropout, F.pad),
    *(torch.permute, torch.transpose, torch.swapaxes, torch.movedim, torch.reshape, torch.squeeze),
    *(torch.unsqueeze, torch.chunk, torch.split, torch.unbind, torch.roll, torch.narrow),
    *("view", "reshape", "permute", "transpose", "contiguous", "expand", "squeeze", "unsqueeze"),
    *("chunk", "split", "unbind", "clone", "roll", "unflatten", "swapaxes", "movedim", "float"),
    *("expand_as", "view_as", "narrow", "repeat", "to", "type_as"),
)
#: Modules that move values.
MOVES = (
    *(*DROPOUTS, nn.Flatten, nn.Unflatten, nn.Identity, nn.ZeroPad2d),
    *(Windows, Unwindows, SameFrame),
)
#: Functions and methods whose output is linear in the values of the image.
LINEAR_FUNCTIONS = (
    *MOVING_FUNCTIONS,
    *AVERAGING_FUNCTIONS,
    *SUMS,
    *DIFFERENCES,
    *(operator.neg, torch.neg, torch.sum, "sum", F.interpolate, F.linear),
)
# Modules in eval mode whose output is an affine map of their inputs: their gradient says it all.
AFFINE = (*LINEARS, Affine, *BATCH_NORMS, *AVERAGES, *MOVES, nn.Upsample, *INPUTS)
#: What a tensor is asked, rather than computed with: the same for all images of a size.
ASKED = ("size", "dim", "shape", "numel", "ndim", "device", "dtype", "is_contiguous")


def module_at(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    """Return the module that `node` calls, None where it calls none."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return graph.get_submodule(str(node.target))
    return None


def put_module(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Make `node` call `module`; other nodes that call what it called are left alone."""
    node.op, node.target = "call_module", f"step_{node.name}"
    graph.add_submodule(node.target, module)


def put_behind(graph: fx.GraphModule, node: fx.Node, module: nn.Module, name: str) -> None:
    """Put a module behind a step, so that all that followed the step gets what it returns."""
    graph.add_submodule(name, module)
    with graph.graph.inserting_after(node):
        behind = graph.graph.call_module(name, (node,))
    node.replace_all_uses_with(behind, delete_user_cb=lambda user: user is not behind)


def values(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes whose values depend on the pixels, and not on the image's size alone."""
    found: set[fx.Node] = set()
    for node in graph.graph.nodes:
        computed = node.op != "output" and not _asks(graph, node)
        if node.op == "placeholder" or (computed and factors(node, found)):
            found.add(node)
    return found


def _asks(graph: fx.GraphModule, node: fx.Node) -> bool:
    asked = node.args[1] if node.target is getattr and len(node.args) > 1 else node.target
    if asked in ASKED or node.target in (torch._assert, len):
        return True
    return isinstance(module_at(graph, node), WindowBias)


def factors(node: fx.Node, of_image: Collection[fx.Node]) -> list[fx.Node]:
    """Return what a step gets of the image, in order; twice what it gets twice."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), found.append)
    return [part for part in found if part in of_image]


def is_linear(graph: fx.GraphModule, node: fx.Node, of_image: Collection[fx.Node]) -> bool:
    """Return whether a step's output is affine in all that it gets of the image."""
    module = module_at(graph, node)
    if module is not None:
        return isinstance(module, AFFINE)
    if node.target in (*PRODUCTS, *MATRIX_PRODUCTS):
        return len(factors(node, of_image)) == 1
    if node.target in RATIOS:
        return factors(node, of_image) == list(node.args[:1])
    turned = node.target is getattr and node.args[1] in ("T", "mT")
    return turned or node.target in LINEAR_FUNCTIONS or moves_whole(node)


#: Functions of torchvision that tracing keeps whole: branches that are left out in training alone,
#: and the four neighbours of a place side by side.
WHOLE = ("stochastic_depth", "_patch_merging_pad")


def moves_whole(node: fx.Node) -> bool:
    """Return whether a step is a function that tracing keeps whole and that moves values."""
    return getattr(node.target, "__name__", "") in WHOLE


#: What to do about a step that neither LRP nor DeepLIFT has a rule for.
ADVICE = (
    "Allowed are networks of convolutions, linear layers, normalisations, activations of each "
    "value by itself, attention, pooling, sums, products and concatenations: small_cnn, "
    "small_vit, and torchvision's. Choose one of them as model.architecture, or another "
    "explainer, such as integrated_gradients."
)


def has_rule(node: fx.Node, module: nn.Module | None, of_image: Collection[fx.Node]) -> bool:
    """Return whether LRP and DeepLIFT have a rule for a step that is not linear.

    Products have one for two factors, attention where what is added to it is the same for every
    image.
    """
    if isinstance(module, Attend):
        return len(node.args) < 4 or node.args[3] not in of_image
    if module is not None:
        steps = (*MAX_POOLS, *LAYER_NORMS, ResponseNorm, nn.Softmax, Unit, Grouped)
        return isinstance(module, steps) or is_activation(module)
    if node.target in (*PRODUCTS, *MATRIX_PRODUCTS):
        parts = factors(node, of_image)
        return len(parts) == 2 and parts == [part for part in node.args if part in parts]
    functions = (*RECTIFYING_FUNCTIONS, *ACTIVATING_FUNCTIONS, *SOFTMAXES)
    return node.target in (*functions, *NORMALISING_FUNCTIONS, *POOLING_FUNCTIONS)


def is_activation(module: nn.Module | None) -> bool:
    """Return whether a module is a function of each value by itself."""
    return isinstance(module, ACTIVATIONS) or is_timms(module)


def is_timms(module: nn.Module | None) -> bool:
    """Return whether a module is an activation of timm's, whose function hides what it is."""
    return type(module).__module__.startswith("timm.layers.activations")


def refuse_other_steps(
    graph: fx.GraphModule,
    known: Callable[[fx.Node, nn.Module | None], bool],
    explainer: str,
    advice: str,
) -> None:
    """Raise UserError at the first step of the image that is not known.

    Parameters
    ----------
    graph
        A traced network.
    known
        Whether a step is known, given its node and module; steps that are no module's have None.
    explainer, advice
        For the message: what has no rule, and what to do.
    """
    of_image = values(graph)
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        ends = node.op in ("placeholder", "output")
        if node in of_image and not ends and not known(node, module):
            raise UserError(f"{explainer}: there is no rule for {called(node, module)}. {advice}")


def called(node: fx.Node, module: nn.Module | None) -> str:
    """Return what a step is called, and the layer that it belongs to, as the user knows it."""
    what = getattr(node.target, "__name__", str(node.target))
    what = what if module is None else type(module).__name__
    path = ""
    if module is not None and not str(node.target).startswith("step_"):
        path = str(node.target)
    elif node.meta.get("nn_module_stack"):
        path = list(node.meta["nn_module_stack"].values())[-1][0]
    return f"{what} in {path}" if path else f"{what} (step {node.name})"
