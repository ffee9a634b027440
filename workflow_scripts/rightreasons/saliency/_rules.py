"""Relevance rules: zennit's, and its convolution rules in fewer passes for non-negative inputs.

Behind a ReLU, the passes in which zennit's rules take the negative part of the input are exactly
zero. Which layers these are follows from the network's structure, so that the choice, and with it
an image's map, never depends on the values in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from rightreasons.saliency._canonize import ACTIVATIONS, Residual, non_negative
from rightreasons.saliency._trace import AVERAGES, LINEARS, module_at, put_module
from rightreasons.saliency._zennit import (
    AlphaBeta,
    BasicHook,
    ClampMod,
    Epsilon,
    Flat,
    Gamma,
    GammaMod,
    Hook,
    Norm,
    Pass,
    ZBox,
    ZPlus,
    stabilize,
)

STABILIZER = 1e-6


def _alias(inputs: torch.Tensor) -> torch.Tensor:
    # A tensor of its own: two passes on one tensor would each get the gradient of both.
    return inputs.detach()


class ZPlusNonNegative(BasicHook):
    """ZPlus (Montavon et al. 2017) for inputs of at least 0: one pass instead of two."""

    def __init__(self) -> None:
        super().__init__(
            input_modifiers=[_alias],
            param_modifiers=[ClampMod(min=0.0)],
            gradient_mapper=lambda relevance, z: [relevance / (z[0] + STABILIZER)],
        )


class AlphaBetaNonNegative(BasicHook):
    """Alpha-beta rule (Bach et al. 2015) for inputs of at least 0: two passes instead of four."""

    def __init__(self, alpha: float = 2.0, beta: float = 1.0) -> None:
        super().__init__(
            input_modifiers=[_alias, _alias],
            param_modifiers=[ClampMod(min=0.0), ClampMod(max=0.0)],
            gradient_mapper=lambda relevance, z: [
                alpha * relevance / stabilize(z[0], STABILIZER),
                -beta * relevance / stabilize(z[1], STABILIZER),
            ],
        )


class GammaNonNegative(BasicHook):
    """Generalised gamma rule (Andeol et al. 2021) for inputs of at least 0: two passes, not five.

    With z = z+ + z-, the passes give (1 + gamma) z+ + z- and z+ + (1 + gamma) z-; their sum is
    (2 + gamma) z, whose sign says which of the two a neuron uses.
    """

    def __init__(self, gamma: float = 0.25) -> None:
        super().__init__(
            input_modifiers=[_alias, _alias],
            param_modifiers=[GammaMod(gamma, min=0.0), GammaMod(gamma, max=0.0)],
            gradient_mapper=lambda relevance, z: [
                (z[0] + z[1] > 0) * relevance / stabilize(z[0], STABILIZER),
                (z[0] + z[1] < 0) * relevance / stabilize(z[1], STABILIZER),
            ],
        )


@dataclass(frozen=True)
class Rules:
    """Which rule a layer gets.

    first: for the convolution that is executed first, None where it is as the others.
    signed, behind_relu: for the other convolutions, by whether their inputs can be negative.
    dense: for linear layers.
    """

    first: Hook | None
    signed: Hook
    behind_relu: Hook
    dense: Hook

    @classmethod
    def of_composite(
        cls, name: str, epsilon: float, gamma: float, box: tuple[torch.Tensor, torch.Tensor]
    ) -> Rules:
        """Return the rules of zennit's composite of this name.

        box: lowest and highest possible input, each (1, 3, 1, 1).
        """
        dense = Epsilon(epsilon=epsilon)
        plus = (ZPlus(stabilizer=STABILIZER), ZPlusNonNegative())
        composites = {
            "epsilon_plus": (None, *plus),
            "epsilon_plus_flat": (Flat(stabilizer=STABILIZER), *plus),
            "epsilon_gamma_box": (
                ZBox(*box, stabilizer=STABILIZER),
                Gamma(gamma, stabilizer=STABILIZER),
                GammaNonNegative(gamma),
            ),
            "epsilon_alpha2_beta1": (
                None,
                AlphaBeta(2.0, 1.0, stabilizer=STABILIZER),
                AlphaBetaNonNegative(2.0, 1.0),
            ),
        }
        return cls(*composites[name], dense)

    def of_layer(self, layer: nn.Module | None, *, first: bool, non_negative: bool) -> Hook | None:
        """Return the rule of a layer, None where relevance follows the gradient."""
        if isinstance(layer, ACTIVATIONS):
            return Pass()
        if isinstance(layer, AVERAGES):
            return Norm(stabilizer=STABILIZER)
        if not isinstance(layer, LINEARS):
            return None
        if first and self.first is not None:
            return self.first
        if isinstance(layer, nn.Linear):
            return self.dense
        return self.behind_relu if non_negative else self.signed


class _Propagate(torch.autograd.Function):
    """A layer forwards, its rule backwards.

    zennit's hooks replace a gradient after autograd has computed it; here it is never computed.
    """

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, layer: nn.Module, rule: Hook) -> torch.Tensor:
        ctx.save_for_backward(inputs)
        ctx.layer, ctx.rule = layer, rule
        return layer(inputs)

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> Any:
        (inputs,) = ctx.saved_tensors
        ctx.rule.stored_tensors["input"] = (inputs,)
        (lower,) = ctx.rule.backward(ctx.layer, (inputs,), (relevance,))
        ctx.rule.stored_tensors.clear()
        return lower, None, None


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

    def __init__(self, layer: nn.Module, rule: Hook) -> None:
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
    positive = non_negative(graph)
    first = True
    for node in graph.graph.nodes:
        layer = module_at(graph, node)
        if isinstance(layer, Residual):
            put_module(graph, node, RuledResidual())
            continue
        known = node.all_input_nodes != [] and node.all_input_nodes[0] in positive
        rule = rules.of_layer(layer, first=first, non_negative=known)
        first = first and not isinstance(layer, LINEARS)
        if layer is not None and rule is not None:
            put_module(graph, node, Ruled(layer, rule))
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph
