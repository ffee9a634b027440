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
from rightreasons.models.classifier import Gated, Grouped
from rightreasons.saliency import _attention
from rightreasons.saliency._steps import (
    ACTIVATING_FUNCTIONS,
    AVERAGES,
    INPUTS,
    INTERVENTIONS,
    RECTIFYING_FUNCTIONS,
    is_timms,
    module_at,
    put_module,
    values,
)

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier


#: A copy whose first logit is off by more than this part of the terms that make it is another
#: function. A logit can be next to 0 where its terms are not: it is no measure of rounding, which
#: on GPUs is some 1e-3 of a layer's terms.
DIFFERENT = 1e-3


class _Tracer(fx.Tracer):
    """A tracer to which every averaging module and intervention is one step, ours too.

    So are the core of attention, and timm's activations, whose functions hide what they are.
    """

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one step."""
        own = (*AVERAGES, *INTERVENTIONS, *INPUTS, Grouped, *_attention.STEPS)
        return isinstance(m, own) or is_timms(m) or super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return what stands for a value while the network's code runs."""
        return _Proxy(node, self)


class _Proxy(fx.Proxy):
    """A value of which `x += y` and its like are steps of their own.

    PyTorch's makes x + y of it, another value, and who else reads x would not see the change.
    """

    def __iadd__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})


def trace(model: Classifier, explainer: str, advice: str) -> fx.GraphModule:
    """Return a traced copy of `model`, the same function: in eval mode, weights without gradients.

    The intervention is merged into the head: A (W x + b) + c = (A W) x + (A b + c); one that acts
    on some images only (`Gated`) stays a step. Attention is written out (`_attention`), and
    nothing works in place: what a step changed in place, all that read it later read of that step.
    The first logits that the copy returns are compared with the model's. Raises UserError, in the
    name of `explainer` and with its `advice`, for a network with forward hooks, whose intervention
    is another that is not affine, or that cannot be traced, and at the copy's first call if it is
    another function.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    _refuse_hooks(network, explainer)
    if not isinstance(network.intervention, Gated):
        network.head = merge_intervention(network, explainer)
        network.intervention = nn.Identity()
    _attention.expand(network)
    try:
        graph = fx.GraphModule(network, _Tracer().trace(network))
    except Exception as error:  # tracing runs the network's own code: anything may be raised
        raise UserError(
            f"{explainer}: the network cannot be traced ({str(error).splitlines()[0]}): its steps "
            f"depend on its values. {advice}"
        ) from error
    _follow_in_place(graph)
    for node in graph.graph.nodes:
        _not_in_place(node)
        if node.target is F.scaled_dot_product_attention:
            _attend(graph, node)
        elif node.target is F.normalize and _of_length_1(node):
            node.args, node.kwargs = node.args[:1], {}
            put_module(graph, node, _attention.Unit())
    for module in graph.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    graph.recompile()
    _hold_to(graph, model, explainer, advice)
    return graph


def _hold_to(graph: fx.GraphModule, model: Classifier, explainer: str, advice: str) -> None:
    """Compare the copy's first logits with the model's: raise UserError if they differ."""

    def compare(copied: nn.Module, inputs: tuple[torch.Tensor, ...], logits: torch.Tensor) -> None:
        handle.remove()
        if model.training:
            return  # its own logits are others
        with torch.no_grad():
            features = model.features(inputs[0][:1])
            off = (logits[:1].detach() - model.classify(features)).abs().max()
            terms = model.intervention(features).abs() @ model.head.weight.abs().T
        if not off <= DIFFERENT * terms.max().clamp_min(1e-3):
            raise UserError(
                f"{explainer}: the network's traced copy gives another logit, off by {off:.2g}: "
                "tracing has missed one of its steps, such as one that works in place on a part of "
                f"a value. {advice}"
            )

    handle = graph.register_forward_hook(compare)


def _follow_in_place(graph: fx.GraphModule) -> None:
    """Make whatever reads a value after a step has changed it in place read that step's output."""
    of_image, seen = values(graph), set[fx.Node]()
    for node in graph.graph.nodes:
        seen.add(node)
        if node in of_image and _works_in_place(graph, node):
            node.all_input_nodes[0].replace_all_uses_with(
                node, delete_user_cb=lambda user: user not in seen
            )


def _works_in_place(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(module_at(graph, node), "inplace", False))
    name = str(node.target)
    named = node.op == "call_method" and name.endswith("_") and not name.endswith("__")
    activates = node.target in (*ACTIVATING_FUNCTIONS, *RECTIFYING_FUNCTIONS)
    told = activates and any(part is True for part in (*node.args[1:], node.kwargs.get("inplace")))
    return named or told or node.target in NOT_IN_PLACE


#: Functions and methods that work in place, and the same that do not.
NOT_IN_PLACE: dict[Any, Any] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    "add_": torch.add,
    "sub_": torch.sub,
    "mul_": torch.mul,
    "div_": torch.div,
}


def _not_in_place(node: fx.Node) -> None:
    """Make a step that works in place one that leaves its input alone."""
    if node.op not in ("call_function", "call_method"):
        return
    if node.target in RECTIFYING_FUNCTIONS:
        node.op, node.target = "call_function", torch.relu
        node.args, node.kwargs = node.args[:1], {}
    elif node.target in NOT_IN_PLACE:
        node.op, node.target = "call_function", NOT_IN_PLACE[node.target]
    elif node.target in ACTIVATING_FUNCTIONS:
        node.args = tuple(False if part is True else part for part in node.args)
        node.kwargs = {**node.kwargs, **({"inplace": False} if "inplace" in node.kwargs else {})}


def _of_length_1(node: fx.Node) -> bool:
    """Return whether a call of F.normalize divides by lengths in the last dimension."""
    given = {**dict(zip(("input", "p", "dim", "eps"), node.args, strict=False)), **node.kwargs}
    return (given.get("dim"), given.get("p", 2), given.get("eps", 1e-12)) == (-1, 2, 1e-12)


def _attend(graph: fx.GraphModule, node: fx.Node) -> None:
    """Make a call of PyTorch's attention function one of `Attend`; dropout is off."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale")
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if given.get("is_causal") or given.get("enable_gqa"):
        return
    scale = given.get("scale")
    node.args = (given["query"], given["key"], given["value"], given.get("attn_mask"))
    node.kwargs = {}
    put_module(graph, node, _attention.Attend(None if scale is None else torch.tensor(scale)))


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


def _refuse_hooks(network: nn.Module, explainer: str) -> None:
    for name, module in network.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise UserError(
                f"{explainer}: {name or 'the model'} has a forward hook, which its maps would not "
                "show. Put what it does into the model's `intervention`, or remove it."
            )
