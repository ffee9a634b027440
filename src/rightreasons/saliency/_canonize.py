"""The canonical form that LRP needs: batch norm and affine maps merged, every step one with a rule.

The network is a traced copy (`_trace`): a step without a propagation rule is refused rather than
passed over in silence.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from rightreasons.models.classifier import Affine
from rightreasons.saliency._steps import (
    ADVICE,
    AVERAGES,
    AVERAGING_FUNCTIONS,
    BATCH_NORMS,
    GATES,
    GATING_FUNCTIONS,
    INTERVENTIONS,
    LINEARS,
    MAX_POOLS,
    MOVES,
    MOVING_FUNCTIONS,
    POOLING_FUNCTIONS,
    PRODUCTS,
    RECTIFYING_FUNCTIONS,
    SUMS,
    has_rule,
    is_linear,
    module_at,
    put_module,
    refuse_other_steps,
    values,
)
from rightreasons.saliency._trace import trace

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

RECTIFIERS = (nn.ReLU, nn.ReLU6)
#: Functions whose values are never below 0.
POSITIVE_FUNCTIONS = (*RECTIFYING_FUNCTIONS, F.relu6, *GATING_FUNCTIONS)


def canonize(model: Classifier) -> fx.GraphModule:
    """Return a copy of `model` in canonical form: the same function, up to rounding.

    In the copy, which is in eval mode and without gradients for its weights,
    - batch norm is merged into the convolution or linear layer before it,
    - the intervention is merged into the head: A (W x + b) + c = (A W) x + (A b + c), and one
      inside the trunk into the convolution or linear layer before it, where there is one,
    - attention is written out, and nothing works in place.
    Raises UserError for a network with a step that LRP has no rule for, with forward hooks, whose
    intervention is not affine, or that cannot be traced.
    """
    graph = trace(model, "lrp", ADVICE)
    for node in list(graph.graph.nodes):
        _merge_batch_norm(graph, node)
        _merge_affine(graph, node)
    of_image = values(graph)
    refuse_other_steps(
        graph,
        lambda node, module: (
            is_linear(graph, node, of_image)
            or has_rule(node, module, of_image)
            or isinstance(module, INTERVENTIONS)
        ),
        "lrp",
        ADVICE,
    )
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def non_negative(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes whose values are at least 0 for every input, by the structure alone."""
    known: set[fx.Node] = set()
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        always = isinstance(module, (*RECTIFIERS, *GATES)) or node.target in POSITIVE_FUNCTIONS
        carries = _keeps_sign(node) or _moves(graph, node) or isinstance(module, AVERAGES)
        if always or (carries and all(part in known for part in node.all_input_nodes)):
            known.add(node)
    return known


def _keeps_sign(node: fx.Node) -> bool:
    """Return whether a step's outputs are at least 0 if all other steps' are that go into it."""
    two = not node.kwargs and all(isinstance(part, fx.Node) for part in node.args[:2])
    return node.target in AVERAGING_FUNCTIONS or (node.target in (*SUMS, *PRODUCTS) and two)


def rectified(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes whose values below 0 become 0 wherever they go, by the structure alone."""
    known: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        if node.users and all(
            _rectifies(graph, user) or (_moves(graph, user) and user in known)
            for user in node.users
        ):
            known.add(node)
    return known


def _rectifies(graph: fx.GraphModule, node: fx.Node) -> bool:
    return isinstance(module_at(graph, node), RECTIFIERS) or node.target in RECTIFYING_FUNCTIONS


def _moves(graph: fx.GraphModule, node: fx.Node) -> bool:
    functions = (*MOVING_FUNCTIONS, *POOLING_FUNCTIONS)
    moving = node.op in ("call_function", "call_method") and node.target in functions
    if node.target is F.pad and (len(node.args) > 3 or node.kwargs.get("value")):
        return False  # the frame has values of its own
    return moving or isinstance(module_at(graph, node), (*MOVES, *MAX_POOLS))


def _merge_batch_norm(graph: fx.GraphModule, node: fx.Node) -> None:
    norm = module_at(graph, node)
    if isinstance(norm, BATCH_NORMS) and norm.running_mean is not None:
        linear = _linear_before(graph, node)
        if linear is not None:
            _replace_both(graph, node, _merged(linear, norm))


def _merge_affine(graph: fx.GraphModule, node: fx.Node) -> None:
    affine = module_at(graph, node)
    if isinstance(affine, Affine):
        linear = _linear_before(graph, node)
        if linear is not None and getattr(linear, "groups", 1) == 1:
            _replace_both(graph, node, _mapped(linear, affine))


def _linear_before(graph: fx.GraphModule, node: fx.Node) -> nn.Conv2d | nn.Linear | None:
    """Return the convolution or linear layer whose output only `node` gets, if there is one."""
    before = node.all_input_nodes[0]
    linear = module_at(graph, before)
    return linear if isinstance(linear, LINEARS) and len(before.users) == 1 else None


def _replace_both(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Put `module` in the place of `node` and the one before it."""
    before = node.all_input_nodes[0]
    put_module(graph, before, module)
    node.replace_all_uses_with(before)
    graph.graph.erase_node(node)


def _mapped(linear: nn.Conv2d | nn.Linear, affine: Affine) -> nn.Module:
    """Return the layer that equals `linear` with the map behind it: M (W x + c) + b."""
    merged = copy.deepcopy(linear)
    matrix = affine.matrix()
    weight = (matrix @ linear.weight.flatten(1)).view_as(linear.weight)
    bias = affine.bias if linear.bias is None else matrix @ linear.bias + affine.bias
    merged.weight = nn.Parameter(weight, requires_grad=False)
    merged.bias = nn.Parameter(bias, requires_grad=False)
    return merged


def _merged(linear: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    if isinstance(linear, nn.Conv2d):
        return fuse_conv_bn_eval(linear, norm).requires_grad_(False)
    return fuse_linear_bn_eval(linear, norm).requires_grad_(False)
