"""LRP of attention, norms, activations and products, against relevance shared out in loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_networks import explain, generator
from lrp_slow_rules import slow_rule
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import _conv_rules as layers
from rightreasons.saliency import _token_rules as rules

Tensor = torch.Tensor


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.double)


def relevance_of(function: Callable[[Tensor], Tensor], x: Tensor, relevance: Tensor) -> Tensor:
    """Return what a step gives to its inputs: c = R / y goes in, R = x c comes out."""
    x = x.clone().requires_grad_()
    y = function(x)
    y.backward(relevance / y.detach())
    return (x * x.grad).detach()


# --- One block of a vision transformer a second time, in relevance and with loops. ---------------


def linear(layer: nn.Linear, x: Tensor, relevance: Tensor) -> Tensor:
    """Share the relevance of a linear layer's outputs out, token by token."""
    z = x @ layer.weight.T + layer.bias
    out = torch.zeros_like(x)
    for t, i, j in itertools.product(range(len(x)), range(x.shape[1]), range(z.shape[1])):
        out[t, i] += x[t, i] * layer.weight[j, i] / z[t, j] * relevance[t, j]
    return out


def norm(layer: nn.LayerNorm, x: Tensor, relevance: Tensor) -> Tensor:
    """Share the relevance of a norm out: a linear map for each token, its deviation constant."""
    d, out = x.shape[1], torch.zeros_like(x)
    for t in range(len(x)):
        deviation = (((x[t] - x[t].mean()) ** 2).mean() + layer.eps).sqrt()
        z = layer.weight * (x[t] - x[t].mean()) / deviation + layer.bias
        for i, j in itertools.product(range(d), range(d)):
            given = layer.weight[j] * (float(i == j) - 1 / d) * x[t, i] / deviation
            out[t, i] += given / z[j] * relevance[t, j]
    return out


