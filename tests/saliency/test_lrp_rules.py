"""Each relevance rule against the papers' formulas in matrix form, and against zennit's."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from zennit import rules as zennits
from zennit.core import Hook

from lrp_networks import generator
from lrp_slow_rules import EPSILON, GAMMA, HIGH, LOW, as_matrix, slow_rule
from rightreasons.saliency import _conv_rules
from rightreasons.saliency import _general_rules as general
from rightreasons.saliency._rules import ConvRules, Rule, Rules
from rightreasons.saliency._token_rules import Activated, Damped

BOX = {"low": LOW[None, :, None, None].double(), "high": HIGH[None, :, None, None].double()}


def damped(
    layer: nn.Module, x: torch.Tensor, z: torch.Tensor, relevance: torch.Tensor
) -> torch.Tensor:
    """Return what a layer with the epsilon rule gives: c = R / z goes in, and x c comes out."""
    x = x.clone().requires_grad_()
    Damped(EPSILON)(layer(x)).backward(relevance / z)
    return (x * x.grad).detach()


def relevance_by(rule: Rule) -> Rule:
    """Return a rule that gives relevance R = x c, of one that gives c."""
    return lambda layer, x, z, relevance: x * rule(layer, x, z, relevance)


RULES: dict[str, tuple[Rule, Hook]] = {
    "epsilon": (damped, zennits.Epsilon(EPSILON)),
    "plus": (relevance_by(general.plus), zennits.ZPlus()),
    "alpha2_beta1": (
        relevance_by(partial(general.alpha_beta, alpha=2, beta=1)),
        zennits.AlphaBeta(2, 1),
    ),
    "gamma": (relevance_by(partial(general.gamma, gamma=GAMMA)), zennits.Gamma(GAMMA)),
    "box": (partial(general.box, **BOX), zennits.ZBox(**BOX)),
    "flat": (general.flat, zennits.Flat()),
}
CONVOLUTIONS = {
    "strided": partial(nn.Conv2d, 3, 6, 3, padding=1, stride=2),
    "grouped": partial(nn.Conv2d, 3, 6, 3, groups=3, bias=False),
    "same": partial(nn.Conv2d, 3, 4, 3, padding="same", dilation=2),
    # Reflected pixels enter a sum twice, each with a sign of its own, which no matrix tells apart.
    "reflected": partial(nn.Conv2d, 3, 4, 3, padding=1, padding_mode="reflect"),
}
ON_CONVOLUTIONS = [(rule, layer) for rule in RULES for layer in CONVOLUTIONS]
ON_LINEAR = [(rule, "linear") for rule in RULES if rule != "box"]  # a box is of pixels


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.double)


def weighted(layer: nn.Module) -> nn.Module:
    layer = layer.double().requires_grad_(False)
    for parameter in layer.parameters():
        parameter.copy_(numbers(*parameter.shape, seed=2))
    return layer


def case(kind: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a layer, its inputs of both signs, its outputs and relevance for them."""
    layer = weighted(nn.Linear(6, 5) if kind == "linear" else CONVOLUTIONS[kind]())
    x = numbers(2, 6) if kind == "linear" else numbers(2, 3, 5, 7)
    z = layer(x)
    return layer, x, z, numbers(*z.shape, seed=1)


def by_zennit(
    hook: Hook, layer: nn.Module, x: torch.Tensor, relevance: torch.Tensor
) -> torch.Tensor:
    """Return what a rule of zennit's makes of the gradient of a layer."""
    handles = hook.copy().register(layer)
    x = x.clone().requires_grad_()
    (lower,) = torch.autograd.grad(layer(x), x, relevance)
    handles.remove()
    return lower


