"""What guided backpropagation and the deconvnet share: a ReLU that goes back in another way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import nn

from rightreasons.models.classifier import Grouped
from rightreasons.saliency import Attribution
from rightreasons.saliency._passes import unchecked
from rightreasons.saliency._trace import (
    AFFINE,
    AFFINE_FUNCTIONS,
    INTERVENTIONS,
    MAX_POOLS,
    module_at,
    put_module,
    refuse_other_steps,
    separate,
    trace,
)

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier

ADVICE = (
    "Allowed are networks whose only activation is ReLU or ReLU6: small_cnn, ResNets, ResNeXts, "
    "VGGs, AlexNet, SqueezeNets, DenseNets, efficientnet_lite0. Choose one of them as "
    "model.architecture, or another explainer, such as integrated_gradients."
)


class Cap(nn.Module):
    """min(x, 6): ReLU6 is a ReLU and this, and the ReLU is what goes back in another way."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the capped inputs, in their shape."""
        return inputs.clamp(max=6)


def explain_with(
    method: Callable[[nn.Module], Any], model: Classifier, explainer: str
) -> Callable[[torch.Tensor, torch.Tensor], Attribution]:
    """Return the function that explains with captum's `method`, on a copy of `model`.

    In the copy every ReLU of the forward pass, module or function, is a module of its own.
    Raises UserError, in the name of `explainer`, for a network with another activation.
    """
    network = separate(trace(model, explainer, ADVICE), (nn.ReLU, nn.ReLU6))
    refuse_other_steps(
        network,
        (*AFFINE, *INTERVENTIONS, *MAX_POOLS, nn.ReLU, nn.ReLU6, Grouped),
        (*AFFINE_FUNCTIONS, F.max_pool2d),
        explainer,
        ADVICE,
    )
    for node in network.graph.nodes:
        if isinstance(module_at(network, node), nn.ReLU6):
            put_module(network, node, nn.Sequential(nn.ReLU(), Cap()))
    network.recompile()

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
            parts = method(network).attribute(inputs.detach().requires_grad_(), target=classes)
        return unchecked(parts.detach().sum(1))

    return explain
