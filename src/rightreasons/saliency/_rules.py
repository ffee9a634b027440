"""Relevance rules on a network, whose gradient is then relevance.

What autograd carries from step to step is c = R / x, relevance for each unit of a value x. With it
a step that is linear has the rule R_i = sum_j x_i w_ij R_j / z_j with its own gradient
c_i = sum_j w_ij c_j: so do sums of branches, averages, attention's values, and whatever moves
values. Only steps that are not linear, and layers with rules of their own, are changed.
At the pixels, and up to the layer that reads them, it carries relevance R = c x itself: a pixel of
value 0 can have relevance.

Which rule a layer gets follows from the network's structure, so that the choice, and with it an
image's map, never depends on the values in the batch.

References
----------
Achtibat et al. 2024, AttnLRP: attention, normalisations, activations and products.
Ali et al. 2022, XAI for Transformers: attention weights as constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import fx, nn

from rightreasons.models.classifier import Grouped, Rescaled, Resized
from rightreasons.saliency import _conv_rules, _general_rules, _token_rules
from rightreasons.saliency._attention import Attend
from rightreasons.saliency._canonize import non_negative, rectified
from rightreasons.saliency._steps import (
    ACTIVATING_FUNCTIONS,
    GATES,
    GATING_FUNCTIONS,
    INTERVENTIONS,
    LINEARS,
    MATRIX_PRODUCTS,
    MOVES,
    MOVING_FUNCTIONS,
    PRODUCTS,
    SOFTMAXES,
    factors,
    is_activation,
    module_at,
    put_behind,
    put_module,
    values,
)
from rightreasons.saliency._timm_steps import ResponseNorm

#: From a layer, its inputs, outputs and the outputs' relevance to c of the inputs, or to their R.
Rule = Callable[[Any, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
Products = Literal["half", "signal"]
#: Up to so many inputs, all contributions of a neuron may well be below 0.
FEW = 64


@dataclass(frozen=True)
class ConvRules:
    """One rule of the literature, in the forms that give the same in different places.

    Of `Rules.first` they return relevance R of the inputs, elsewhere c = R / x.
    general: for every layer. The others, None where there is no cheaper form, are for
    convolutions: signed for any inputs; positive for inputs of at least 0; between for those
    before a ReLU. few: for neurons with few inputs and no ReLU behind them. grouped: whether
    `signed` is for grouped convolutions too.
    """

    general: Rule
    signed: Rule | None = None
    positive: Rule | None = None
    between: Rule | None = None
    few: Rule | None = None
    grouped: bool = False

    def form(self, layer: nn.Conv2d, non_negative: bool, rectified: bool) -> Rule:
        """Return the cheapest form for a layer."""
        if not _conv_rules.plain(layer):
            return self.general
        if self.few is not None and not rectified and layer.weight[0].numel() <= FEW:
            return self.few
        if non_negative:
            chosen = (rectified and self.between) or self.positive
        else:
            chosen = self.signed if self.grouped or layer.groups == 1 else None
        return chosen or self.general


@dataclass(frozen=True)
class Rules:
    """Which rule a layer gets.

    first: for the convolution that is executed first, None where it is as the others.
    convolutions: for the others. dense: for linear layers. None, of either: the epsilon rule.
    epsilon: of the epsilon rule, which interventions that stay steps have too.
    products: what the factors of a product get, both `half`, or all the value that a gate or an
        attention weight lets pass, its `signal`.
    """

    first: ConvRules | None
    convolutions: ConvRules | None
    dense: Rule | None
    epsilon: float
    products: Products = "signal"

    @classmethod
    def of_composite(
        cls,
        name: str,
        epsilon: float,
        gamma: float,
        box: tuple[torch.Tensor, torch.Tensor],
        products: Products = "signal",
    ) -> Rules:
        """Return the rules of a composite, named as in zennit.

        box: lowest and highest possible input, each (1, 3, 1, 1).
        """
        plus = ConvRules(
            _general_rules.plus,
            _conv_rules.plus_signed,
            _conv_rules.plus,
            few=_conv_rules.plus_of_few,
        )
        alpha_beta = ConvRules(
            partial(_general_rules.alpha_beta, alpha=2.0, beta=1.0),
            partial(_conv_rules.alpha_beta_signed, alpha=2.0, beta=1.0),
            partial(_conv_rules.alpha_beta, alpha=2.0, beta=1.0),
        )
        gammas = ConvRules(
            partial(_general_rules.gamma, gamma=gamma),
            partial(_conv_rules.gamma_signed, gamma=gamma),
            positive=partial(_conv_rules.gamma, gamma=gamma),
            between=partial(_conv_rules.gamma_before_relu, gamma=gamma),
            grouped=True,
        )
        low, high = box
        boxed = partial(_conv_rules.box, low=low, high=high)
        of_box = ConvRules(partial(_general_rules.box, low=low, high=high), boxed, boxed)
        dense = partial(_conv_rules.gamma_signed, gamma=gamma)
        composites: dict[str, tuple[ConvRules | None, ConvRules | None, Rule | None]] = {
            "epsilon": (None, None, None),
            "gamma": (None, gammas, dense),
            "epsilon_plus": (None, plus, None),
            "epsilon_plus_flat": (ConvRules(_general_rules.flat), plus, None),
            "epsilon_gamma_box": (of_box, gammas, None),
            "epsilon_alpha2_beta1": (None, alpha_beta, None),
        }
        return cls(*composites[name], epsilon, products)

    def of_layer(
        self,
        layer: nn.Module | None,
        *,
        first: bool,
        non_negative: bool,
        rectified: bool,
        at_image: bool,
    ) -> Ruled | None:
        """Return a layer with weights and its rule, None for the epsilon rule."""
        own = self.first if first else None
        if isinstance(layer, nn.Conv2d):
            chosen = own or self.convolutions
            rule = None if chosen is None else chosen.form(layer, non_negative, rectified)
        elif isinstance(layer, nn.Linear):
            rule = self.dense if own is None else own.general
        else:
            return None
        return None if rule is None else Ruled(layer, rule, at_image, by_unit=own is None)


class _Propagate(torch.autograd.Function):
    """A layer forwards, its rule backwards.

    Hooks would replace a gradient after autograd has computed it; here it is never computed.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, layer: nn.Module, rule: Rule, at_image: bool, by_unit: bool
    ) -> torch.Tensor:
        outputs = layer(inputs)
        ctx.save_for_backward(inputs, outputs)
        ctx.layer, ctx.rule, ctx.at_image, ctx.by_unit = layer, rule, at_image, by_unit
        return outputs

    @staticmethod
    def backward(ctx: Any, share: torch.Tensor) -> Any:
        inputs, outputs = ctx.saved_tensors
        found = ctx.rule(ctx.layer, inputs, outputs, share * outputs)
        if ctx.at_image and ctx.by_unit:
            found.mul_(inputs)
        elif not ctx.at_image and not ctx.by_unit:
            found.div_(inputs.masked_fill(inputs == 0, 1))  # where x is 0, c adds nothing
        return found, None, None, None, None


