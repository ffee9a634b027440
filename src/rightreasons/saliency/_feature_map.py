"""Which step of a network makes the feature map that Grad-CAM reads, and how it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.saliency._attention import Attend
from rightreasons.saliency._steps import (
    AVERAGES,
    AVERAGING_FUNCTIONS,
    FLATTENING_FUNCTIONS,
    MAX_POOLS,
    MOVES,
    MOVING_FUNCTIONS,
    POOLING_FUNCTIONS,
    module_at,
)
from rightreasons.saliency._tokens import Kept, keep, on_grid, patches_of
from rightreasons.saliency._trace import trace

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

ENDS = (*AVERAGES, *MAX_POOLS, nn.Flatten)
ENDING_FUNCTIONS = (*AVERAGING_FUNCTIONS, *POOLING_FUNCTIONS)
ADVICE = "Choose another model.architecture or explainer, such as integrated_gradients."


class FeatureMap:
    """A copy of a network, and the step in it whose output is the feature map.

    Parameters
    ----------
    model
        The network.
    layer
        Name of a module of `model`, leaf or not, whose output it is (at its last call), or `last`:
        what the last convolution or attention leads to before its positions are pooled, flattened
        or averaged; where a class token is read instead, what enters the last attention.

    Raises
    ------
    UserError
        If there is no such step.
    """

    def __init__(self, model: Classifier, layer: str) -> None:
        self.layer = layer
        self.network = trace(model, "gradcam", ADVICE)
        node = (
            _last_map(self.network) if layer == "last" else _output_of(self.network, model, layer)
        )
        patches = patches_of(self.network, node)
        self._patches = None if patches is None else keep(self.network, patches)
        self._kept: Kept = keep(self.network, node, leaf=True)

    def read(self, inputs: torch.Tensor, classes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the feature map and the gradient of the logit asked for, each (N, h, w, C).

        Raises
        ------
        UserError
            If the layer's output has no positions.
        """
        with torch.enable_grad():
            logits = self.network(inputs.detach())
            asked = logits.gather(1, classes[:, None]).sum()
            values = self._kept.value
            (gradient,) = torch.autograd.grad(asked, values)
        return self._by_position(values.detach(), inputs), self._by_position(gradient, inputs)

    def _by_position(self, values: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return (N, h, w, C) of (N, C, h, w), (N, h, w, C) or tokens (N, tokens, C)."""
        patches = None if self._patches is None else self._patches.value
        if values.dim() == 4:
            return values if _channels_last(values, inputs) else values.movedim(1, -1)
        if values.dim() == 3 and patches is not None and values.shape[1] >= patches[0, 0].numel():
            return on_grid(values, patches)
        raise UserError(
            f"gradcam: the output of {self.layer} has no height and width. Choose a layer whose "
            "output is a feature map or tokens of patches, or `last`."
        )


def _channels_last(values: torch.Tensor, inputs: torch.Tensor) -> bool:
    """Return whether a feature map is (N, h, w, C): then h : w is more like the image's sides.

    With as many channels as rows and columns nothing can be told, and they are taken to be first.
    """
    first, second, third = (float(side) for side in values.shape[1:])
    ratio = inputs.shape[2] / inputs.shape[3]

    def off(height: float, width: float) -> float:
        found = height / width / ratio
        return max(found, 1 / found)

    return off(first, second) < off(second, third)


def _last_map(graph: fx.GraphModule) -> fx.Node:
    nodes = list(graph.graph.nodes)
    mixing = [node for node in nodes if isinstance(module_at(graph, node), (nn.Conv2d, Attend))]
    reached = set(mixing[-1:])
    for node in nodes:
        before = reached.intersection(node.all_input_nodes)
        if before and _pools(graph, node):
            return before.pop()
        if before and _picks_a_token(node) and isinstance(module_at(graph, mixing[-1]), Attend):
            return _entering(graph, mixing[-1])
        if before:
            reached.add(node)
    raise UserError(
        "gradcam: the network has no convolution or attention whose output is pooled. Name the "
        "module whose output is the feature map as `layer`."
    )


def _pools(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether a step pools, averages or flattens positions."""
    if node.target in FLATTENING_FUNCTIONS:  # heads of attention become one by being flattened
        return not isinstance(module_at(graph, _moved(graph, node)), Attend)
    axes = node.args[1:2] or (node.kwargs.get("dim"),)
    of_channels = node.target in (torch.mean, "mean") and axes[0] in (-1, 3, (-1,), [-1])
    pools = node.target in ENDING_FUNCTIONS and not of_channels
    return pools or isinstance(module_at(graph, node), ENDS)


def _picks_a_token(node: fx.Node) -> bool:
    """Return whether a step takes one token of each image, as x[:, 0] does."""
    index = node.args[1] if len(node.args) > 1 else None
    return isinstance(index, tuple) and len(index) > 1 and isinstance(index[1], int)


def _entering(graph: fx.GraphModule, attend: fx.Node) -> fx.Node:
    """Return the tokens of which attention makes its values: what its linear layer gets."""
    value = attend.args[2]
    assert isinstance(value, fx.Node)
    return _moved(graph, value).all_input_nodes[0]


def _moved(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Return the last step before this one, or this one, that does more than move values."""
    while node.target in MOVING_FUNCTIONS or isinstance(module_at(graph, node), MOVES):
        node = node.all_input_nodes[0]
    return node


def _output_of(graph: fx.GraphModule, model: Classifier, layer: str) -> fx.Node:
    names = [name for name, _ in model.named_modules() if name]
    if layer not in names:
        raise UserError(
            f"gradcam: there is no module {layer!r}{suggestion(layer, names)} Allowed: last, and "
            "the network's modules, such as " + ", ".join(names[:8]) + "."
        )
    inside = [node for node in graph.graph.nodes if layer in _modules_around(node)]
    if not inside:
        raise UserError(f"gradcam: the module {layer} takes no part in a prediction.")
    return inside[-1]


def _modules_around(node: fx.Node) -> set[str]:
    return {path for path, _ in node.meta.get("nn_module_stack", {}).values()}
