"""Explainers a second time, as plainly as can be: what the matrix of explainers.md compares with.

A reference is a function of a network, images and classes that returns maps (N, H, W), or None
where it says nothing about the network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from rightreasons.models.classifier import Classifier

Tensor = torch.Tensor
Reference = Callable[[Classifier, Tensor, Tensor], Tensor | None]


def gradient(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Return the gradient (N, 3, H, W) of the logit asked for."""
    with torch.enable_grad():
        pixels = images.clone().requires_grad_()
        model(pixels).gather(1, classes[:, None]).sum().backward()
    assert pixels.grad is not None
    return pixels.grad


def captum_occlusion(model: Classifier, images: Tensor, classes: Tensor) -> Tensor | None:
    """Return the drop of each of 8 x 8 boxes by captum, shared out over the box."""
    from captum.attr import Occlusion

    side = images.shape[2] // 8
    if images.shape[2] % 8:
        return None
    window = (3, side, side)
    found = Occlusion(model).attribute(images, window, strides=window, target=classes)
    return found[:, 0] / side**2


def captum_path(model: Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """Return integrated gradients of 8 steps by captum."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(model).attribute(images, target=classes, n_steps=8).sum(1)


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, guided: bool) -> Tensor:
        ctx.mask = (x > 0) if guided else torch.ones_like(x, dtype=torch.bool)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> Any:
        return signal.clamp(min=0) * ctx.mask, None


class _EveryReLU(TorchFunctionMode):
    """Every call of a ReLU, wherever it is made from, goes back in another way."""

    def __init__(self, guided: bool) -> None:
        super().__init__()
        self.guided = guided

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        name = getattr(function, "__name__", "")
        if name in ("relu", "relu_"):
            return _Rectified.apply(args[0], self.guided)
        if name == "relu6" or (name.startswith("hardtanh") and _caps(args, kwargs or {})):
            return _Rectified.apply(args[0], self.guided).clamp(max=6)
        return function(*args, **(kwargs or {}))


def _caps(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a call of hardtanh is one of ReLU6."""
    told = {**dict(zip(("", "min_val", "max_val"), args, strict=False)), **kwargs}
    return told.get("min_val") == 0 and told.get("max_val") == 6


def rectified(guided: bool) -> Reference:
    """Return guided backpropagation or the deconvnet by intercepting functions."""

    def reference(model: Classifier, images: Tensor, classes: Tensor) -> Tensor:
        with _EveryReLU(guided):
            return gradient(model, images, classes).sum(1)

    return reference


def zennits(model: Classifier, images: Tensor, classes: Tensor) -> Tensor | None:
    """Return LRP (epsilon plus) by zennit, for networks that its canonizers know."""
    from zennit.composites import EpsilonPlus
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    kinds = {type(m).__name__ for m in model.modules()}
    known = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d)
    known = (*known, nn.AdaptiveAvgPool2d, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity)
    leaves = [m for m in model.modules() if not list(m.children())]
    sums = kinds & {"BasicBlock", "Bottleneck"}
    plain = kinds & {"VGG", "SqueezeNet", "Fire", "SmallCNN"}
    if not (sums or plain) or not all(isinstance(m, known) for m in leaves):
        return None
    canonizer = ResNetCanonizer() if sums else VGGCanonizer()
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # zennit leaves an epsilon in the norms it merges
            module.weight.data *= ((module.running_var) / (module.running_var + module.eps)).sqrt()
            module.running_var += module.eps
            module.eps = 0.0
    with EpsilonPlus(canonizers=[canonizer]).context(model) as network, torch.enable_grad():
        pixels = images.clone().requires_grad_()
        logits = network(pixels)
        start = F.one_hot(classes, 2) * logits.detach()
        (found,) = torch.autograd.grad(logits, pixels, start)
    return found.sum(1)


@contextmanager
def _heads(model: nn.Module) -> Iterator[list[Tensor]]:
    """Give the attention weights (N heads, tokens, tokens) of PyTorch's attention layers.

    Asked for weights, it computes them by a softmax that can be listened to.
    """
    found: list[Tensor] = []
    forward, softmax = nn.MultiheadAttention.forward, F.softmax

    def asked(self: nn.MultiheadAttention, *args: Any, **kwargs: Any) -> Any:
        return forward(self, *args, **{**kwargs, "need_weights": True})

    def heard(*args: Any, **kwargs: Any) -> Tensor:
        weights = softmax(*args, **kwargs)
        weights.retain_grad()
        found.append(weights)
        return weights

    nn.MultiheadAttention.forward = asked  # type: ignore[method-assign]
    F.softmax = heard  # type: ignore[assignment]
    try:
        yield found
    finally:
        nn.MultiheadAttention.forward = forward  # type: ignore[method-assign]
        F.softmax = softmax


def attention(by_gradient: bool) -> Reference:
    """Return attention rollout, or Chefer's relevance, for torchvision's vision transformers."""

    def reference(model: Classifier, images: Tensor, classes: Tensor) -> Tensor | None:
        if not any(isinstance(m, nn.MultiheadAttention) for m in model.modules()):
            return None
        with _heads(model) as layers, torch.enable_grad():
            model(images.clone().requires_grad_()).gather(1, classes[:, None]).sum().backward()
        n, tokens = len(images), layers[0].shape[-1]
        eye = torch.eye(tokens).to(images)
        joint = eye.expand(n, -1, -1)
        for layer in layers:
            assert layer.grad is not None
            weights, given = (t.detach().unflatten(0, (n, -1)) for t in (layer, layer.grad))
            if by_gradient:
                joint = joint + (given * weights).clamp(min=0).mean(1) @ joint
            else:
                joint = (weights.mean(1) + eye) / 2 @ joint
        side = int((tokens - 1) ** 0.5)
        grid = joint[:, 0, 1:].reshape(n, 1, side, side)
        return F.interpolate(grid, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]

    return reference


def on_classes(function: Callable[[Tensor, Tensor], Tensor]) -> Reference:
    """Return a reference that is a function of images and the gradient of the logit."""
    return lambda model, images, classes: function(images, gradient(model, images, classes))


REFERENCES: dict[str, Reference] = {
    "gradient": on_classes(lambda x, g: g.sum(1)),
    "gradient_squared": on_classes(lambda x, g: g.square().sum(1)),
    "input_x_gradient": on_classes(lambda x, g: (x * g).sum(1)),
    "integrated_gradients": captum_path,
    "occlusion": captum_occlusion,
    "guided_backprop": rectified(True),
    "deconvnet": rectified(False),
    "lrp": zennits,
    "attention_rollout": attention(False),
    "attention_relevance": attention(True),
}
