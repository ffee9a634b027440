"""Layers by name, affine maps behind them, storage, and what stays frozen."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from rightreasons.contracts.fakes import CPU, biased_images, quiet
from rightreasons.core.errors import UserError
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Affine, Classifier, Gated, projection
from rightreasons.models.layers import (
    by_position,
    captured,
    frozen,
    intervene,
    layer_name,
    layer_of,
    take_away,
)
from rightreasons.models.storage import load_model, save_model

INPUTS = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
PLACES = [
    ("small_cnn", "penultimate"),
    ("small_cnn", "conv2"),
    ("small_cnn", "last_conv"),
    ("resnet18", "last_conv"),
    ("resnet18", "layer3.0"),
    ("squeezenet1_1", "last_conv"),
    ("squeezenet1_1", "features.8"),
]


def affine_of(width: int, rank: int = 2, seed: int = 1) -> Affine:
    stream = torch.Generator().manual_seed(seed)
    read, write = torch.randn(2, rank, width, generator=stream) / width**0.5
    return Affine(read, write, torch.randn(width, generator=stream) / 10)


def width_of(model: Classifier, layer: str) -> int:
    with torch.no_grad(), captured(layer_of(model, layer)) as outputs:
        model.eval()(INPUTS)
    return outputs[0].shape[1]


@pytest.mark.parametrize("shape", [(3, 6), (3, 6, 2, 4), (3, 5, 6)])
def test_affine_is_its_matrix_at_every_position(shape: tuple[int, ...]) -> None:
    affine = affine_of(6).double()
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    matrix = torch.eye(6).double()
    for read, write in zip(affine.read, affine.write, strict=True):
        matrix += torch.outer(write, read)
    torch.testing.assert_close(affine.matrix(), matrix)
    slow = torch.stack(
        [torch.stack([matrix @ p + affine.bias for p in image]) for image in by_position(x)]
    )
    torch.testing.assert_close(by_position(affine(x)), slow)


def test_any_affine_map_has_the_form() -> None:
    stream = torch.Generator().manual_seed(2)
    matrix = torch.randn(4, 4, generator=stream, dtype=torch.float64)
    x, bias = torch.randn(5, 4, generator=stream).double(), torch.ones(4).double()
    affine = Affine(torch.eye(4).double(), matrix.T - torch.eye(4), bias)
    torch.testing.assert_close(affine(x), x @ matrix.T + bias)


def test_a_projection_of_many_directions_leaves_the_rest() -> None:
    stream = torch.Generator().manual_seed(3)
    directions = torch.randn(3, 7, generator=stream).double()
    x, z = torch.randn(9, 7, generator=stream).double(), torch.randn(7, generator=stream).double()
    after = projection(directions, z)(x)
    torch.testing.assert_close(after @ directions.T, (z @ directions.T).expand(9, 3))
    others = torch.linalg.svd(directions).Vh[3:]
    torch.testing.assert_close(after @ others.T, x @ others.T)
    half = projection(directions, z, 0.5)(x)
    torch.testing.assert_close(half, (x + after) / 2)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("small_cnn", "relu3"),
        ("resnet18", "layer4"),
        ("resnet50", "layer4"),
        ("squeezenet1_1", "features"),
        ("vgg11", "features.19"),
        ("alexnet", "features.11"),
    ],
)
def test_the_last_convolution_leads_to_what_is_pooled(architecture: str, name: str) -> None:
    """What the layer gives out is the last map (N, C, h, w) before the next pooling."""
    model = build_classifier(architecture).eval()
    assert layer_name(model, "last_conv") == name
    steps: list[tuple[nn.Module, object, object]] = []
    for module in model.trunk.modules():
        module.register_forward_hook(lambda m, i, o: steps.append((m, i[0], o)))
    with torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    output = next(o for m, _, o in steps if m is model.trunk.get_submodule(name))
    after_last = max(i for i, (m, _, _) in enumerate(steps) if isinstance(m, nn.Conv2d))
    pooled = next(
        i
        for m, i, _ in steps[after_last:]
        if "Pool" in type(m).__name__ or m is steps[-1][0] or type(m).__name__ == "GridAverage"
    )
    assert torch.equal(output, pooled)


def test_unknown_layers_are_named() -> None:
    model = build_classifier("resnet18")
    with pytest.raises(UserError, match=r"no module 'layer5' \(did you mean 'layer4'\?\).*conv1"):
        layer_of(model, "layer5")
    flat = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), nn.Linear(4, 2))
    with pytest.raises(UserError, match="the trunk has no convolution"):
        layer_of(flat, "last_conv")


@pytest.mark.parametrize(("architecture", "layer"), PLACES)
def test_a_map_behind_a_layer_is_stored_and_comes_back(
    tmp_path: Path, architecture: str, layer: str
) -> None:
    model = build_classifier(architecture, seed=3).eval()
    plain = copy.deepcopy(model)
    affine = affine_of(width_of(model, layer))
    name = intervene(model, layer, affine)

    def mapped(_: nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        wide = by_position(output) @ affine.matrix().T + affine.bias
        return wide.transpose(1, 2).reshape(output.shape)

    handle = layer_of(plain, layer).register_forward_hook(mapped)
    with torch.no_grad():
        expected = plain(INPUTS)
        torch.testing.assert_close(model(INPUTS), expected, rtol=1e-4, atol=1e-5)
    handle.remove()
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors", architecture, CPU)
    a, b = model.state_dict(), loaded.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    with torch.no_grad():
        torch.testing.assert_close(loaded(INPUTS), expected, rtol=1e-4, atol=1e-5)
    take_away(loaded, name)
    assert loaded.state_dict().keys() == plain.state_dict().keys()
    with torch.no_grad():
        torch.testing.assert_close(loaded(INPUTS), plain(INPUTS), rtol=1e-4, atol=1e-5)


def test_a_gated_map_is_stored_and_comes_back(tmp_path: Path) -> None:
    model = build_classifier("small_cnn", seed=3).eval()
    gates = torch.randn(2, 1024, generator=torch.Generator().manual_seed(5))
    model.intervention = Gated(affine_of(1024), gates, torch.tensor([0.1, -0.2]))
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors", "small_cnn", CPU)
    x = torch.randn(64, 1024, generator=torch.Generator().manual_seed(6))
    met = [all(g @ row > t for g, t in zip(gates, (0.1, -0.2), strict=True)) for row in x]
    assert 0 < sum(met) < 64
    for row, changed, expected in zip(x, met, loaded.intervention(x), strict=True):
        slow = model.intervention.affine(row[None])[0] if changed else row
        torch.testing.assert_close(expected, slow)


def test_a_file_whose_map_has_no_layer_is_refused(tmp_path: Path) -> None:
    model = build_classifier("resnet18").eval()
    intervene(model, "layer4", affine_of(512))
    save_model(model, tmp_path / "m.safetensors")
    with pytest.raises(UserError, match="is no model of small_cnn"):
        load_model(tmp_path / "m.safetensors", "small_cnn", CPU)


@pytest.mark.parametrize("freeze", ["none", "trunk", "convolutions"])
def test_what_is_frozen_stays_with_its_statistics(freeze: str) -> None:
    model = build_classifier("small_cnn")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    config = TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-2)
    with frozen(model, freeze):
        train(
            model, biased_images(32, 0.5), config,
            generator=torch.Generator().manual_seed(0), device=CPU, progress=quiet,
        )  # fmt: skip
    moved = {
        key for key, value in model.state_dict().items() if not torch.equal(before[key], value)
    }
    trunk = {key for key in moved if key.startswith("trunk.")}
    assert {"head.weight", "head.bias"} <= moved
    assert bool(trunk) == (freeze == "none")
    if freeze == "none":
        assert {"trunk.bn1.running_mean", "trunk.conv1.weight"} <= trunk
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_linear_layers_of_a_trunk_are_no_convolutions() -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5))
    model = Classifier(trunk, nn.Linear(5, 2))
    with frozen(model, "convolutions"):
        needs = {name for name, p in model.named_parameters() if p.requires_grad}
    assert needs == {"trunk.2.weight", "trunk.2.bias", "head.weight", "head.bias"}


def test_captured_lets_a_frozen_layers_output_need_a_gradient() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    net[0].requires_grad_(False)
    with captured(net[0]) as outputs:
        out = net(torch.randn(5, 3))
        (gradient,) = torch.autograd.grad(out.sum(), outputs[0])
    assert gradient.shape == (5, 4)
