"""Trunks of many kinds: their last map, maps behind layers, what is frozen, made random, traced."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.regnet import BlockParams, RegNet

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Affine, Classifier
from rightreasons.models.layers import (
    as_map,
    by_position,
    captured,
    frozen,
    intervene,
    layer_name,
    layer_of,
    take_away,
)
from rightreasons.models.outside import last_layer
from rightreasons.saliency.sanity import cascade, freshened, layers

INPUTS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def split(make: Callable[[], nn.Module], seed: int = 0) -> Classifier:
    """Return a network of torchvision's class, as `build_classifier` splits those by name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make()
    name, last = last_layer("small", network)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return Classifier(network, nn.Linear(last.in_features, 2)).eval()


def efficientnet() -> nn.Module:
    block = partial(MBConvConfig, width_mult=1.0, depth_mult=1.0)
    return EfficientNet([block(4, 3, 2, 16, 24, num_layers=2)], dropout=0, last_channel=32)


def regnet() -> nn.Module:
    widths, depths = [16, 32], [1, 1]
    blocks = BlockParams(depths, widths, [8, 8], [1.0, 1.0], [2, 2], se_ratio=0.25)
    return RegNet(blocks, stem_width=8)


def swin() -> nn.Module:
    return models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4])


def maxvit() -> nn.Module:
    return models.MaxVit((64, 64), 8, 4, [8, 16], [1, 1], 8, 0.0)


SMALL: dict[str, Callable[[], Classifier]] = {
    "small_cnn": lambda: build_classifier("small_cnn").eval(),
    "small_vit": lambda: build_classifier("small_vit").eval(),
    "small_convnext": lambda: build_classifier("small_convnext").eval(),
    "efficientnet": lambda: split(efficientnet),
    "regnet_y": lambda: split(regnet),
    "swin": lambda: split(swin),
    "maxvit": lambda: split(maxvit),
    "densenet": lambda: split(lambda: models.DenseNet(8, (2, 2), 16)),
    "mobilenet_v2": lambda: split(lambda: models.MobileNetV2(width_mult=0.1)),
    "mobilenet_v3": lambda: build_classifier("mobilenet_v3_small").eval(),
    "shufflenet": lambda: split(lambda: models.shufflenet_v2_x0_5()),
}
#: The last convolution's map, (C, h, w), or tokens (tokens, C).
LAST = {
    "small_cnn": ("relu3", (64, 16, 16)),
    "small_vit": ("encoder.layers.encoder_layer_1", (65, 128)),
    "small_convnext": ("features", (64, 8, 8)),
    "efficientnet": ("features", (32, 16, 16)),
    "regnet_y": ("trunk_output", (32, 8, 8)),
    "swin": ("permute", (32, 8, 8)),
    "maxvit": ("blocks.1", (16, 8, 8)),
    "densenet": ("features", (32, 8, 8)),
    "mobilenet_v2": ("features", (1280, 2, 2)),
    "mobilenet_v3": ("features", (576, 2, 2)),
    "shufflenet": ("conv5", (1024, 2, 2)),
}
#: A layer by name, whose output has another order of axes or comes from other kinds of modules.
NAMED = {
    "small_vit": "encoder.layers.encoder_layer_0.mlp",
    "small_convnext": "features.1.0.block.3",
    "swin": "features.3.0",
    "densenet": "features.denseblock1",
    "mobilenet_v3": "features.4",
}


@pytest.fixture(scope="module", params=list(SMALL))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(kind: str) -> Classifier:
    return SMALL[kind]()


def outputs_of(model: Classifier, layer: str) -> torch.Tensor:
    with torch.no_grad(), captured(layer_of(model, layer)) as outputs:
        model(INPUTS)
    return outputs[0]


def test_the_last_map_is_read_by_the_pooled_features(kind: str, model: Classifier) -> None:
    name, shape = LAST[kind]
    assert layer_name(model, "last_conv") == name
    values = outputs_of(model, "last_conv")
    assert values.shape[1:] == shape
    assert as_map(values).shape[2] == as_map(values).shape[3]
    with captured(layer_of(model, "last_conv")) as outputs:
        model(INPUTS)[:, 1].sum().backward(inputs=[outputs[0]])
    assert outputs[0].grad is not None
    assert (
        as_map(outputs[0].grad).abs().sum(1).gt(0).float().mean() > 0.2
    )  # behind ReLU, some are 0


def test_an_affine_map_is_the_same_at_every_position(kind: str, model: Classifier) -> None:
    stream = torch.Generator().manual_seed(1)
    for layer in ("penultimate", "last_conv", NAMED.get(kind, "last_conv")):
        changed = copy.deepcopy(model)
        before = outputs_of(model, layer)
        width = by_position(before).shape[2]
        read, write = torch.randn(2, 3, width, generator=stream) / width**0.5
        affine = Affine(read, write, torch.randn(width, generator=stream))
        name = intervene(changed, layer, affine)
        with torch.no_grad():
            after = affine(before)
            slow = by_position(before) @ affine.matrix().T + affine.bias
            torch.testing.assert_close(by_position(after), slow, rtol=1e-4, atol=1e-4)
            assert not torch.allclose(changed(INPUTS), model(INPUTS))
            take_away(changed, name)
            assert torch.equal(changed(INPUTS), model(INPUTS))


@pytest.mark.parametrize("freeze", ["trunk", "convolutions"])
def test_what_is_frozen_has_no_gradient(model: Classifier, freeze: str) -> None:
    trained = copy.deepcopy(model)
    with frozen(trained, freeze):  # type: ignore[arg-type]
        trained(INPUTS)[:, 1].sum().backward()
    got = {name for name, p in trained.named_parameters() if p.grad is not None}
    assert "head.weight" in got
    if freeze == "trunk":
        assert got == {"head.weight", "head.bias"}
    convolutions = {n for n, m in trained.named_modules() if isinstance(m, nn.Conv2d)}
    assert not {name.rpartition(".")[0] for name in got} & convolutions


def test_every_weight_is_made_random(kind: str, model: Classifier) -> None:
    fresh = copy.deepcopy(model)
    for number, tensor in enumerate(fresh.parameters()):
        with torch.no_grad():
            tensor.fill_(number + 2.0)
    last = None
    for _, done, network in cascade(model, fresh, 4):
        last = network
        assert done <= len(layers(model))
    assert last is not None
    for one in (last, freshened(model, fresh)):
        assert all(
            torch.equal(a, b) for a, b in zip(one.parameters(), fresh.parameters(), strict=True)
        )
    assert next(reversed(layers(model))) == "head"
    owned = [name for names in layers(model).values() for name in names]
    assert len(owned) == len(set(owned))


def test_parts_of_attention_are_no_layers() -> None:
    model = build_classifier("small_vit")
    block = "encoder.layers.encoder_layer_1"
    for part in ("self_attention", "self_attention.out_proj"):
        with pytest.raises(UserError, match=rf"part of an attention step.*around it: {block}\b"):
            layer_of(model, f"{block}.{part}")


def test_a_layer_that_gives_no_tensor_is_refused() -> None:
    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    with (
        pytest.raises(UserError, match="Pair gives out tuple, not a tensor"),
        captured(pair := Pair()),
    ):
        pair(INPUTS)
