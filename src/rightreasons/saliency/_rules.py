"""Relevance rules on a network: for any layer (`_general_rules`), cheaper ones (`_conv_rules`).

Which rule a layer gets follows from the network's structure, so that the choice, and with it an
image's map, never depends on the values in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import fx, nn

from rightreasons.models.classifier import Rescaled
from rightreasons.saliency import _conv_rules, _general_rules
from rightreasons.saliency._canonize import ACTIVATIONS, Residual, non_negative, rectified
from rightreasons.saliency._general_rules import STABILIZER, stabilize
from rightreasons.saliency._trace import AVERAGES, INTERVENTIONS, LINEARS, module_at, put_module

#: From a layer, its inputs, outputs and the outputs' relevance to the inputs' relevance.
Rule = Callable[[Any, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class ConvRules:
    """One rule of the literature, in the forms that give the same in different places.

    general: for every layer. The others, None where there is no cheaper form, are for
    convolutions: signed for any inputs; positive for inputs of at least 0; between for those
    before a ReLU.
    """

    general: Rule
    signed: Rule | None = None
    positive: Rule | None = None
    between: Rule | None = None

    def form(self, layer: nn.Module, non_negative: bool, rectified: bool) -> Rule:
        """Return the cheapest form for a layer."""
        if not _conv_rules.plain(layer):
            return self.general
        if non_negative:
            chosen = (rectified and self.between) or self.positive
        else:
            chosen = self.signed if layer.groups == 1 else None
        return chosen or self.general


@dataclass(frozen=True)
class Rules:
    """Which rule a layer gets.

    first: for the convolution that is executed first, None where it is as the others.
    convolutions: for the others. dense: for linear layers, and for interventions that stay steps.
    """

    first: ConvRules | None
    convolutions: ConvRules
    dense: Rule

    @classmethod
    def of_composite(
        cls, name: str, epsilon: float, gamma: float, box: tuple[torch.Tensor, torch.Tensor]
    ) -> Rules:
        """Return the rules of a composite, named as in zennit.

        box: lowest and highest possible input, each (1, 3, 1, 1).
        """
        plus = ConvRules(_general_rules.plus, _conv_rules.plus_signed, _conv_rules.plus)
        alpha_beta = ConvRules(
            partial(_general_rules.alpha_beta, alpha=2.0, beta=1.0),
            partial(_conv_rules.alpha_beta_signed, alpha=2.0, beta=1.0),
            partial(_conv_rules.alpha_beta, alpha=2.0, beta=1.0),
        )
        gammas = ConvRules(
            partial(_general_rules.gamma, gamma=gamma),
            positive=partial(_conv_rules.gamma, gamma=gamma),
            between=partial(_conv_rules.gamma_before_relu, gamma=gamma),
        )
        low, high = box
        boxed = partial(_conv_rules.box, low=low, high=high)
        of_box = ConvRules(partial(_general_rules.box, low=low, high=high), boxed, boxed)
        composites = {
            "epsilon_plus": (None, plus),
            "epsilon_plus_flat": (ConvRules(_general_rules.flat), plus),
            "epsilon_gamma_box": (of_box, gammas),
            "epsilon_alpha2_beta1": (None, alpha_beta),
        }
        return cls(*composites[name], partial(_general_rules.epsilon, epsilon=epsilon))

    def of_layer(
        self, layer: nn.Module | None, *, first: bool, non_negative: bool, rectified: bool
    ) -> Rule | None:
        """Return the rule of a layer, None where relevance follows the gradient."""
        if isinstance(layer, (*ACTIVATIONS, Rescaled)):
            return _general_rules.unchanged
        if isinstance(layer, AVERAGES):
            return partial(_general_rules.epsilon, epsilon=STABILIZER)
        if isinstance(layer, INTERVENTIONS):
            return self.dense
        if not isinstance(layer, LINEARS):
            return None
        if first and self.first is not None:
            return self.first.form(layer, non_negative, rectified)
        if isinstance(layer, nn.Linear):
            return self.dense
        return self.convolutions.form(layer, non_negative, rectified)


class _Propagate(torch.autograd.Function):
    """A layer forwards, its rule backwards.

    Hooks would replace a gradient after autograd has computed it; here it is never computed.
    """

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, layer: nn.Module, rule: Rule) -> torch.Tensor:
        outputs = layer(inputs)
        ctx.save_for_backward(inputs, outputs)
        ctx.layer, ctx.rule = layer, rule
        return outputs

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> Any:
        return ctx.rule(ctx.layer, *ctx.saved_tensors, relevance), None, None


class _Share(torch.autograd.Function):
    """A sum of two branches forwards; backwards each gets relevance by its share of the sum."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(a, b)
        return a + b

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> Any:
        a, b = ctx.saved_tensors
        share = relevance / stabilize(a + b, STABILIZER)
        return a * share, b * share


class Ruled(nn.Module):
    """A layer whose backward pass is a relevance rule."""

    def __init__(self, layer: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.layer = layer
        self.rule = rule

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the layer returns."""
        return _Propagate.apply(inputs, self.layer, self.rule)


class RuledResidual(nn.Module):
    """A residual sum whose backward pass divides relevance by the branches' shares."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return a + b."""
        return _Share.apply(a, b)


def attach_rules(graph: fx.GraphModule, rules: Rules) -> fx.GraphModule:
    """Put the rules on a network in canonical form, in place: its gradient is then relevance."""
    positive, before_relu = non_negative(graph), rectified(graph)
    first = True
    for node in graph.graph.nodes:
        layer = module_at(graph, node)
        if isinstance(layer, Residual):
            put_module(graph, node, RuledResidual())
            continue
        known = node.all_input_nodes != [] and node.all_input_nodes[0] in positive
        rule = rules.of_layer(layer, first=first, non_negative=known, rectified=node in before_relu)
        first = first and not isinstance(layer, LINEARS)
        if layer is not None and rule is not None:
            put_module(graph, node, Ruled(layer, rule))
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph
