"""What guided backpropagation and the deconvnet share: a ReLU that goes back in another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import fx, nn

from rightreasons.models.classifier import Grouped
from rightreasons.saliency import Attribution
from rightreasons.saliency._passes import input_gradient, unchecked
from rightreasons.saliency._steps import (
    INTERVENTIONS,
    MAX_POOLS,
    POOLING_FUNCTIONS,
    RECTIFYING_FUNCTIONS,
    is_linear,
    module_at,
    put_module,
    refuse_other_steps,
    values,
)
from rightreasons.saliency._trace import trace

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

Rule = Literal["guided_backprop", "deconvnet"]
ADVICE = (
    "Allowed are networks whose only activation is ReLU or ReLU6, without gates and attention: "
    "small_cnn, efficientnet_lite0, ResNets, ResNeXts, RegNets X, VGGs, AlexNet, SqueezeNets, "
    "DenseNets, GoogLeNet, Inception, MNASNets, MobileNet V2, ShuffleNets V2. Choose one of them "
    "as model.architecture, or another explainer, such as integrated_gradients."
)


class _Rectify(torch.autograd.Function):
    """max(x, 0) forwards; backwards g [g > 0], and with guided backpropagation only where x > 0."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, rule: Rule) -> torch.Tensor:
        ctx.passes = (inputs > 0) if rule == "guided_backprop" else None
        return inputs.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, signal: torch.Tensor) -> Any:
        signal = signal.clamp_min(0)
        return signal if ctx.passes is None else signal * ctx.passes, None


class ModifiedReLU(nn.Module):
    """A ReLU with the backward pass of a rule.

    Parameters
    ----------
    rule
        The rule, named as its explainer.
    cap
        The highest value that is passed on: ReLU6 is a ReLU and a cap, whose own derivative stays.
    """

    def __init__(self, rule: Rule, cap: float | None = None) -> None:
        super().__init__()
        self.rule, self.cap = rule, cap

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the rectified inputs, in their shape."""
        outputs: torch.Tensor = _Rectify.apply(inputs, self.rule)
        return outputs if self.cap is None else outputs.clamp_max(self.cap)


def explain_with(
    rule: Rule, model: Classifier
) -> Callable[[torch.Tensor, torch.Tensor], Attribution]:
    """Return the function that explains by a rule, on a copy of `model`.

    Raises UserError, in the name of the rule, for a network with another step that is not linear.
    """
    network = trace(model, rule, ADVICE)
    of_image = values(network)
    refuse_other_steps(
        network,
        lambda node, module: is_linear(network, node, of_image) or _is_known(node, module),
        rule,
        ADVICE,
    )
    for node in network.graph.nodes:
        module = module_at(network, node)
        six = isinstance(module, nn.ReLU6) or node.target is F.relu6
        if six or isinstance(module, nn.ReLU) or node.target in RECTIFYING_FUNCTIONS:
            node.args, node.kwargs = node.args[:1], {}
            put_module(network, node, ModifiedReLU(rule, 6.0 if six else None))
    network.recompile()

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        return unchecked(input_gradient(network, inputs, classes).sum(1))

    return explain


def _is_known(node: fx.Node, module: nn.Module | None) -> bool:
    """Return whether a step that is not linear is a ReLU, or goes back as in the gradient."""
    if module is None:
        return node.target in (*RECTIFYING_FUNCTIONS, F.relu6, *POOLING_FUNCTIONS)
    return isinstance(module, (nn.ReLU, nn.ReLU6, *MAX_POOLS, *INTERVENTIONS, Grouped))