class Ruled(nn.Module):
    """A layer whose backward pass is a relevance rule.

    Parameters
    ----------
    layer
        As it was.
    rule
        Its rule.
    at_image
        Whether its inputs are pixels, which get relevance R and not c = R / x.
    by_unit
        Whether the rule returns c and not R.
    """

    def __init__(
        self, layer: nn.Module, rule: Rule, at_image: bool = False, by_unit: bool = True
    ) -> None:
        super().__init__()
        self.layer = layer
        self.rule = rule
        self.at_image = at_image
        self.by_unit = by_unit

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the layer returns."""
        return _Propagate.apply(inputs, self.layer, self.rule, self.at_image, self.by_unit)


def attach_rules(graph: fx.GraphModule, rules: Rules) -> fx.GraphModule:
    """Put the rules on a network in canonical form, in place: its gradient is then relevance.

    The gradient of a logit by the pixels is then their relevance for it; it has to begin with 1.
    """
    of_image, pixels, gates = values(graph), _pixels(graph), _gates(graph)
    positive, before_relu = non_negative(graph), rectified(graph)
    steps = [
        n for n in graph.graph.nodes if n in of_image and n.op not in ("placeholder", "output")
    ]
    layers = [n for n in steps if isinstance(module_at(graph, n), (*LINEARS, *INTERVENTIONS))]
    for node in steps:  # products first: they are told by what goes into them
        if node in layers:
            continue
        of_image.update(_put_at_pixels(graph, node, pixels))
        layer = module_at(graph, node)
        if layer is None:
            _put_on_function(graph, node, rules, of_image, gates)
        else:
            _put_on_module(graph, node, layer, rules)
    first = True
    for node in layers:
        layer, before = module_at(graph, node), node.all_input_nodes[0]
        ruled = rules.of_layer(
            layer,
            first=first,
            non_negative=before in positive,
            rectified=node in before_relu,
            at_image=before in pixels,
        )
        if ruled is not None:
            put_module(graph, node, ruled)
        else:
            _put_epsilon(graph, node, rules.epsilon, at_image=before in pixels)
        first = first and not isinstance(layer, LINEARS)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _put_epsilon(graph: fx.GraphModule, node: fx.Node, epsilon: float, *, at_image: bool) -> None:
    """Put the epsilon rule on a layer with weights, or an intervention."""
    if at_image:
        _insert(graph, node, node.all_input_nodes[0], _token_rules.Relevance())
    put_behind(graph, node, _token_rules.Damped(epsilon), f"behind_{node.name}")


def _put_on_module(graph: fx.GraphModule, node: fx.Node, layer: nn.Module, rules: Rules) -> None:
    """Make a module that is not linear go back by its rule."""
    if isinstance(layer, Attend):
        layer.matmul, layer.softmax = _token_rules.attention(rules.products)
    elif isinstance(layer, ResponseNorm):
        layer.response = _token_rules.constant(layer.responses)
    elif isinstance(layer, nn.Softmax) and rules.products == "signal":
        put_behind(graph, node, _token_rules.Constant(), f"behind_{node.name}")
    elif is_activation(layer) and not isinstance(layer, nn.ReLU):
        put_module(graph, node, _token_rules.Activated(layer))
    elif isinstance(layer, Grouped):
        put_module(graph, node, Ruled(layer, _general_rules.pooled, by_unit=False))
    elif (norm := _token_rules.norm(layer)) is not None:
        put_module(graph, node, norm)


def _pixels(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the steps whose values are pixels, moved or on another scale."""
    of_image, found = values(graph), set[fx.Node]()
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        function = node.op in ("call_function", "call_method") and node.target in MOVING_FUNCTIONS
        carries = function or isinstance(module, (*MOVES, Rescaled, Resized))
        parents = factors(node, of_image)
        if node.op == "placeholder" or (carries and all(part in found for part in parents)):
            found.add(node)
    return found & of_image