def attention(
    q: Tensor, k: Tensor, v: Tensor, relevance: Tensor, products: str
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return the relevance of one head's queries, keys and values, and what the softmax keeps."""
    n, d = q.shape
    scores = q @ k.T / d**0.5
    weights = torch.stack([row.exp() / row.exp().sum() for row in scores])
    found = weights @ v
    r_v, r_w, r_q, r_k = torch.zeros(4, n, max(n, d)).double()
    r_v, r_w, r_q, r_k = r_v[:, :d], r_w[:, :n], r_q[:, :d], r_k[:, :d]
    for i, j, c in itertools.product(range(n), range(n), range(d)):
        given = weights[i, j] * v[j, c] / found[i, c] * relevance[i, c]
        r_v[j, c] += given if products == "signal" else given / 2
        r_w[i, j] += 0 if products == "signal" else given / 2
    r_s = torch.zeros(n, n).double()
    for i, j in itertools.product(range(n), range(n)):
        r_s[i, j] = scores[i, j] * (r_w[i, j] - weights[i, j] * r_w[i].sum())
    for i, j, c in itertools.product(range(n), range(n), range(d)):
        given = q[i, c] * k[j, c] / d**0.5 / scores[i, j] * r_s[i, j]
        r_q[i, c] += given / 2
        r_k[j, c] += given / 2
    return r_q, r_k, r_v, float(r_w.sum() - r_s.sum())


def transformer() -> Classifier:
    from torchvision.models import VisionTransformer

    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = VisionTransformer(4, 2, 1, 2, 4, 3).double().eval()
        network.heads = nn.Identity()
        for name, tensor in network.named_parameters():
            if "bias" in name or "class_token" in name:
                nn.init.normal_(tensor, std=0.3)
        return Classifier(network, nn.Linear(4, 2).double()).eval()


def slow_map(model: Classifier, image: Tensor, asked: int, products: str) -> tuple[Tensor, float]:
    """Return the relevance (4, 4) of one logit, and what the softmaxes keep of it."""
    trunk, block = model.trunk, model.trunk.encoder.layers[0]
    fused = block.self_attention
    q_, k_, v_ = (nn.Linear(4, 4).double() for _ in range(3))
    for n, part in enumerate((q_, k_, v_)):
        part.weight.copy_(fused.in_proj_weight[4 * n : 4 * n + 4])
        part.bias.copy_(fused.in_proj_bias[4 * n : 4 * n + 4])
    patches = image.unfold(1, 2, 2).unfold(2, 2, 2).movedim(0, 2).reshape(4, 12)
    embed = nn.Linear(12, 4).double()
    embed.weight.copy_(trunk.conv_proj.weight.flatten(1))
    embed.bias.copy_(trunk.conv_proj.bias)
    t0 = torch.cat([trunk.class_token[0], embed(patches)])
    t1 = t0 + trunk.encoder.pos_embedding[0]
    y1 = block.ln_1(t1)
    q, k, v = q_(y1), k_(y1), v_(y1)
    heads = [slice(0, 2), slice(2, 4)]
    o = torch.cat([F.softmax(q[:, h] @ k[:, h].T / 2**0.5, dim=-1) @ v[:, h] for h in heads], dim=1)
    t2 = fused.out_proj(o) + t1
    y2 = block.ln_2(t2)
    h1 = block.mlp[0](y2)
    t3 = block.mlp[3](F.gelu(h1)) + t2
    y3 = trunk.encoder.ln(t3)

    logit = model.head(y3[:1])[0, asked]
    r = torch.zeros(1, 2).double()
    r[0, asked] = logit
    r = torch.cat([linear(model.head, y3[:1], r), torch.zeros(4, 4).double()])
    r = norm(trunk.encoder.ln, t3, r)
    through = linear(block.mlp[0], y2, linear(block.mlp[3], F.gelu(h1), (t3 - t2) / t3 * r))
    r = norm(block.ln_2, t2, through) + t2 / t3 * r
    r_o = linear(fused.out_proj, o, (t2 - t1) / t2 * r)
    parts = [attention(q[:, h], k[:, h], v[:, h], r_o[:, h], products) for h in heads]
    r_q, r_k, r_v = (torch.cat([part[n] for part in parts], dim=1) for n in range(3))
    through = linear(q_, y1, r_q) + linear(k_, y1, r_k) + linear(v_, y1, r_v)
    r = norm(block.ln_1, t1, through) + t1 / t2 * r
    r = linear(embed, patches, (t0 / t1 * r)[1:])
    pixels = r.reshape(2, 2, 3, 2, 2).sum(2).transpose(1, 2).reshape(4, 4)
    return pixels, sum(part[3] for part in parts)


@pytest.mark.parametrize("products", ["signal", "half"])
@torch.no_grad()
def test_a_block_of_a_vision_transformer_is_the_papers_rules_in_loops(products: str) -> None:
    model, images = transformer(), numbers(2, 3, 4, 4, seed=3)
    told = {"composite": "epsilon", "products": products, "epsilon": 1e-12}
    got = explain(model, images, [0, 1], **told).maps
    for image, asked, found in zip(images, (0, 1), got, strict=True):
        expected, _ = slow_map(model, image, asked, products)
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("products", ["signal", "half"])
@torch.no_grad()
def test_what_half_misses_is_what_the_softmax_keeps(products: str) -> None:
    model, image = transformer(), numbers(1, 3, 4, 4, seed=3)
    for name, tensor in model.named_parameters():
        if "bias" in name or name.endswith(("class_token", "pos_embedding")):
            tensor.zero_()
    # A class token of zeros stays one: LayerNorm gives it nothing but its bias, which is zero.
    total = explain(
        model, image, [1], composite="epsilon", products=products, epsilon=1e-12
    ).maps.sum()
    logit = model(image)[0, 1]
    if products == "signal":
        torch.testing.assert_close(total, logit, rtol=1e-7, atol=0)
    else:
        parts = []
        plain = rules.last_softmax

        def softmax(scores: Tensor) -> Tensor:
            weights = plain(scores)
            weights.register_hook(lambda c: parts.append(float((c * weights).sum())))
            scores.register_hook(lambda c: parts.append(-float((c * scores).sum())))
            return weights

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rules, "last_softmax", softmax)
            explain(model, image, [1], composite="epsilon", products="half", epsilon=1e-12)
        assert len(parts) == 2
        assert abs(sum(parts)) > 1e-3 * abs(logit)
        torch.testing.assert_close(total + sum(parts), logit, rtol=1e-7, atol=0)


