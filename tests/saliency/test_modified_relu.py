"""Guided backpropagation and deconvnet against hand-written networks with their own ReLU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import DenseNet

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.saliency import EXPLAINERS

NAMES = ("guided_backprop", "deconvnet")
CLASSES = [0, 1, 1]
Relu = Callable[[torch.Tensor], torch.Tensor]


def images(height: int = 32, width: int = 40) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, height, width, generator=stream, dtype=torch.double)


def maps(name: str, model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    explainer = EXPLAINERS[name]
    with explainer.run(model, explainer.params(), torch.Generator()) as run:
        return run(inputs, torch.tensor(CLASSES)).maps


class Rectify(torch.autograd.Function):
    """ReLU whose backward pass is written out, straight from the papers."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rule: str) -> torch.Tensor:
        ctx.rule = rule
        ctx.save_for_backward(x)
        return x * (x > 0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (x,) = ctx.saved_tensors
        if ctx.rule == "guided_backprop":
            return gradient * (gradient > 0) * (x > 0), None
        if ctx.rule == "deconvnet":
            return gradient * (gradient > 0), None
        return gradient * (x > 0), None


def slow_maps(
    forward: Callable[[torch.Tensor, Relu], torch.Tensor], rule: str, inputs: torch.Tensor
) -> torch.Tensor:
    """Return the maps of a hand-written forward pass (inputs, relu) -> logits, one by one."""
    found = []
    for image, asked in zip(inputs, CLASSES, strict=True):
        point = image[None].clone().requires_grad_()
        logits = forward(point, lambda x: Rectify.apply(x, rule))
        (gradient,) = torch.autograd.grad(logits[0, asked], point)
        found.append(gradient[0].sum(0))
    return torch.stack(found)


class Awkward(nn.Module):
    """One ReLU module for two calls, ReLU functions, a sum in place, inputs that two steps read."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(n, 5, 3, padding=1) for n in (3, 5, 5))
        self.norm = nn.BatchNorm2d(5)
        self.same = nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.conv1(x)))
        x = F.max_pool2d(x, 2)
        out = self.conv2(x)
        out += x
        x = self.conv3(self.relu(out))
        x = x + torch.relu(self.same(x))  # the ReLU and the sum read the same tensor
        x = torch.cat([F.relu(x), x, x.relu()], 1)
        return torch.flatten(F.adaptive_avg_pool2d(x, 2), 1)


def awkward() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Classifier(Awkward(), nn.Linear(60, 2)).double()
        model.intervention = projection(torch.randn(60), torch.rand(60), 0.7).double()
        model(torch.randn(20, 3, 12, 16, dtype=torch.double))
    return model.eval()


def slow_awkward(model: Classifier, x: torch.Tensor, relu: Relu) -> torch.Tensor:
    net = model.trunk
    x = F.max_pool2d(relu(net.norm(net.conv1(x))), 2)
    x = net.conv3(relu(net.conv2(x) + x))
    x = x + relu(x)
    x = torch.cat([relu(x), x, relu(x)], 1)
    return model.classify(F.adaptive_avg_pool2d(x, 2).flatten(1))


def resnet18() -> Classifier:
    model = build_classifier("resnet18").double()
    model.train()(images())  # batch norm as in training
    return model.eval()


def slow_resnet18(model: Classifier, x: torch.Tensor, relu: Relu) -> torch.Tensor:
    net = model.trunk
    x = F.max_pool2d(relu(net.bn1(net.conv1(x))), 3, 2, 1)
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            skip = x if block.downsample is None else block.downsample(x)
            x = relu(block.bn1(block.conv1(x)))
            x = relu(block.bn2(block.conv2(x)) + skip)
    return model.classify(x.mean((2, 3)))


def lite() -> Classifier:
    model = build_classifier("efficientnet_lite0").double()
    model.trunk.dropout.p = 0
    model.train()(images())  # batch norm as in training
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight *= 3  # some activations reach 6
    return model.eval()


def slow_lite(model: Classifier, x: torch.Tensor, relu: Relu) -> torch.Tensor:
    def step(layers: Any, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = layers.conv.kernel_size[0], layers.conv.stride[0]
        if stride == 2:
            x = F.pad(x, (kernel // 2 - 1, kernel // 2, kernel // 2 - 1, kernel // 2))
        x = layers.bn(layers.conv(x))
        return x if not hasattr(layers, "relu") else torch.where(x < 6, relu(x), 6.0)

    net = model.trunk
    x = step(net.stem, x)
    for block in net.blocks:
        y = x
        for name in ("expand", "depthwise", "project"):
            y = step(getattr(block, name), y) if hasattr(block, name) else y
        x = x + y if x.shape == y.shape else y
    return model.classify(step(net.last, x).mean((2, 3)))


NETWORKS = [(awkward, slow_awkward), (resnet18, slow_resnet18), (lite, slow_lite)]
#: Functional pooling and ReLUs, chunks, views and transposes, concatenations, ReLU6.
OTHERS = ["densenet", "googlenet", "mnasnet0_5", "mobilenet_v2", "shufflenet_v2_x0_5"]


def other(architecture: str) -> Classifier:
    if architecture == "densenet":
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trunk = DenseNet(8, (2, 2), 8, num_classes=5)
            model = Classifier(trunk, nn.Linear(5, 2)).double()
    else:
        model = build_classifier(architecture).double()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    model.train()(images())  # batch norm as in training
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("build", "slow"), NETWORKS)
def test_equals_a_hand_written_network_with_its_own_relu(name: str, build: Any, slow: Any) -> None:
    model, inputs = build(), images()

    def forward(x: torch.Tensor, relu: Relu) -> torch.Tensor:
        return slow(model, x, relu)

    torch.testing.assert_close(forward(inputs, torch.relu), model(inputs))
    expected = slow_maps(forward, name, inputs)
    torch.testing.assert_close(maps(name, model, inputs), expected, rtol=1e-7, atol=1e-12)
    for other in ("gradient", *NAMES):  # the rules differ on this network
        if other != name:
            gap = (slow_maps(forward, other, inputs) - expected).norm() / expected.norm()
            assert gap > 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("architecture", OTHERS)
def test_equals_the_network_whose_every_relu_is_another(
    name: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision's own code, with PyTorch's ReLU functions replaced."""
    model, inputs = other(architecture), images()
    found = maps(name, model, inputs)

    def relu(x: torch.Tensor, inplace: bool = False) -> torch.Tensor:
        return Rectify.apply(x, name)

    with monkeypatch.context() as patched:
        patched.setattr(F, "relu", relu)
        patched.setattr(F, "hardtanh", lambda x, *_: torch.where(x < 6, relu(x), 6.0))  # ReLU6's
        expected = slow_maps(lambda x, _: model(x), name, inputs)
    assert (found - expected).norm() / expected.norm() < 1e-9
    gradient = slow_maps(lambda x, _: model(x), name, inputs)
    assert (gradient - expected).norm() / expected.norm() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_network_without_relu_has_its_gradient(name: str) -> None:
    model = Classifier(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()), nn.Linear(48, 2)).double()
    explainer = EXPLAINERS["gradient"]
    with explainer.run(model, explainer.params(), torch.Generator()) as run:
        expected = run(images(6, 8), torch.tensor(CLASSES)).maps
    torch.testing.assert_close(maps(name, model, images(6, 8)), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("architecture", "what"),
    [
        ("mobilenet_v3_small", r"Hardswish in trunk.features.0.2"),
        ("efficientnet_b0", r"SiLU in trunk.features.0.2"),
        ("regnet_y_400mf", r"Sigmoid in trunk.trunk_output.block1.block1-0.f.se.scale_activation"),
        ("convnext_tiny", r"layer_norm in trunk.features.0.1"),
        ("vit_b_32", r"LayerNorm in trunk.encoder.layers.encoder_layer_0.ln_1"),
    ],
)
def test_another_step_is_refused(name: str, architecture: str, what: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: there is no rule for {what}. (?s:.)*only act"):
        maps(name, build_classifier(architecture), images())


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_function_is_refused(name: str) -> None:
    class Gelu(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.gelu(x).flatten(1)

    with pytest.raises(UserError, match=f"{name}: there is no rule for gelu"):
        maps(name, Classifier(Gelu(), nn.Linear(3 * 48, 2)).double(), images(6, 8))
