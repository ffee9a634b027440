"""Which step of a network makes the feature map that Grad-CAM reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import fx, nn

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.saliency._trace import (
    AVERAGES,
    AVERAGING_FUNCTIONS,
    FLATTENING_FUNCTIONS,
    MAX_POOLS,
    module_at,
    trace,
)

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

ENDS = (*AVERAGES, *MAX_POOLS, nn.Flatten)
END_FUNCTIONS = (*AVERAGING_FUNCTIONS, *FLATTENING_FUNCTIONS, F.max_pool2d)
ADVICE = "Choose another model.architecture or explainer, such as integrated_gradients."


def with_feature_map(model: Classifier, layer: str) -> tuple[fx.GraphModule, nn.Module]:
    """Return a copy of `model` and the module in it whose output is the feature map.

    layer: name of a module of `model`, leaf or not, whose output it is (at its last call), or
        `last`: what the last convolution leads to before any pooling, flattening or averaging.
    The module is an identity put behind the step. Raises UserError if there is no such step.
    """
    graph = trace(model, "gradcam", ADVICE)
    node = _last_map(graph) if layer == "last" else _output_of(graph, model, layer)
    mark = nn.Identity()
    graph.add_submodule("feature_map", mark)
    with graph.graph.inserting_after(node):
        marked = graph.graph.call_module("feature_map", (node,))
    node.replace_all_uses_with(marked, delete_user_cb=lambda user: user is not marked)
    graph.recompile()
    return graph, mark


def _last_map(graph: fx.GraphModule) -> fx.Node:
    nodes = list(graph.graph.nodes)
    convolutions = [node for node in nodes if isinstance(module_at(graph, node), nn.Conv2d)]
    reached = set(convolutions[-1:])
    for node in nodes:
        before = reached.intersection(node.all_input_nodes)
        if before and (isinstance(module_at(graph, node), ENDS) or node.target in END_FUNCTIONS):
            return before.pop()
        if before:
            reached.add(node)
    raise UserError(
        "gradcam: the network has no convolution whose output is pooled. Name the module whose "
        "output is the feature map as `layer`."
    )


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