# --- Single steps. --------------------------------------------------------------------------------

THROUGH_ZERO = (
    *(nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.ReLU6(), nn.Tanh(), nn.Mish(), nn.ELU()),
    nn.PReLU(7).double(),
)


@pytest.mark.parametrize("function", THROUGH_ZERO, ids=lambda f: type(f).__name__)
def test_relevance_of_a_function_through_zero_stays(function: nn.Module) -> None:
    x, relevance = numbers(3, 7), numbers(3, 7, seed=1)
    relevance = relevance * (function(x) != 0)
    given = relevance_of(rules.Activated(function), x, torch.where(function(x) != 0, relevance, 1))
    expected = torch.where(function(x) != 0, relevance, 0)
    torch.testing.assert_close(given.nan_to_num(), expected)


@pytest.mark.parametrize("function", [nn.Sigmoid(), nn.Hardsigmoid(), nn.Softplus()])
def test_what_a_function_is_at_zero_keeps_its_share(function: nn.Module) -> None:
    x, relevance = numbers(3, 7), numbers(3, 7, seed=1)
    y, zero = function(x), function(torch.zeros(()).double())
    given = relevance_of(rules.Activated(function), x, relevance)
    for got, r, value in zip(given.flatten(), relevance.flatten(), y.flatten(), strict=True):
        torch.testing.assert_close(got, r * (value - zero) / value)


def test_a_group_norm_shares_relevance_out_by_its_linear_part() -> None:
    layer = nn.GroupNorm(2, 4).double()
    for tensor in layer.parameters():
        nn.init.normal_(tensor, generator=generator(7))
    x, relevance = numbers(2, 4, 3), numbers(2, 4, 3, seed=1)
    given = relevance_of(rules.norm(layer), x, relevance).detach()
    for image, group in itertools.product(range(2), range(2)):
        channels = slice(2 * group, 2 * group + 2)
        values, wanted = x[image, channels].flatten(), relevance[image, channels].flatten()
        weight = layer.weight[channels].detach().repeat_interleave(3)
        bias = layer.bias[channels].detach().repeat_interleave(3)
        deviation = (((values - values.mean()) ** 2).mean() + layer.eps).sqrt()
        slow = torch.zeros(6).double()
        z = weight * (values - values.mean()) / deviation + bias
        for i, j in itertools.product(range(6), range(6)):
            part = weight[j] * (float(i == j) - 1 / 6) * values[i] / deviation
            slow[i] += part / z[j] * wanted[j]
        torch.testing.assert_close(given[image, channels].flatten(), slow)


@pytest.mark.parametrize("layer", [nn.LayerNorm(6), nn.GroupNorm(3, 6)])
@torch.no_grad()
def test_norms_are_the_same_functions(layer: nn.Module) -> None:
    for tensor in layer.parameters():
        nn.init.normal_(tensor, generator=generator(7))
    layer, x = layer.double(), numbers(2, 6, 6)
    torch.testing.assert_close(rules.norm(layer)(x), layer(x))


