"""LRP against the papers' formulas in matrix form, and what must hold for every network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lrp_networks import explain, images, randomise, tiny
from lrp_slow_rules import EPSILON, GAMMA, HIGH, LOW, as_matrix, slow_rule
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier

COMPOSITES = ("epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1")


# --- A network a second time: dense matrices, one image, layer by layer. -----------------------


def slow_max_pool(x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
    """Give the relevance of each 2 x 2 window to its largest value."""
    out = torch.zeros_like(x)
    for c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in relevance.shape)).tolist():
        best = x[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].argmax().item()
        out[c, 2 * i + best // 2, 2 * j + best % 2] += relevance[c, i, j]
    return out


def slow_lrp(model: Classifier, image: torch.Tensor, asked: int, composite: str) -> torch.Tensor:
    """Return the relevance (3, H, W) of one logit of the network `tiny`, layer by layer."""
    first, rest = {
        "epsilon_plus": ("plus", "plus"),
        "epsilon_plus_flat": ("flat", "plus"),
        "epsilon_gamma_box": ("box", "gamma"),
        "epsilon_alpha2_beta1": ("alpha2_beta1", "alpha2_beta1"),
    }[composite]
    conv, norm, _, _, block, *_ = model.trunk
    layer1 = nn.Sequential(conv, norm)
    layer2 = nn.Sequential(block.conv, block.bn)
    x0 = image
    x1 = layer1(x0[None])[0].relu()
    x2 = nn.functional.max_pool2d(x1[None], 2)[0]
    branch = layer2(x2[None])[0]
    x3 = (branch + x2).relu()
    x4 = x3.mean((1, 2))

    logits = model.classify(x4[None])[0]
    relevance = logits * torch.eye(2, dtype=torch.double)[asked]
    w, b = as_matrix(nn.Sequential(model.intervention, model.head), x4.shape)
    relevance = slow_rule("epsilon", x4, w, b, relevance)
    relevance = x3 / x3.sum((1, 2), keepdim=True) * relevance[:, None, None]
    share = torch.where(x3 > 0, relevance / (branch + x2), 0)
    w, b = as_matrix(layer2, x2.shape)
    through = slow_rule(rest, x2.flatten(), w, b, (branch * share).flatten()).reshape(x2.shape)
    relevance = slow_max_pool(x1, through + x2 * share)
    w, b = as_matrix(layer1, x0.shape)
    return slow_rule(first, x0.flatten(), w, b, relevance.flatten()).reshape(x0.shape)


@pytest.mark.parametrize("composite", COMPOSITES)
@torch.no_grad()
def test_every_composite_is_the_papers_rules_in_matrix_form(composite: str) -> None:
    model, inputs, classes = tiny(), images(3, 6, 8).double(), [0, 1, 1]
    got = explain(model, inputs, classes, composite=composite, gamma=GAMMA).maps
    for image, asked, found in zip(inputs, classes, got, strict=True):
        expected = slow_lrp(model, image, asked, composite).sum(0)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
@torch.no_grad()
def test_epsilon_shrinks_the_relevance_of_the_linear_layer(epsilon: float) -> None:
    model = tiny(projected=False)
    model.head.bias.zero_()
    small = explain(model, images(1, 6, 8).double(), [1], epsilon=1e-12).maps
    large = explain(model, images(1, 6, 8).double(), [1], epsilon=epsilon).maps
    logit = model(images(1, 6, 8).double())[0, 1].abs()
    torch.testing.assert_close(large, small * logit / (logit + epsilon), rtol=1e-6, atol=1e-12)


def test_values_below_zero_are_known_to_go_nowhere_only_where_relus_follow() -> None:
    from rightreasons.saliency._canonize import canonize, rectified

    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before_pool, self.twice, self.summed = (nn.Conv2d(3, 3, 1) for _ in range(3))
            self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu(self.pool(self.before_pool(x)))
            y = self.twice(x)
            x = self.relu(self.summed(x) + self.relu(y) + y)
            return torch.flatten(self.pool(x), 1)

    graph = canonize(Classifier(Fork(), nn.Linear(3 * 4, 2)))
    names = {node.name for node in rectified(graph) if "trunk" in node.name}
    assert {"trunk_before_pool", "trunk_pool"} <= names
    assert not {"trunk_twice", "trunk_summed"} & names


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("architecture", ["resnet18", "squeezenet1_1"])
def test_the_whole_network_equals_zennit_with_its_own_canonizer(
    architecture: str, composite: str
) -> None:
    from zennit.composites import COMPOSITES as THEIRS
    from zennit.torchvision import ResNetCanonizer

    model = build_classifier(architecture).eval()
    inputs, classes = images(2), torch.tensor([0, 1])
    ours = explain(model, inputs, [0, 1], composite=composite).maps
    box = {"low": LOW[None, :, None, None], "high": HIGH[None, :, None, None]}
    theirs = THEIRS[composite](
        canonizers=[ResNetCanonizer()], **(box if composite == "epsilon_gamma_box" else {})
    )
    with theirs.context(model) as network:
        inputs.requires_grad_()
        logits = network(inputs)
        start = nn.functional.one_hot(classes, 2) * logits.detach()
        (expected,) = torch.autograd.grad(logits, inputs, start)
    expected = expected.sum(1)
    # zennit leaves its merged batch norms in the network, each of which divides by sqrt(1 + 1e-5).
    off = (ours - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert off.max() < 2e-3


# --- Conservation. ------------------------------------------------------------------------------


@torch.no_grad()
def test_relevance_is_conserved_without_biases() -> None:
    model = build_classifier("small_cnn").double().eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    result = explain(model, images(4).double(), [0, 1, 0, 1])
    logits = model(images(4).double())[torch.arange(4), [0, 1, 0, 1]]
    # What is lost goes to the stabilisers of divisions, and does not shrink with the logit.
    off = (result.maps.sum((1, 2)) - logits).abs()
    assert (off < 1e-4 * logits.abs().max()).all()
    torch.testing.assert_close(result.error, (off / logits.abs()).to(result.error))


@torch.no_grad()
def test_the_residual_sum_keeps_a_resnet_conserved_where_a_plain_gradient_doubles() -> None:
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlus

    model = build_classifier("resnet18").eval()
    model.head.bias.zero_()
    inputs = images(2, 64, 64)
    logits = model(inputs)[:, 0]
    ours = explain(model, inputs, [0, 0]).maps.sum((1, 2)) / logits
    assert ((ours > 0.9) & (ours < 1.1)).all()
    plain = EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])
    with plain.context(model) as network, torch.enable_grad():
        start = network(inputs.requires_grad_())[:, 0]
        (doubled,) = torch.autograd.grad(start, inputs, start.detach())
    assert ((doubled.sum((1, 2, 3)) / logits).abs() > 100).all()


@torch.no_grad()
def test_all_that_is_missing_on_a_resnet_stays_in_biases() -> None:
    from rightreasons.saliency import _canonize, _rules

    network = _canonize.canonize(randomise(build_classifier("resnet18").double()))
    network(images(1, 64, 64).double())  # the first logits are compared with the model's
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    rules = _rules.Rules.of_composite("epsilon_plus", EPSILON, GAMMA, (LOW, HIGH))
    network = _rules.attach_rules(network, rules)
    with torch.enable_grad():
        inputs = images(4, 64, 64).double().requires_grad_()
        logits = network(inputs)[:, 0]
        (relevance,) = torch.autograd.grad(logits.sum(), inputs)
    share = relevance.sum((1, 2, 3)) / logits
    torch.testing.assert_close(share, torch.ones_like(share), rtol=2e-3, atol=0)


def test_relevance_left_on_a_resnet_with_biases_is_of_the_size_of_the_logit() -> None:
    model = randomise(build_classifier("resnet18"))
    share = (
        explain(model, images(8, 64, 64), [0] * 8).maps.sum((1, 2))
        / model(images(8, 64, 64))[:, 0].detach()
    )
    assert 0.2 < share.median() < 1.5


def test_the_error_is_what_the_sum_of_the_map_misses_of_the_logit() -> None:
    model = randomise(build_classifier("small_cnn"))
    inputs = images(2)
    result = explain(model, inputs, [1, 0])
    logits = model(inputs).detach()[torch.arange(2), [1, 0]]
    expected = (result.maps.sum((1, 2)) - logits).abs() / logits.abs()
    torch.testing.assert_close(result.error, expected, rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_a_logit_of_zero_gives_a_map_of_zeros() -> None:
    model = build_classifier("small_cnn").eval()
    model.head.weight.zero_()
    model.head.bias.zero_()
    result = explain(model, images(2), [0, 1])
    assert (result.maps == 0).all()
    assert (result.error == 0).all()