@pytest.mark.parametrize(("rule", "kind"), [*ON_CONVOLUTIONS, *ON_LINEAR])
def test_a_rule_is_zennits(rule: str, kind: str) -> None:
    layer, x, z, relevance = case(kind)
    ours, theirs = RULES[rule]
    expected = by_zennit(theirs, layer, x, relevance)
    torch.testing.assert_close(ours(layer, x, z, relevance), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "kind"), [*(pair for pair in ON_CONVOLUTIONS if pair[1] != "reflected"), *ON_LINEAR]
)
def test_a_rule_is_the_papers_in_matrix_form(rule: str, kind: str) -> None:
    layer, x, z, relevance = case(kind)
    w, b = as_matrix(layer, x[0].shape)
    found = RULES[rule][0](layer, x, z, relevance)
    for one, given, got in zip(x, relevance, found, strict=True):
        expected = slow_rule(rule, one.flatten(), w, b, given.flatten()).reshape(one.shape)
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "theirs"),
    [
        (nn.AvgPool2d(2), zennits.Norm()),
        (nn.AdaptiveAvgPool2d(1), zennits.Norm()),
        (nn.ReLU(), zennits.Pass()),
        (nn.LeakyReLU(0.1), zennits.Pass()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_averages_and_activations_have_zennits_rules(layer: nn.Module, theirs: Hook) -> None:
    """c = R / z goes into the gradient of the layer, and x c comes out."""
    x = numbers(2, 3, 4, 6)
    ours = Activated(layer) if isinstance(layer, nn.LeakyReLU) else layer
    z = layer(x)
    relevance = numbers(*z.shape, seed=1) * (z != 0)
    expected = by_zennit(theirs, layer, x, relevance)
    pixels = x.clone().requires_grad_()
    ours(pixels).backward(torch.where(z == 0, 0, relevance / z))
    torch.testing.assert_close(x * pixels.grad, expected, rtol=1e-3, atol=1e-6)


def test_a_sum_of_exactly_zero_counts_as_positive() -> None:
    z = torch.tensor([-1.0, -0.0, 0.0, 1.0], dtype=torch.double)
    assert general.stabilize(z, 0.5).tolist() == [-1.5, 0.5, 0.5, 1.5]


@pytest.mark.parametrize("layer", [{}, {"stride": 2, "bias": False}, {"dilation": 2}])
@pytest.mark.parametrize("form", ["signed", "positive", "between"])
@pytest.mark.parametrize("rule", ["plus", "alpha_beta", "gamma", "box"])
def test_every_cheaper_form_of_a_rule_equals_the_general_one(
    rule: str, form: str, layer: dict[str, object]
) -> None:
    names = {"plus": "epsilon_plus", "alpha_beta": "epsilon_alpha2_beta1"}
    name = names.get(rule, "epsilon_gamma_box")
    rules = Rules.of_composite(name, EPSILON, GAMMA, (BOX["low"], BOX["high"]))
    forms = rules.first if rule == "box" else rules.convolutions
    cheaper = getattr(forms, form)
    if cheaper is None:
        assert (rule, form) in {
            ("plus", "between"), ("alpha_beta", "between"), ("box", "between"),
        }  # fmt: skip
        return
    conv = weighted(nn.Conv2d(3, 6, 3, padding=1, **layer))
    x = numbers(4, 3, 7, 9) if form == "signed" else numbers(4, 3, 7, 9).relu()
    z = conv(x)
    relevance = numbers(*z.shape, seed=1)
    relevance = relevance * (z > 0) if form == "between" else relevance
    unit = 1 if rule == "box" else x
    expected = unit * forms.general(conv, x, z, relevance)
    found = unit * cheaper(conv, x, z, relevance)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Conv2d(4, 8, 3, groups=4), (2, 4, 5, 6)), (nn.Linear(5, 3), (2, 7, 5))],
)
def test_gamma_of_grouped_convolutions_and_of_tokens(
    layer: nn.Module, shape: tuple[int, ...]
) -> None:
    layer, x = weighted(layer), numbers(*shape)
    z = layer(x)
    relevance = numbers(*z.shape, seed=1)
    expected = general.gamma(layer, x, z, relevance, gamma=GAMMA)
    got = _conv_rules.gamma_signed(layer, x, z, relevance, gamma=GAMMA)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "where", "chosen"),
    [
        ({}, (True, True), "between"),
        ({}, (True, False), "positive"),
        ({}, (False, True), "signed"),
        ({"groups": 2}, (True, True), "between"),
        ({"groups": 2}, (False, False), "general"),
        ({"padding": "same"}, (True, True), "general"),
        ({"padding": 1, "padding_mode": "reflect"}, (True, True), "general"),
    ],
)
def test_the_cheapest_form_that_a_layer_allows_is_taken(
    layer: dict[str, object], where: tuple[bool, bool], chosen: str
) -> None:
    forms = {name: object() for name in ("general", "signed", "positive", "between")}
    assert ConvRules(**forms).form(nn.Conv2d(4, 4, 3, **layer), *where) is forms[chosen]