class Gate(nn.Module):
    """Squeeze and excitation: values times a gate that is made of their averages."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.squeeze = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 4, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.flatten((x * self.sigmoid(self.squeeze(x.mean((2, 3), True)))).mean((2, 3)), 1)


@torch.no_grad()
def test_a_gate_lets_all_relevance_pass_and_takes_half_where_asked() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Classifier(Gate(), nn.Linear(4, 2, bias=False)).double().eval()
    image = numbers(1, 3, 2, 2, seed=4)
    trunk, w1 = model.trunk, model.trunk.first.weight[:, :, 0, 0]
    x = torch.einsum("oc,chw->ohw", w1, image[0])
    mean = x.mean((1, 2))
    s = trunk.squeeze.weight[:, :, 0, 0] @ mean + trunk.squeeze.bias
    gate = s.sigmoid()
    r = (gate * mean) * model.head.weight[1]  # of each channel of the product's average
    r_value = r[:, None, None] * x / x.sum((1, 2), keepdim=True)
    r_gate = r / 2 * (gate - 0.5) / gate
    r_mean = torch.zeros(4).double()
    for i, j in itertools.product(range(4), range(4)):
        r_mean[i] += trunk.squeeze.weight[j, i, 0, 0] * mean[i] / s[j] * r_gate[j]
    r_half = r_value / 2 + r_mean[:, None, None] * x / x.sum((1, 2), keepdim=True)
    for products, r_x in (("signal", r_value), ("half", r_half)):
        slow = torch.zeros(2, 2).double()
        for h, w, c, o in itertools.product(range(2), range(2), range(3), range(4)):
            slow[h, w] += w1[o, c] * image[0, c, h, w] / x[o, h, w] * r_x[o, h, w]
        told = {"composite": "epsilon", "products": products, "epsilon": 1e-12}
        torch.testing.assert_close(explain(model, image, [1], **told).maps[0], slow)


class GatedMLP(nn.Module):
    """A product of two linear layers, one with an activation, as in SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value = (nn.Linear(12, 4, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(x, 1)
        return nn.functional.silu(self.gate(x)) * self.value(x)


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "gamma"])
def test_a_product_right_behind_linear_layers_halves_their_relevance(composite: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Classifier(GatedMLP(), nn.Linear(4, 2, bias=False)).double().eval()
    image = numbers(2, 3, 2, 2, seed=4)
    got = explain(model, image, [0, 1], composite=composite, epsilon=1e-12)
    logits = model(image).detach()[[0, 1], [0, 1]]
    torch.testing.assert_close(got.maps.sum((1, 2)), logits, rtol=1e-4, atol=1e-6)
    if composite != "epsilon":
        return
    for n, asked in ((0, 0), (1, 1)):
        x, slow = image[n].flatten(), torch.zeros(12).double()
        for layer, j in itertools.product((model.trunk.gate, model.trunk.value), range(4)):
            gate, value = model.trunk.gate.weight[j] @ x, model.trunk.value.weight[j] @ x
            relevance = model.head.weight[asked, j] * nn.functional.silu(gate) * value / 2
            slow += x * layer.weight[j] / (layer.weight[j] @ x) * relevance
        torch.testing.assert_close(got.maps[n], slow.detach().view(3, 2, 2).sum(0))


def test_neurons_without_positive_contributions_share_by_those_that_they_have() -> None:
    layer = nn.Conv2d(3, 3, 1, groups=3).double().requires_grad_(False)
    layer.weight.copy_(numbers(3, 1, 1, 1, seed=2))
    layer.bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    x, relevance = numbers(2, 3, 2, 2), numbers(2, 3, 2, 2, seed=1)
    given = x * layers.plus_of_few(layer, x, layer(x), relevance)
    seen = set()
    for n, c, h, w in itertools.product(*map(range, x.shape)):
        z, b = x[n, c, h, w] * layer.weight[c, 0, 0, 0], layer.bias[c]
        up = max(float(z), 0) + max(float(b), 0)
        one = [
            z.reshape(1, 1),
            torch.ones(1, 1).double(),
            b.reshape(1),
            relevance[n, c, h, w, None],
        ]
        slow = slow_rule("plus" if up > 0 else "epsilon", one[0].flatten(), *one[1:])
        torch.testing.assert_close(given[n, c, h, w, None], slow)
        seen.add(up > 0)
    assert seen == {True, False}
