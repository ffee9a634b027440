"""Patch classifiers: all positions the fast way against a naive sliding window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.regions.folded import FoldedResNet, as_matrix, folded
from rightreasons.regions.geometry import corners
from rightreasons.regions.networks import (
    PatchNetwork,
    build_patch_network,
    lattice_mean,
    trunk_plan,
    waves,
    whole_strides,
    windows,
)

KINDS = ["published", "dense"]
SIZES = [(64, 16, 225), (64, 16, 169), (128, 32, 49), (47, 21, 16), (58, 16, 64), (46, 32, 64)]


def build(kind: str, size: int, patch: int, positions: int, **changed: Any) -> PatchNetwork:
    settings: dict[str, Any] = {"n_classes": 3, "embedding": 5, "seed": 1, **changed}
    return build_patch_network(kind, size=size, patch=patch, positions=positions, **settings)


def worn(network: PatchNetwork) -> PatchNetwork:
    """Give the batch norms statistics as after training, so that folding can go wrong."""
    generator = torch.Generator().manual_seed(2)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.3, 2, generator=generator)
            norm.weight.data.uniform_(0.5, 1.5, generator=generator)
            norm.bias.data.normal_(0, 0.3, generator=generator)
    return network


def random_images(n: int, size: int) -> torch.Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def naive(network: PatchNetwork, images: torch.Tensor) -> torch.Tensor:
    """The published way: cut every patch, classify it with its position."""
    network.eval()
    where = corners(network.size, network.patch, network.positions).tolist()
    k, rows = network.patch, []
    for image in images:
        patches = torch.stack([image[:, y : y + k, x : x + k] for y, x in where])
        rows.append(network(patches, torch.arange(network.positions)))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "patch", "positions"), SIZES)
def test_all_positions_equal_a_sliding_window(
    kind: str, size: int, patch: int, positions: int
) -> None:
    network = worn(build(kind, size, patch, positions))
    images = random_images(2, size)
    expected = naive(network, images)
    assert expected.std() > 1e-2
    logits = network.image_logits(images)
    assert logits.shape == (2, positions, 3)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_and_number_of_images_do_not_matter(kind: str) -> None:
    network = worn(build(kind, 40, 16, 25))
    images = random_images(11, 40)
    whole = network.image_logits(images)
    for chunk in (1, 7, 10_000):
        torch.testing.assert_close(
            network.image_logits(images, chunk=chunk), whole, atol=1e-5, rtol=1e-4
        )
    torch.testing.assert_close(
        network.image_logits(images[9:10]), whole[9:10], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_some_positions_only(kind: str) -> None:
    network = worn(build(kind, 40, 16, 25))
    images, some = random_images(3, 40), torch.tensor([24, 3, 3, 17])
    got = network.image_logits(images, some)
    torch.testing.assert_close(got, network.image_logits(images)[:, some], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_depend_on_patch_and_position_only(kind: str) -> None:
    network = worn(build(kind, 40, 16, 25))
    images = random_images(1, 40)
    y, x = corners(40, 16, 25)[7]
    changed = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(9))
    changed[:, :, y : y + 16, x : x + 16] = images[:, :, y : y + 16, x : x + 16]
    before, after = network.image_logits(images)[0], network.image_logits(changed)[0]
    torch.testing.assert_close(after[7], before[7], atol=1e-5, rtol=1e-5)
    assert (after - before).abs().amax(dim=1).gt(1e-4).sum() == 24
    flat = network.image_logits(torch.zeros(1, 3, 40, 40))[0]
    assert len(torch.unique(flat[:, 0].round(decimals=5))) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_corner_of_the_patch_matters(kind: str) -> None:
    """The receptive field is the whole patch, not a part of it."""
    network = build(kind, 48, 24, 9).eval()
    patch = random_images(1, 24).requires_grad_()
    (gradient,) = torch.autograd.grad(network(patch, torch.tensor([4]))[0, 0], patch)
    assert (gradient.abs().sum(dim=1)[0][[0, 0, -1, -1], [0, -1, 0, -1]] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_prepared_is_a_copy_and_leaves_the_network_alone(kind: str) -> None:
    network = worn(build(kind, 32, 16, 16)).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    classify = network.prepared()
    images = random_images(1, 32)
    first = classify(images)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert not first.requires_grad
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    assert torch.equal(classify(images), first)
    assert not torch.allclose(network.image_logits(images), first, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds(kind: str) -> None:
    state = torch.random.get_rng_state()
    first, second = build(kind, 32, 16, 16), build(kind, 32, 16, 16)
    other = build(kind, 32, 16, 16, seed=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    others = zip(first.parameters(), other.parameters(), strict=True)
    different = [not torch.equal(a, b) for a, b in others]
    assert sum(different) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_weights_survive_saving(kind: str, tmp_path: Path) -> None:
    network = worn(build(kind, 32, 16, 16))
    network.save(tmp_path / "n.safetensors")
    again = build(kind, 32, 16, 16, seed=8)
    again.load(tmp_path / "n.safetensors")
    images = random_images(1, 32)
    assert torch.equal(again.image_logits(images), network.image_logits(images))
    with pytest.raises(UserError, match="no patch classifier of these settings"):
        build(kind, 32, 16, 25).load(tmp_path / "n.safetensors")
    (tmp_path / "n.safetensors").write_bytes(b"cut short")
    with pytest.raises(UserError, match="delete it and run again"):
        again.load(tmp_path / "n.safetensors")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(kind: str) -> None:
    network = build(kind, 64, 32, 16)
    patches = random_images(6, 32)
    network(patches, torch.arange(6)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("k", [*range(7, 40), 48, 64, 96, 128])
def test_the_dense_trunk_sees_exactly_the_patch(k: int) -> None:
    kernels, strides, side = trunk_plan(k)
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * jump
        jump *= stride
    assert field + (side - 1) * jump == k
    assert 1 <= side <= 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "sparse"}, "unknown network 'sparse'. Allowed: published, dense"),
        ({"n_classes": 1}, "2 classes"),
        ({"positions": 2041}, "square"),
        ({"patch": 65}, "patch = 65"),
        ({"kind": "dense", "patch": 6}, "patch >= 7 pixels, not 6"),
    ],
)
def test_errors(changed: dict[str, Any], message: str) -> None:
    settings = {"kind": "published", "size": 64, "patch": 16, "positions": 25, **changed}
    with pytest.raises(UserError, match=message):
        build(**settings)


def test_a_convolution_is_its_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    for size, stride, padding, side in [(3, 1, 1, 1), (3, 1, 1, 2), (3, 2, 1, 2), (1, 2, 0, 2),
                                        (3, 2, 1, 3)]:  # fmt: skip
        conv = nn.Conv2d(3, 4, size, stride, padding, bias=False).requires_grad_(False)
        x = torch.randn(5, 3, side, side, generator=generator)
        got = x.permute(0, 2, 3, 1).flatten(1) @ as_matrix(conv, side).T
        torch.testing.assert_close(got, conv(x).permute(0, 2, 3, 1).flatten(1))


def test_folding_is_the_batch_norm_in_eval_mode() -> None:
    conv, norm = nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)
    norm.running_mean.copy_(torch.tensor([1.0, -2.0, 0.5]))
    norm.running_var.copy_(torch.tensor([0.5, 2.0, 1.0]))
    x = torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    expected = (conv(x) - norm.running_mean[:, None, None]) / (
        norm.running_var[:, None, None] + norm.eps
    ).sqrt()
    torch.testing.assert_close(folded(conv, norm)(x), expected)
    assert conv.training
    assert norm.training


def test_constant_channels_enter_by_linearity() -> None:
    network = worn(build("published", 64, 32, 16)).eval()
    channels = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    inputs = torch.zeros(2, 8, 32, 32)
    inputs[:, 3:] = channels[:, :, None, None]
    resnet = network.get_submodule("resnet")
    expected = resnet.bn1(resnet.conv1(inputs)).permute(0, 2, 3, 1)
    with torch.no_grad():
        got = FoldedResNet(resnet, 32).constants(channels)
    torch.testing.assert_close(got, expected.detach(), atol=1e-5, rtol=1e-4)


def test_windows_are_the_patches_of_each_image() -> None:
    source = torch.arange(2 * 9 * 7 * 3).view(2, 9, 7, 3)
    where = torch.tensor([[0, 0], [5, 3], [2, 1]])
    cut = windows(source, where, 4)
    assert cut.shape == (6, 3, 4, 4)
    for i, (image, corner) in enumerate((m, n) for m in range(2) for n in range(3)):
        y, x = where[corner].tolist()
        assert torch.equal(cut[i], source[image, y : y + 4, x : x + 4].permute(2, 0, 1))


@pytest.mark.parametrize(("side", "step"), [(1, 4), (3, 1), (3, 2), (2, 5)])
def test_means_over_a_lattice(side: int, step: int) -> None:
    maps = torch.randn(11, 9, 4, generator=torch.Generator().manual_seed(0))
    got = lattice_mean(maps, side, step)
    assert got.shape == (11 - (side - 1) * step, 9 - (side - 1) * step, 4)
    for y in range(got.shape[0]):
        for x in range(got.shape[1]):
            part = maps[y : y + side * step : step, x : x + side * step : step]
            assert part.shape[:2] == (side, side)
            torch.testing.assert_close(got[y, x], part.mean(dim=(0, 1)))


def test_embeddings_of_neighbours_begin_alike_and_all_differ() -> None:
    table = waves(15, 8)
    assert table.shape == (225, 8)
    assert float(table.abs().max()) <= 1
    distance = torch.cdist(table, table).view(15, 15, 15, 15)
    assert float(distance[7, 7, 7, 8]) < float(distance[7, 7, 7, 14])
    distance = torch.cdist(table, table).fill_diagonal_(1)
    assert float(distance.min()) > 1e-2
    assert waves(3, 1).shape == (9, 1)


def test_positions_are_learned_from_there() -> None:
    network = build("published", 32, 16, 16, embedding=8)
    assert isinstance(network.embedding, nn.Embedding)
    assert network.embedding.weight.requires_grad
    np.testing.assert_array_equal(network.corners.numpy(), corners(32, 16, 16))
    loss = F.cross_entropy(network(random_images(4, 16), torch.arange(4)), torch.arange(4) % 3)
    loss.backward()
    moved = network.embedding.weight.grad.abs().sum(dim=1)
    assert (moved[:4] > 0).all()
    assert (moved[4:] == 0).all()


def test_strides_are_kept_as_far_as_all_corners_allow() -> None:
    assert whole_strides([2, 1, 2, 1], 4) == [2, 1, 2, 1]
    assert whole_strides([2, 1, 2, 1], 12) == [2, 1, 2, 1]
    assert whole_strides([2, 1, 2, 1], 6) == [2, 1, 1, 1]
    assert whole_strides([2, 1, 2, 1], 3) == [1, 1, 1, 1]
