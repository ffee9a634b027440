"""A traced copy of the network (torch.fx) for explainers that change how it propagates.

The model itself is never touched, and every step that it takes is seen: a step that an explainer
does not know is refused rather than passed over in silence.
"""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from rightreasons.core.errors import UserError
from rightreasons.models.classifier import Affine, Gated, Grouped, Rescaled, Resized

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
LINEARS = (nn.Conv2d, nn.Linear)
DROPOUTS = (nn.Dropout, nn.Dropout2d)
INTERVENTIONS = (Affine, Gated)
INPUTS = (Rescaled, Resized)  # what images go through before the trunk
MAX_POOLS = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
RECTIFYING_FUNCTIONS = (F.relu, torch.relu, "relu", "relu_")
SUMS = (operator.add, operator.iadd, torch.add)
AVERAGING_FUNCTIONS = (F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, "mean")
FLATTENING_FUNCTIONS = (torch.flatten, "flatten")
# Steps in eval mode whose output is an affine map of their inputs: their gradient says it all.
AFFINE = (
    *LINEARS,
    Affine,
    *BATCH_NORMS,
    *AVERAGES,
    *DROPOUTS,
    nn.Flatten,
    nn.Identity,
    nn.ZeroPad2d,
    *INPUTS,
)
AFFINE_FUNCTIONS = (
    *SUMS,
    *AVERAGING_FUNCTIONS,
    *FLATTENING_FUNCTIONS,
    torch.cat,
    torch.clone,
    F.dropout,
)


class _Tracer(fx.Tracer):
    """A tracer to which every averaging module and intervention is one step, ours too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one step."""
        ours = isinstance(m, (*AVERAGES, *INTERVENTIONS, *INPUTS, Grouped))
        return ours or super().is_leaf_module(m, module_qualified_name)


def trace(model: Classifier, explainer: str, advice: str) -> fx.GraphModule:
    """Return a traced copy of `model`, the same function: in eval mode, weights without gradients.

    The intervention is merged into the head: A (W x + b) + c = (A W) x + (A b + c); one that acts
    on some images only (`Gated`) stays a step. No module works in place. Raises UserError, in the
    name of `explainer` and with its `advice`, for a network with forward hooks, whose intervention
    is another that is not affine, or that cannot be traced.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    _refuse_hooks(network, explainer)
    if not isinstance(network.intervention, Gated):
        network.head = merge_intervention(network, explainer)
        network.intervention = nn.Identity()
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    try:
        return fx.GraphModule(network, _Tracer().trace(network))
    except Exception as error:  # tracing runs the network's own code: anything may be raised
        raise UserError(
            f"{explainer}: the network cannot be traced ({str(error).splitlines()[0]}): its steps "
            f"depend on its values. {advice}"
        ) from error


def merge_intervention(model: Classifier, explainer: str) -> nn.Linear:
    """Return the one linear layer that equals intervention and head, in O(d) per class.

    The weight is the Jacobian of the logits with respect to the features, which an affine map has
    the same everywhere; the bias is the logits of zero. Raises UserError if it is not affine.
    """
    if isinstance(model.intervention, nn.Identity):
        return model.head

    def logits(features: torch.Tensor) -> torch.Tensor:
        return model.head(model.intervention(features))

    zero = model.head.weight.new_zeros(1, model.n_features)
    with torch.enable_grad():
        weight = torch.autograd.functional.jacobian(logits, zero).reshape(-1, zero.shape[1])
    merged = copy.deepcopy(model.head).requires_grad_(False)
    merged.weight.copy_(weight)
    merged.bias = nn.Parameter(logits(zero)[0].detach(), requires_grad=False)
    probe = torch.linspace(-1, 1, zero.shape[1]).to(zero)[None]
    if not torch.allclose(merged(probe), logits(probe), rtol=1e-3, atol=1e-4):
        raise UserError(
            f"{explainer}: the intervention {type(model.intervention).__name__} is not an affine "
            "map of the features, so it cannot be merged into the head. Use an affine "
            "intervention or another explainer, such as integrated_gradients."
        )
    return merged


def separate(graph: fx.GraphModule, kinds: tuple[type[nn.Module], ...]) -> fx.GraphModule:
    """Give every call of a module of these kinds a module and an input tensor of its own, in place.

    Captum hooks modules and the tensors that they are given: it misses functions, its DeepLIFT
    cannot have a module called twice, and what another branch sends back to the same tensor would
    be changed too. ReLU functions become ReLU modules, and sums in place become sums.
    """
    for node in list(graph.graph.nodes):
        if node.target is operator.iadd:
            node.target = operator.add
        if node.op in ("call_function", "call_method") and node.target in RECTIFYING_FUNCTIONS:
            node.args, node.kwargs = node.args[:1], {}
            put_module(graph, node, nn.ReLU())
        module = module_at(graph, node)
        if isinstance(module, kinds):
            put_module(graph, node, copy.deepcopy(module))
            with graph.graph.inserting_before(node):
                node.args = (graph.graph.call_function(torch.clone, node.args),)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def refuse_other_steps(
    graph: fx.GraphModule,
    modules: tuple[type[nn.Module], ...],
    functions: tuple[Any, ...],
    explainer: str,
    advice: str,
) -> None:
    """Raise UserError at the first step that is neither among `modules` nor among `functions`."""
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        known = node.target in functions if module is None else isinstance(module, modules)
        if not known and node.op not in ("placeholder", "output"):
            what = getattr(node.target, "__name__", str(node.target))
            what = what if module is None else type(module).__name__
            raise UserError(
                f"{explainer}: there is no rule for {what} (step {node.name}). {advice}"
            )


def module_at(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    """Return the module that `node` calls, None where it calls none."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return graph.get_submodule(str(node.target))
    return None


def put_module(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Make `node` call `module`; other nodes that call what it called are left alone."""
    node.op, node.target = "call_module", f"step_{node.name}"
    graph.add_submodule(node.target, module)


def _refuse_hooks(network: nn.Module, explainer: str) -> None:
    for name, module in network.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise UserError(
                f"{explainer}: {name or 'the model'} has a forward hook, which its maps would not "
                "show. Put what it does into the model's `intervention`, or remove it."
            )
