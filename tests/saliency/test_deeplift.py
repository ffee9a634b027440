"""DeepLIFT against its rules in matrix form, and completeness on whole networks."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import EXPLAINERS, Attribution
from tiny_networks import SIDE, TINY, tiny_network

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


# --- Captum, where it is right. -----------------------------------------------------------------


class Apart(nn.Module):
    """A copy: captum's rules change the gradient of the very tensor that a module is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clone()


def for_captum(name: str) -> nn.Sequential:
    """Return a trunk of modules called once, whose windows of max pooling do not overlap."""
    smooth = (
        *(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.ELU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3), nn.Softplus(), nn.Conv2d(4, 2, 3), nn.Sigmoid()),
        *(nn.AdaptiveAvgPool2d(2), nn.LeakyReLU(), nn.Flatten()),
    )
    layers = smooth if name == "smooth" else build_classifier(name).trunk
    return nn.Sequential(*(part for layer in layers for part in (Apart(), layer)))


@pytest.mark.parametrize("name", ["small_cnn", "smooth"])
def test_equals_captum_where_it_is_right(name: str) -> None:
    from captum.attr import DeepLift

    inputs = images(2, 24, 32).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = for_captum(name).double()
        width = trunk(inputs).shape[1]  # batch norm as in training
        model = Classifier(trunk, nn.Linear(width, 2)).double().eval()
    start, asked = STARTS["black"].expand(1, 3, 24, 32), torch.tensor([0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = DeepLift(model).attribute(inputs.clone().requires_grad_(), start, target=asked)
    found = explain(model, inputs, [0, 1], baseline="black").maps
    torch.testing.assert_close(found, parts.detach().sum(1), rtol=1e-7, atol=1e-10)


# --- Every family of torchvision's, small. ------------------------------------------------------


class Pooled(nn.Module):
    """Functions as in Inception and in networks of one's own: pooling, activations, softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.keys = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 1)
        self.norm, self.fc = nn.GroupNorm(2, 8), nn.Linear(24, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.hardswish(F.max_pool2d(self.conv(x), 3, stride=2))
        x = self.norm(x) * torch.sigmoid(F.avg_pool2d(x, 3, 1, 1))
        tokens, keys = x.flatten(2), F.gelu(self.keys(x)).flatten(2)
        weights = F.softmax(torch.einsum("nci,ncj->nij", tokens, keys), dim=-1)
        seen = F.layer_norm((weights @ tokens.transpose(1, 2)).mean(1), (8,))
        most = F.adaptive_max_pool2d(F.leaky_relu(x, 0.2), 1).flatten(1)
        return self.fc(torch.cat([seen, most, F.silu(x).mean((2, 3))], 1))


def small(family: str) -> tuple[Classifier, torch.Tensor]:
    """Return a small network of a family, in float64, and two images."""
    inputs = images(2, SIDE, SIDE)
    if family in TINY:
        return tiny_network(family), inputs
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(Pooled(), nn.Linear(8, 2)).double().eval(), inputs


@pytest.mark.parametrize("baseline", ["mean", "black"])
@pytest.mark.parametrize("family", [*TINY, "functions"])
def test_every_family_is_complete(family: str, baseline: str) -> None:
    model, inputs = small(family)
    exact = explain(model, inputs.double(), [0, 1], baseline=baseline)
    assert exact.error.max() < 1e-8
    assert exact.maps.abs().amax((1, 2)).min() > 0
    assert explain(model.float(), inputs, [0, 1], baseline=baseline).error.max() < 1e-3


@pytest.mark.parametrize("family", ["swin_v2", "maxvit"])
def test_windows_of_attention_stay_with_their_image(family: str) -> None:
    model, inputs = small(family)
    inputs = inputs.double()
    together = explain(model, inputs, [0, 1]).maps
    for i in range(2):
        alone = explain(model, inputs[i : i + 1], [i]).maps[0]
        torch.testing.assert_close(alone, together[i], rtol=1e-7, atol=1e-10)


class Ratio(nn.Module):
    """A quotient of two values of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x).mean((2, 3))
        return x / x.exp()


def test_a_step_without_a_rule_is_refused_before_anything_is_explained() -> None:
    explainer = EXPLAINERS["deeplift"]
    with (
        pytest.raises(UserError, match=r"no rule for exp (?s:.)*Allowed are"),
        explainer.run(Classifier(Ratio(), nn.Linear(4, 2)), explainer.params(), torch.Generator()),
    ):
        pass


def test_a_network_with_relu6_is_complete() -> None:
    model, inputs = build_classifier("efficientnet_lite0").double(), images(2).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1  # else so deep a network's logits hardly depend on the image
    model.train()(inputs)
    assert explain(model.eval(), inputs, [0, 1]).error.max() < 1e-6