def _put_at_pixels(graph: fx.GraphModule, node: fx.Node, pixels: set[fx.Node]) -> list[fx.Node]:
    """Make pixels that go into this step get relevance, and keep it where their scale changes.

    Returns the steps that were put in between.
    """
    layer = module_at(graph, node)
    if node in pixels:
        if isinstance(layer, Rescaled):
            put_module(graph, node, _token_rules.Rescaling(layer))
        return []
    before = [one for one in node.all_input_nodes if one in pixels]
    return [_insert(graph, node, one, _token_rules.Relevance()) for one in before]


def _insert(graph: fx.GraphModule, node: fx.Node, before: fx.Node, module: nn.Module) -> fx.Node:
    """Put a module between a step and one before it."""
    name = f"between_{before.name}_{node.name}"
    graph.add_submodule(name, module)
    with graph.graph.inserting_before(node):
        between = graph.graph.call_module(name, (before,))
    node.replace_input_with(before, between)
    return between


def _put_on_function(
    graph: fx.GraphModule,
    node: fx.Node,
    rules: Rules,
    of_image: set[fx.Node],
    gates: set[fx.Node],
) -> None:
    """Make a function that is not linear in what it gets of the image go back by its rule."""
    parts = factors(node, of_image)
    if node.target in (*PRODUCTS, *MATRIX_PRODUCTS) and len(parts) == 2:
        chosen = set(parts) & gates
        signal = rules.products == "signal" and len(chosen) == 1
        for part in chosen if signal else set(parts):
            rule = _token_rules.Constant() if signal else _token_rules.Half()
            _insert(graph, node, part, rule)
    elif node.target in SOFTMAXES and rules.products == "signal":
        put_behind(graph, node, _token_rules.Constant(), f"behind_{node.name}")
    elif node.target in _token_rules.NORMS:
        node.target = _token_rules.NORMS[node.target]
    elif node.target in ACTIVATING_FUNCTIONS:
        function = _token_rules.Function(node.target, node.args[1:], dict(node.kwargs))
        node.args, node.kwargs = node.args[:1], {}
        put_module(graph, node, _token_rules.Activated(function))


def _gates(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the steps that say how much of another value passes: shares from 0 to 1."""
    found: set[fx.Node] = set()
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        moves = node.target in MOVING_FUNCTIONS or isinstance(module, MOVES)
        carries = moves and any(part in found for part in node.all_input_nodes[:1])
        if isinstance(module, GATES) or node.target in GATING_FUNCTIONS or carries:
            found.add(node)
    return found
