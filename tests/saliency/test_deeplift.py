"""DeepLIFT against its rules in matrix form, and completeness on whole networks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import EXPLAINERS, Attribution

MEAN, STD = torch.tensor([IMAGENET_MEAN, IMAGENET_STD], dtype=torch.double)[..., None, None]
STARTS = {"mean": torch.zeros(3, 1, 1).double(), "black": -MEAN / STD}


def images(n: int, height: int = 48, width: int = 64) -> torch.Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(1))


def explain(
    model: nn.Module, inputs: torch.Tensor, classes: list[int], **params: object
) -> Attribution:
    explainer = EXPLAINERS["deeplift"]
    with explainer.run(model, explainer.params(**params), torch.Generator()) as run:
        return run(inputs, torch.tensor(classes))


# --- The rules a second time: one image, dense matrices, loops over windows. --------------------


def as_matrix(layer: nn.Module, shape: torch.Size) -> torch.Tensor:
    """Return w (inputs, outputs) of an affine layer on one image of `shape`."""
    unit = torch.eye(shape.numel(), dtype=torch.double).reshape(-1, *shape)
    return layer(unit).flatten(1) - layer(torch.zeros(1, *shape, dtype=torch.double)).flatten()


def slow_relu(x: torch.Tensor, r: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    """Return the multipliers m (y - y') / (x - x') of the rescale rule."""
    return m * (x.relu() - r.relu()) / (x - r)


def slow_max_pool(
    pool: nn.MaxPool2d, x: torch.Tensor, r: torch.Tensor, m: torch.Tensor
) -> torch.Tensor:
    """Return multipliers (C, h, w): y - y' belongs to the places of both maxima.

    With top = max(y, y'), the place of y has top - y' and the place of y' has y - top.
    """
    given = torch.zeros_like(x)
    k, s, p = pool.kernel_size, pool.stride, pool.padding
    for c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in m.shape)).tolist():
        rows = [row for row in range(i * s - p, i * s - p + k) if 0 <= row < x.shape[1]]
        columns = [col for col in range(j * s - p, j * s - p + k) if 0 <= col < x.shape[2]]
        window = [(row, col) for row in rows for col in columns]
        here = max(window, key=lambda at: x[c, at[0], at[1]])
        there = max(window, key=lambda at: r[c, at[0], at[1]])
        y, reference = x[c, here[0], here[1]], r[c, there[0], there[1]]
        top = max(y, reference)
        given[c, here[0], here[1]] += m[c, i, j] * (top - reference)
        given[c, there[0], there[1]] += m[c, i, j] * (y - top)
    return torch.where(x == r, 0, given / (x - r))


POOLS = {
    "apart": nn.MaxPool2d(2),
    "overlapping": nn.MaxPool2d(3, 2),
    "padded": nn.MaxPool2d(3, 2, padding=1),
    "rounded up": nn.MaxPool2d(3, 2, ceil_mode=True),
}


class Net(nn.Module):
    """Convolution, batch norm, ReLU, max pooling, a residual sum in place, the same ReLU again."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.relu, self.pool = nn.BatchNorm2d(4), nn.ReLU(inplace=True), pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.norm(self.conv1(x))))
        out = self.conv2(x)
        out += x
        return torch.flatten(F.relu(self.relu(out)), 1)


def net(pool: nn.MaxPool2d) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = Net(pool).double()
        trunk.train()(torch.randn(20, 3, 6, 8, dtype=torch.double))
        width = trunk.eval()(torch.zeros(1, 3, 6, 8, dtype=torch.double)).shape[1]
        model = Classifier(trunk, nn.Linear(width, 2)).double()
        model.intervention = projection(torch.randn(width), torch.rand(width), 0.7).double()
    return model.eval()


def slow(model: Classifier, image: torch.Tensor, start: torch.Tensor, asked: int) -> torch.Tensor:
    """Return the contributions (H, W) of one image, layer by layer from the logit down."""
    trunk = model.trunk
    first = nn.Sequential(trunk.conv1, trunk.norm)
    x1, r1 = (first(image[None])[0] for image in (image, start))
    x2, r2 = (trunk.pool(v.relu()[None])[0] for v in (x1, r1))
    x3, r3 = (trunk.conv2(v[None])[0] + v for v in (x2, r2))

    m = as_matrix(nn.Sequential(nn.Flatten(), model.intervention, model.head), x3.shape)[:, asked]
    m = slow_relu(x3, r3, m.reshape(x3.shape))
    m = (as_matrix(trunk.conv2, x2.shape) @ m.flatten()).reshape(x2.shape) + m
    m = slow_relu(x1, r1, slow_max_pool(trunk.pool, x1.relu(), r1.relu(), m))
    m = (as_matrix(first, image.shape) @ m.flatten()).reshape(image.shape)
    return (m * (image - start)).sum(0)


@pytest.mark.parametrize("baseline", ["mean", "black"])
@pytest.mark.parametrize("pool", POOLS)
@torch.no_grad()
def test_equals_the_rescale_rule_in_matrix_form(pool: str, baseline: str) -> None:
    model, inputs, classes = net(POOLS[pool]), images(3, 6, 8).double(), [0, 1, 1]
    start = STARTS[baseline].expand(3, 6, 8)
    found = explain(model, inputs, classes, baseline=baseline).maps
    for image, asked, result in zip(inputs, classes, found, strict=True):
        expected = slow(model, image, start, asked)
        torch.testing.assert_close(result, expected, rtol=1e-7, atol=1e-10)


# --- Completeness. ------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["mean", "black"])
@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18", "squeezenet1_0", "densenet121"])
def test_sums_to_the_difference_of_the_logits(architecture: str, baseline: str) -> None:
    model, inputs, classes = build_classifier(architecture), images(2), [0, 1]
    model.train()(inputs)  # batch norm as in training
    model.eval()
    result = explain(model, inputs, classes, baseline=baseline)
    start = STARTS[baseline].float().expand_as(inputs)
    gain = (model(inputs) - model(start)).detach()[range(2), classes]
    off = (result.maps.sum((1, 2)) - gain).abs() / gain.abs()
    assert off.max() < 1e-3
    torch.testing.assert_close(result.error, off, rtol=0, atol=1e-5)


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_an_image_equal_to_the_baseline_gets_zeros(baseline: str) -> None:
    start = STARTS[baseline].float().expand(2, 3, 48, 64)
    result = explain(build_classifier("small_cnn").eval(), start, [0, 1], baseline=baseline)
    assert result.maps.abs().max() < 1e-6
    assert (result.error < 1).all()


def test_a_part_equal_to_the_baseline_gets_zeros_whatever_the_batch() -> None:
    model, inputs = build_classifier("small_cnn").eval(), images(3)
    inputs[1:, :, :20] = STARTS["black"]
    inputs[0, :, 30:] = STARTS["black"]
    together = explain(model, inputs, [0, 1, 1], baseline="black")
    assert together.maps[1:, :20].abs().max() < 1e-6
    for i, asked in enumerate([0, 1, 1]):
        alone = explain(model, inputs[i : i + 1], [asked], baseline="black")
        torch.testing.assert_close(alone.maps[0], together.maps[i], rtol=1e-4, atol=1e-7)
    assert together.error.max() < 1e-3


# --- The network that it is made on. ------------------------------------------------------------


@pytest.mark.parametrize(
    "pool",
    [
        *POOLS.values(),
        nn.MaxPool2d((3, 2), (2, 3), padding=(1, 0)),
        nn.MaxPool2d(3, 1, padding=1),
        nn.MaxPool2d(2, 2, dilation=2),
        nn.MaxPool2d(3, 4, ceil_mode=True),
    ],
)
def test_max_pooling_of_windows_side_by_side_is_max_pooling(pool: nn.MaxPool2d) -> None:
    from rightreasons.saliency._rescale import Windows

    inputs = images(2, 13, 10).double().requires_grad_()
    outputs = pool(inputs)
    apart = nn.MaxPool2d(pool.kernel_size)(Windows(pool)(inputs))
    assert torch.equal(apart, outputs)
    weights = torch.randn(outputs.shape, dtype=torch.double)
    gradients = [torch.autograd.grad(out, inputs, weights)[0] for out in (outputs, apart)]
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize(
    ("architecture", "what"),
    [("mobilenet_v3_small", "Hardswish"), ("efficientnet_b0", "SiLU"), ("regnet_y_400mf", "mul")],
)
def test_a_step_without_a_rule_is_refused_before_anything_is_explained(
    architecture: str, what: str
) -> None:
    explainer = EXPLAINERS["deeplift"]
    with (
        pytest.raises(UserError, match=rf"no rule for {what} (?s:.)*Allowed are"),
        explainer.run(build_classifier(architecture), explainer.params(), torch.Generator()),
    ):
        pass


def test_a_network_with_relu6_is_complete() -> None:
    model, inputs = build_classifier("efficientnet_lite0").double(), images(2).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1  # else so deep a network's logits hardly depend on the image
    model.train()(inputs)
    assert explain(model.eval(), inputs, [0, 1]).error.max() < 1e-6


def test_a_capped_relu_is_rescaled_as_one_step() -> None:
    """Multipliers of ReLU6 by the rescale rule are differences of outputs by those of inputs."""
    from captum.attr import DeepLift

    from rightreasons.saliency._rescale import CappedReLU

    inputs = torch.tensor([-2.0, 3.0, 8.0, 9.0, 2.0, -1.0], dtype=torch.double)[:, None]
    start = torch.tensor([1.0, 7.0, -3.0, 7.0, 4.0, -5.0], dtype=torch.double)[:, None]
    parts = DeepLift(nn.Sequential(CappedReLU())).attribute(inputs.requires_grad_(), start)
    torch.testing.assert_close(parts, F.relu6(inputs) - F.relu6(start))


def test_smooth_activations_are_rescaled_too() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3), nn.Sigmoid())
        model = Classifier(nn.Sequential(*trunk, nn.Flatten()), nn.Linear(2 * 8 * 12, 2)).eval()
    result = explain(model, images(2, 12, 16), [0, 1])
    assert result.error.max() < 1e-3
