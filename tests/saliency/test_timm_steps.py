"""timm's layers written out: the same function, and rules that follow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.models.classifier import Classifier
from rightreasons.saliency import _conv_rules, _general_rules
from rightreasons.saliency._timm_steps import ResponseNorm, SameConv2d, written_out

layers = pytest.importorskip("timm.layers")


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


MADE: dict[str, Callable[[], nn.Module]] = {
    "same": lambda: layers.create_conv2d(4, 6, 3, stride=2, padding="same", groups=2),
    "same, dilated": lambda: layers.create_conv2d(4, 6, 4, dilation=3, padding="same"),
    "standardised": lambda: layers.StdConv2d(4, 6, 3, stride=2, bias=True),
    "standardised, same": lambda: layers.StdConv2dSame(4, 6, 3, stride=2),
    "scaled": lambda: layers.ScaledStdConv2d(4, 6, 3, groups=2, gamma=1.7),
    "scaled, same": lambda: layers.ScaledStdConv2dSame(4, 6, 3, stride=3, gamma=1.7),
    "max pooling, same": lambda: layers.create_pool2d("max", 3, 2, padding="same"),
    "response norm": lambda: layers.grn.GlobalResponseNorm(4, channels_last=False),
    "rms norm": lambda: layers.RmsNorm(9),
    "rms norm of maps": lambda: layers.RmsNorm2d(4, eps=1e-3),
}


def made(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = MADE[name]().double().eval()
        for parameter in layer.parameters():
            nn.init.normal_(parameter)
    return layer


@pytest.mark.parametrize("sides", [(8, 9), (11, 9)])
@pytest.mark.parametrize("name", MADE)
def test_a_layer_of_timms_is_written_out_as_the_same_function(
    name: str, sides: tuple[int, int]
) -> None:
    layer = made(name)
    written = written_out(layer)
    assert written is not None
    assert not any(type(part).__module__.startswith("timm") for part in written.modules())
    x = numbers(2, 4, *sides)
    torch.testing.assert_close(written(x), layer(x))


def test_other_layers_stay() -> None:
    assert written_out(nn.Conv2d(3, 4, 3)) is None
    assert written_out(layers.SqueezeExcite(8)) is None


@pytest.mark.parametrize("rule", ["plus", "plus_signed", "plus_of_few"])
def test_forms_of_rules_see_no_more_than_the_frame(rule: str) -> None:
    """Beside the general rule, which calls the layer itself and autograd."""
    layer = SameConv2d(4, 6, 3, stride=2).double().requires_grad_(False)
    x = numbers(2, 4, 7, 8)
    x = x.relu() if rule == "plus" else x
    z = layer(x)
    assert z.shape == (2, 6, 4, 4)
    relevance = numbers(*z.shape, seed=1)
    expected = _general_rules.plus(layer, x, z, relevance)
    found = getattr(_conv_rules, rule)(layer, x, z, relevance)
    torch.testing.assert_close(x * found, x * expected, rtol=1e-5, atol=1e-9)


def test_lrp_counts_responses_as_constants() -> None:
    """x + w x r + b: c of x is c (1 + w r)."""
    from rightreasons.saliency import EXPLAINERS

    norm = layers.grn.GlobalResponseNorm(3, channels_last=False).double()
    nn.init.normal_(norm.weight)
    trunk = nn.Sequential(norm, nn.Conv2d(3, 4, 1, bias=False), nn.Flatten()).double()
    model = Classifier(trunk, nn.Linear(36, 2, bias=False)).double().eval()
    x = numbers(1, 3, 3, 3)
    explainer = EXPLAINERS["lrp"]
    params = explainer.params(composite="epsilon", epsilon=1e-12)
    with explainer.run(model, params, torch.Generator()) as run:
        found = run(x, torch.tensor([1])).maps[0]
    g = x.norm(dim=(2, 3), keepdim=True)
    factor = 1 + norm.weight.view(1, 3, 1, 1) * g / (g.mean(1, keepdim=True) + norm.eps)
    weight = (model.head.weight[1].view(4, 9).T @ trunk[1].weight[:, :, 0, 0]).T.view(1, 3, 3, 3)
    torch.testing.assert_close(found, (weight * factor * x).sum(1)[0].detach())


def test_a_response_norm_is_timms_for_tokens_too() -> None:
    norm = layers.grn.GlobalResponseNorm(5).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = numbers(2, 3, 4, 5)
    torch.testing.assert_close(ResponseNorm(norm)(x), norm(x))
    assert F.mse_loss(norm(x), x) > 0.1
