"""The canonical form that LRP needs: one module per step, no batch norm, residual sums as modules.

The network is copied and traced (torch.fx), so the model itself is never touched and every step it
takes is seen: a step without a propagation rule is refused rather than passed over in silence.
"""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from rightreasons.errors import UserError

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
RECTIFIERS = (nn.ReLU, nn.ReLU6)
ACTIVATIONS = (*RECTIFIERS, nn.LeakyReLU)
LINEARS = (nn.Conv2d, nn.Linear)
# Steps that only move, drop or scale-free copy values; their gradient is their relevance rule.
MOVES = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d, nn.MaxPool2d, nn.AdaptiveMaxPool2d)
MOVING_FUNCTIONS = (torch.flatten, torch.cat, F.dropout, F.max_pool2d, "flatten")
RECTIFYING_FUNCTIONS = (F.relu, torch.relu, "relu", "relu_")
SUMS = (operator.add, operator.iadd, torch.add)


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
    - the intervention is merged into the head: A (W x + b) + c = (A W) x + (A b + c),
    - nothing works in place.
    Raises UserError for a network with a step that LRP has no rule for, with forward hooks, whose
    intervention is not affine, or that cannot be traced.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    _refuse_hooks(network)
    network.head = merge_intervention(network)
    network.intervention = nn.Identity()
    graph = _trace(network)
    for node in list(graph.graph.nodes):
        _merge_batch_norm(graph, node)
        _make_residual(graph, node)
    for node in graph.graph.nodes:
        _check(graph, node)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def merge_intervention(model: Classifier) -> nn.Linear:
    """Return the one linear layer that equals intervention and head, in O(d) per class.

    The weight is the Jacobian of the logits with respect to the features, which an affine map has
    the same everywhere; the bias is the logits of zero. Raises UserError if it is not affine.
    """
    if isinstance(model.intervention, nn.Identity):
        return model.head
    zero = model.head.weight.new_zeros(1, model.n_features)
    with torch.enable_grad():
        weight = torch.autograd.functional.jacobian(model.classify, zero).reshape(-1, zero.shape[1])
    merged = copy.deepcopy(model.head).requires_grad_(False)
    merged.weight.copy_(weight)
    merged.bias = nn.Parameter(model.classify(zero)[0].detach(), requires_grad=False)
    probe = torch.linspace(-1, 1, zero.shape[1]).to(zero)[None]
    if not torch.allclose(merged(probe), model.classify(probe), rtol=1e-3, atol=1e-4):
        raise UserError(
            f"lrp: the intervention {type(model.intervention).__name__} is not an affine map of "
            "the features, so it cannot be merged into the head. Use an affine intervention or "
            "another explainer, such as integrated_gradients."
        )
    return merged


def module_at(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    """Return the module that `node` calls, None where it calls none."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return graph.get_submodule(str(node.target))
    return None


def put_module(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Make `node` call `module`; other nodes that call what it called are left alone."""
    node.op, node.target = "call_module", f"step_{node.name}"
    graph.add_submodule(node.target, module)


def non_negative(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes whose values are at least 0 for every input, by the structure alone."""
    known: set[fx.Node] = set()
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        carries = isinstance(module, (*MOVES, *AVERAGES, Residual)) or (
            node.op in ("call_function", "call_method") and node.target in MOVING_FUNCTIONS
        )
        if (
            isinstance(module, RECTIFIERS)
            or node.target in RECTIFYING_FUNCTIONS
            or (carries and all(parent in known for parent in node.all_input_nodes))
        ):
            known.add(node)
    return known


def _trace(network: nn.Module) -> fx.GraphModule:
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    try:
        return fx.symbolic_trace(network)
    except Exception as error:  # tracing runs the network's own code: anything may be raised
        raise UserError(
            f"lrp: the network cannot be traced ({str(error).splitlines()[0]}): its steps depend "
            f"on its values. {_advice()}"
        ) from error


def _merge_batch_norm(graph: fx.GraphModule, node: fx.Node) -> None:
    norm = module_at(graph, node)
    if not isinstance(norm, BATCH_NORMS):
        return
    before = node.all_input_nodes[0]
    linear = module_at(graph, before)
    if len(before.users) == 1 and norm.running_mean is not None and isinstance(linear, LINEARS):
        put_module(graph, before, _merged(linear, norm))
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)


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
        allowed = isinstance(module, (*LINEARS, *ACTIVATIONS, *AVERAGES, *MOVES, Residual))
        what = type(module).__name__
        if isinstance(module, BATCH_NORMS):
            what += " that does not directly follow a convolution or linear layer"
    else:
        allowed = node.target in (*MOVING_FUNCTIONS, *RECTIFYING_FUNCTIONS)
        what = getattr(node.target, "__name__", str(node.target))
    if not allowed and node.op not in ("placeholder", "output"):
        raise _no_rule(node, what)


def _refuse_hooks(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise UserError(
                f"lrp: {name or 'the model'} has a forward hook, which relevance would not pass. "
                "Put what it does into the model's `intervention`, or remove it."
            )


def _no_rule(node: fx.Node, what: str) -> UserError:
    return UserError(f"lrp: there is no relevance rule for {what} (step {node.name}). {_advice()}")


def _advice() -> str:
    return (
        "Allowed are networks of convolutions, linear layers, batch norm directly after them, "
        "ReLU, max and average pooling modules, dropout, sums and concatenations: small_cnn, "
        "ResNets, ResNeXts, VGGs, AlexNet, SqueezeNets. Choose one of them as "
        "model.architecture, or another explainer, such as integrated_gradients."
    )
