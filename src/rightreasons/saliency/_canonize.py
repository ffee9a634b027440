"""The canonical form that LRP needs: one module per step, no batch norm, residual sums as modules.

The network is a traced copy (`_trace`): a step without a propagation rule is refused rather than
passed over in silence.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from rightreasons.core.errors import UserError
from rightreasons.models.classifier import Affine, Grouped, Rescaled, Resized
from rightreasons.saliency._trace import (
    AVERAGES,
    BATCH_NORMS,
    DROPOUTS,
    FLATTENING_FUNCTIONS,
    INTERVENTIONS,
    LINEARS,
    MAX_POOLS,
    RECTIFYING_FUNCTIONS,
    SUMS,
    module_at,
    put_module,
    trace,
)

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

RECTIFIERS = (nn.ReLU, nn.ReLU6)
ACTIVATIONS = (*RECTIFIERS, nn.LeakyReLU)
# Steps that only move, drop or scale-free copy values; their gradient is their relevance rule.
MOVES = (*DROPOUTS, *MAX_POOLS, nn.Flatten, nn.Identity, nn.ZeroPad2d, Resized)
# Of networks from elsewhere: a pixel's relevance stays when its scale changes, and the gradient of
# a log-sum-exp shares relevance out by softmax, so that nothing is lost.
OUTSIDE = (Rescaled, Grouped)
MOVING_FUNCTIONS = (*FLATTENING_FUNCTIONS, torch.cat, F.dropout, F.max_pool2d)


class Residual(nn.Module):
    """The sum of two branches as a module, so that a relevance rule can be put on it."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return a + b, both (N, C, H, W)."""
        return a + b


def canonize(model: Classifier) -> fx.GraphModule:
    """Return a copy of `model` in canonical form: the same function, up to rounding.

    In the copy, which is in eval mode and without gradients for its weights,
    - batch norm is merged into the convolution or linear layer before it,
    - every sum of two branches is a `Residual` module,
    - the intervention is merged into the head: A (W x + b) + c = (A W) x + (A b + c), and one
      inside the trunk into the convolution or linear layer before it, where there is one,
    - nothing works in place.
    Raises UserError for a network with a step that LRP has no rule for, with forward hooks, whose
    intervention is not affine, or that cannot be traced.
    """
    graph = trace(model, "lrp", _advice())
    for node in list(graph.graph.nodes):
        _not_in_place(node)
        _merge_batch_norm(graph, node)
        _merge_affine(graph, node)
        _make_residual(graph, node)
    for node in graph.graph.nodes:
        _check(graph, node)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _not_in_place(node: fx.Node) -> None:
    """Make a ReLU that is called as a function or method one that leaves its input alone."""
    if node.op in ("call_function", "call_method") and node.target in RECTIFYING_FUNCTIONS:
        node.op, node.target = "call_function", torch.relu
        node.args, node.kwargs = node.args[:1], {}


def non_negative(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes whose values are at least 0 for every input, by the structure alone."""
    known: set[fx.Node] = set()
    for node in graph.graph.nodes:
        carries = _moves(graph, node) or isinstance(module_at(graph, node), (*AVERAGES, Residual))
        if _rectifies(graph, node) or (
            carries and all(parent in known for parent in node.all_input_nodes)
        ):
            known.add(node)
    return known


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
    moving = node.op in ("call_function", "call_method") and node.target in MOVING_FUNCTIONS
    return moving or isinstance(module_at(graph, node), MOVES)


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


def _make_residual(graph: fx.GraphModule, node: fx.Node) -> None:
    two_branches = [type(part) for part in node.args] == [fx.Node, fx.Node] and not node.kwargs
    if node.op == "call_function" and node.target in SUMS and two_branches:
        put_module(graph, node, Residual())


def _check(graph: fx.GraphModule, node: fx.Node) -> None:
    module = module_at(graph, node)
    if module is not None:
        steps = (*LINEARS, *INTERVENTIONS, *ACTIVATIONS, *AVERAGES, *MOVES, Residual, *OUTSIDE)
        allowed = isinstance(module, steps)
        what = type(module).__name__
        if isinstance(module, BATCH_NORMS):
            what += " that does not directly follow a convolution or linear layer"
    else:
        allowed = node.target in (*MOVING_FUNCTIONS, *RECTIFYING_FUNCTIONS)
        what = getattr(node.target, "__name__", str(node.target))
    if not allowed and node.op not in ("placeholder", "output"):
        raise _no_rule(node, what)


def _no_rule(node: fx.Node, what: str) -> UserError:
    return UserError(f"lrp: there is no relevance rule for {what} (step {node.name}). {_advice()}")


def _advice() -> str:
    return (
        "Allowed are networks of convolutions, linear layers, batch norm directly after them, "
        "ReLU, max and average pooling modules, dropout, sums and concatenations: small_cnn, "
        "ResNets, ResNeXts, VGGs, AlexNet, SqueezeNets, efficientnet_lite0. Choose one of them "
        "as model.architecture, or another explainer, such as integrated_gradients."
    )
