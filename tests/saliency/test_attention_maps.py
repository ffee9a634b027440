"""Attention rollout and relevance against loops over layers, heads and tokens."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import MaxVit, SwinTransformer, VisionTransformer
from torchvision.models.vision_transformer import EncoderBlock

from rightreasons.contracts.tokens import tokens
from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.models.layers import intervene
from rightreasons.saliency import EXPLAINERS

NAMES = ("attention_rollout", "attention_relevance")
CLASSES = [0, 1, 1]
HEADS, PREFIX = 2, 1


def images(height: int = 16, width: int = 24) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, height, width, generator=stream, dtype=torch.double)


def maps(name: str, model: nn.Module, inputs: torch.Tensor, **chosen: object) -> torch.Tensor:
    explainer = EXPLAINERS[name]
    with explainer.run(model, explainer.params(**chosen), torch.Generator()) as run:
        return run(inputs, torch.tensor(CLASSES)).maps


class Pooled(nn.Module):
    """The contracts' transformer with the mean of the patches in place of the class token."""

    def __init__(self, whole: nn.Module, start: int) -> None:
        super().__init__()
        self.whole, self.start = whole, start

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        net = self.whole
        x = net.patches(x).flatten(2).transpose(1, 2)
        if self.start:
            x = torch.cat([net.token.expand(x.shape[0], -1, -1), x], 1)
        return net.norm(net.blocks(x))[:, self.start :].mean(1)


def network(reads: str) -> Classifier:
    """Return one that reads the class token, or the patches' mean with or without such a token."""
    model = tokens()
    nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(2))
    if reads != "token":
        model.trunk = Pooled(model.trunk, PREFIX if reads == "patches beside a token" else 0)
    return model.double().eval()


