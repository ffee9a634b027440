"""The network that captum's DeepLIFT needs, and its call."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import fx, nn

from rightreasons.saliency._trace import (
    AFFINE,
    AFFINE_FUNCTIONS,
    module_at,
    put_module,
    refuse_other_steps,
    separate,
    trace,
)

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

# Those that captum has a rule for. Its rule for softmax mixes the images of a batch.
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Softplus)
ADVICE = (
    "Allowed are networks of convolutions, linear layers, batch norm, max and average pooling, "
    "sums, concatenations and the activations ReLU, ReLU6, LeakyReLU, ELU, Sigmoid, Tanh, "
    "Softplus as modules: small_cnn, ResNets, ResNeXts, VGGs, AlexNet, SqueezeNets, DenseNets, "
    "efficientnet_lite0. Choose one of them as model.architecture, or another explainer, such as "
    "integrated_gradients."
)


class Windows(nn.Module):
    """The windows of a max pooling layer side by side: (N, C, h, w) -> (N, C, h' k, w' l).

    Max pooling by k x l without overlap then gives what `pool` gives. Captum's rule for max
    pooling loses what an input pixel owes to all but one of the windows whose maximum it is.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        names = ("kernel_size", "stride", "padding", "dilation")
        self.kernel, self.stride, self.padding, self.dilation = (
            _pair(getattr(pool, name)) for name in names
        )
        self.ceil = pool.ceil_mode

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the windows; what lies beyond the border is the lowest finite number."""
        shape = (self.kernel, self.stride, self.padding, self.dilation)
        size = F.max_pool2d(inputs[:1, :1].detach(), *shape, self.ceil).shape[2:]
        places = [
            (torch.arange(n)[:, None] * s + torch.arange(k) * d).flatten().to(inputs.device)
            for n, k, s, d in zip(size, self.kernel, self.stride, self.dilation, strict=True)
        ]
        beyond = [
            max(0, int(place[-1]) + 1 - side - p)
            for place, side, p in zip(places, inputs.shape[2:], self.padding, strict=True)
        ]
        frame = (self.padding[1], beyond[1], self.padding[0], beyond[0])
        padded = F.pad(inputs, frame, value=torch.finfo(inputs.dtype).min)
        return padded.index_select(2, places[0]).index_select(3, places[1])


class CappedReLU(nn.Module):
    """ReLU6 as two ReLUs, for which captum has a rule: y - relu(y - 6) with y = relu(x).

    Their multipliers give the rescale rule's for ReLU6: (dy / dx) (1 - d relu(y - 6) / dy).
    """

    def __init__(self) -> None:
        super().__init__()
        self.below, self.above = nn.ReLU(), nn.ReLU()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ReLU6 of the inputs, in their shape."""
        outputs = self.below(inputs)
        return outputs - self.above(outputs - 6)


def differences_network(model: Classifier) -> fx.GraphModule:
    """Return a copy of `model`, the same function, on which captum's DeepLIFT is complete.

    Every call of an activation or of max pooling has a module and an input of its own, and max
    pooling has windows that do not overlap. Raises UserError for a step without a rule.
    """
    graph = separate(trace(model, "deeplift", ADVICE), (*ACTIVATIONS, nn.ReLU6, nn.MaxPool2d))
    known = (*AFFINE, *ACTIVATIONS, nn.ReLU6, nn.MaxPool2d)
    refuse_other_steps(graph, known, AFFINE_FUNCTIONS, "deeplift", ADVICE)
    for node in graph.graph.nodes:
        module = module_at(graph, node)
        if isinstance(module, nn.MaxPool2d):
            windows = Windows(module), nn.MaxPool2d(module.kernel_size)
            put_module(graph, node, nn.Sequential(*windows))
        elif isinstance(module, nn.ReLU6):
            put_module(graph, node, CappedReLU())
    graph.recompile()
    return graph


def share_out(
    network: fx.GraphModule, inputs: torch.Tensor, baseline: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """Return the contributions (N, 3, H, W) to the logits' differences to `baseline` (1, 3, H, W).

    Puts 2 N images through the network.
    """
    from captum.attr import DeepLift

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        parts = DeepLift(network).attribute(
            inputs.detach().requires_grad_(), baseline, target=classes
        )
    return parts.detach()


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