def attention(block: EncoderBlock, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a block makes of one image's tokens, and its weights (heads, tokens, tokens)."""
    made = block.self_attention
    width = x.shape[1] // HEADS
    q, k, v = (block.ln_1(x) @ made.in_proj_weight.T + made.in_proj_bias).split(x.shape[1], 1)
    weights, found = [], []
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        scores = torch.stack([torch.stack([a @ b for b in k[:, part]]) for a in q[:, part]])
        shares = (scores / width**0.5).exp()
        weights.append(shares / shares.sum(1, keepdim=True))
    kept = torch.stack(weights)
    for head in range(HEADS):
        found.append(kept[head] @ v[:, head * width : (head + 1) * width])
    x = x + made.out_proj(torch.cat(found, 1))
    return x + block.mlp(block.ln_2(x)), kept


def slow_forward(model: Classifier, image: torch.Tensor, reads: str) -> tuple[Any, Any]:
    """Return an image's logits and the weights of each layer, which the logits are computed of."""
    net = model.trunk if reads == "token" else model.trunk.whole
    x = net.patches(image[None])[0].flatten(1).T
    if reads != "patches":
        x = torch.cat([net.token[0], x])
    layers = []
    for block in net.blocks:
        x, weights = attention(block, x)
        layers.append(weights)
    x = net.norm(x)
    features = x[0] if reads == "token" else x[0 if reads == "patches" else PREFIX :].mean(0)
    return model.classify(features[None])[0], layers


def slow_map(name: str, model: Classifier, image: torch.Tensor, asked: int, reads: str) -> Any:
    """Return the map of one image by hand, before it is upsampled."""
    logits, layers = slow_forward(model, image, reads)
    gradients = torch.autograd.grad(logits[asked], layers)
    n = layers[0].shape[1]
    joint = torch.eye(n, dtype=torch.double)
    for weights, gradient in zip(layers, gradients, strict=True):
        mean = torch.zeros(n, n, dtype=torch.double)
        for head in range(HEADS):
            for i in range(n):
                for j in range(n):
                    value = float(weights[head, i, j].detach())
                    if name == "attention_relevance":
                        value = max(value * float(gradient[head, i, j]), 0)
                    mean[i, j] += value / HEADS
        if name == "attention_rollout":
            joint = (0.5 * mean + 0.5 * torch.eye(n)) @ joint
        else:
            joint = joint + mean @ joint
    if name == "attention_relevance":
        joint = joint - torch.eye(n)
    prefix = 0 if reads == "patches" else PREFIX
    row = joint[0] if reads == "token" else joint[prefix:].mean(0)
    return row[prefix:].reshape(image.shape[1] // 8, image.shape[2] // 8)


READS = ["token", "patches", "patches beside a token"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reads", READS)
def test_equals_loops_over_layers_heads_and_tokens(name: str, reads: str) -> None:
    model, inputs = network(reads), images()
    logits = torch.stack([slow_forward(model, image, reads)[0] for image in inputs])
    torch.testing.assert_close(logits, model(inputs))
    found = maps(name, model, inputs)
    for image, asked, one in zip(inputs, CLASSES, found, strict=True):
        small = slow_map(name, model, image, asked, reads)
        # Bilinear between the centres of 8 x 8 pixels: a patch's corners at distance 3.5 of 8.
        expected = torch.nn.functional.interpolate(
            small[None, None], (16, 24), mode="bilinear", align_corners=False
        )[0, 0]
        torch.testing.assert_close(one, expected)
        torch.testing.assert_close(one[0, 0], small[0, 0])
        torch.testing.assert_close(one[-1, -1], small[-1, -1])
        assert small.std() > 1e-3 * small.mean()


def test_a_row_of_the_rollout_sums_to_one_where_all_tokens_are_patches() -> None:
    model = network("patches")
    found = maps("attention_rollout", model, images(8, 24))[:, 0]
    small = found[:, [3, 4, 11, 12, 19, 20]]  # beside the centres, which lie between two pixels
    means = small.unflatten(1, (3, 2)).mean(2)
    torch.testing.assert_close(means.sum(1), torch.ones(3, dtype=torch.double), rtol=0, atol=0.02)


@pytest.mark.parametrize("heads", ["max", "min"])
def test_heads_become_one_by_their_extremes(heads: str) -> None:
    model, inputs = network("token"), images()
    expected = []
    for image in inputs:
        n = 7
        joint = torch.eye(n, dtype=torch.double)
        for weights in slow_forward(model, image, "token")[1]:
            pick = max if heads == "max" else min
            chosen = torch.tensor(
                [
                    [pick(float(weights[h, i, j].detach()) for h in range(HEADS)) for j in range(n)]
                    for i in range(n)
                ],
                dtype=torch.double,
            )
            mixed = 0.5 * chosen + 0.5 * torch.eye(n)
            joint = mixed / mixed.sum(1, keepdim=True) @ joint
        expected.append(joint[0, 1])
    found = maps("attention_rollout", model, inputs, heads=heads)[:, 0, 0]
    torch.testing.assert_close(found, torch.stack(expected))


def test_the_rollout_knows_no_class_and_the_relevance_does() -> None:
    model, inputs = network("token"), images()
    other = copy.deepcopy(model)
    other.head.weight.data = -other.head.weight.data
    same, changed = (
        torch.equal(maps(name, model, inputs), maps(name, other, inputs)) for name in NAMES
    )
    assert same
    assert not changed
    assert all((maps(name, model, inputs) >= 0).all() for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_projection_before_attention_shows(name: str) -> None:
    model, inputs = network("token"), images()
    before = maps(name, model, inputs)
    direction = torch.ones(16)
    intervene(model, "patches", projection(direction + torch.arange(16), torch.zeros(16)).double())
    assert (maps(name, model, inputs) - before).norm() / before.norm() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_vision_transformer_has_a_class_token_and_a_grid(name: str) -> None:
    """Only the patch that differs gets more than the others, where positions are alike."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = VisionTransformer(32, 8, 2, 2, 16, 32)
        trunk.heads = nn.Identity()
        model = Classifier(trunk, nn.Linear(16, 2)).double().eval()
    nn.init.zeros_(trunk.encoder.pos_embedding)
    inputs = torch.zeros(3, 3, 32, 32, dtype=torch.double)
    inputs[:, :, 8:16, 16:24] = images(8, 8)
    found = maps(name, model, inputs)[:, 4::8, 4::8]
    apart = (found - found[:, :1, :1]).abs()
    rest = apart[:, [0, 0, 3, 3, 2], [0, 3, 0, 3, 0]]
    assert (apart[:, 1, 2] > 10 * rest.amax(1)).all()


def windows() -> nn.Module:
    return SwinTransformer([2, 2], 8, [2], [2], [2, 2])


def several() -> nn.Module:
    return MaxVit((32, 32), 8, 2, [8], [1], 4, 0.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("trunk", "why"),
    [
        (windows, "its tokens attend to each other in windows"),
        (several, "its tokens attend to each other in windows or groups"),
        (partial(build_classifier, "small_cnn"), "it has no attention that could be followed"),
    ],
)
def test_networks_of_another_kind_are_refused(name: str, trunk: Any, why: str) -> None:
    model = Classifier(trunk(), nn.Linear(1000, 2)).double().eval()
    with pytest.raises(UserError, match=f"{name}: {why}.* Allowed are vision transformers"):
        maps(name, model, images(32, 32))


class Spelled(nn.Module):
    """Attention whose softmax is a step of its own, before attention that can be read."""

    def __init__(self, conv: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.block = EncoderBlock(2, 16, 32, 0.0, 0.0)
        self.mix = nn.Conv2d(16, 16, 3, padding=1) if conv else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if isinstance(self.mix, nn.Identity):
            x = (x @ x.transpose(1, 2)).softmax(-1) @ x
        x = self.block(x).transpose(1, 2)
        return self.mix(x[..., None]).mean((2, 3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("conv", "why"),
    [
        (False, "the attention of softmax in trunk cannot be read"),
        (True, "beside attention, Conv2d in trunk.mix brings values from patch to patch"),
    ],
)
def test_what_else_mixes_patches_is_refused(name: str, conv: bool, why: str) -> None:
    model = Classifier(Spelled(conv), nn.Linear(16, 2)).double().eval()
    with pytest.raises(UserError, match=f"{name}: {why}"):
        maps(name, model, images())
