"""Networks built for another size of images: position embeddings, files, storage, messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision import models

from rightreasons.contracts.fakes import CPU
from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.models.config import ModelConfig
from rightreasons.models.facts import TRANSFORMED, check_size
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.models.outside import input_of
from rightreasons.models.positions import NAME, resampled
from rightreasons.models.small_networks import small_vit
from rightreasons.models.storage import load_model, save_model
from rightreasons.models.trained import fresh_like, open_trained

EMBEDDING = f"trunk.{NAME}"


def images(side: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


def stored(tmp_path: Path, side: int = 64) -> tuple[Path, dict[str, torch.Tensor]]:
    torch.manual_seed(3)
    state = small_vit(image_size=side).state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    return tmp_path / "vit.safetensors", state


@pytest.mark.parametrize("side", [16, 96])
def test_positions_are_interpolated_between_corners(tmp_path: Path, side: int) -> None:
    path, state = stored(tmp_path)
    model = build_classifier("small_vit", str(path), image_size=side)
    own = model.state_dict()[EMBEDDING][0]
    old, patches = state[NAME][0], side // 8
    assert own.shape == (1 + patches**2, 128)
    assert torch.equal(own[0], old[0])  # the class token's
    grid = old[1:].reshape(8, 8, 128).permute(2, 0, 1)[None]
    slow = F.interpolate(grid, (patches, patches), mode="bicubic", align_corners=True)
    torch.testing.assert_close(own[1:], slow[0].permute(1, 2, 0).reshape(-1, 128))
    corners = [(0, 0), (0, 7), (7, 0), (7, 7)]
    for (row, column), at in zip(corners, (0, patches - 1, -patches, -1), strict=True):
        torch.testing.assert_close(own[1:][at], grid[0, :, row, column])
    assert model(images(side)).shape == (2, 2)
    same = {k: v for k, v in model.state_dict().items() if k != EMBEDDING and "head" not in k}
    assert all(torch.equal(v, state[k.removeprefix("trunk.")]) for k, v in same.items())


def test_positions_of_the_networks_own_size_are_left_alone(tmp_path: Path) -> None:
    path, state = stored(tmp_path)
    for side in (64, None):
        model = build_classifier("small_vit", str(path), image_size=side)
        assert torch.equal(model.state_dict()[EMBEDDING], state[NAME])
    assert resampled({"a": torch.ones(2)}, {"a": (2,)}).keys() == {"a"}


def test_weights_for_another_size_are_interpolated_by_choice_alone(tmp_path: Path) -> None:
    path, _ = stored(tmp_path, side=32)
    with pytest.raises(
        UserError, match=r"are for images of 32 pixels, and small_vit .*for 64.*image_size: 32"
    ):
        build_classifier("small_vit", str(path))
    build_classifier("small_vit", str(path), image_size=64)


def test_a_network_of_another_size_is_stored_and_made_anew(tmp_path: Path) -> None:
    model = build_classifier("small_vit", seed=1, image_size=32).eval()
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors", "small_vit", CPU)
    assert torch.equal(loaded(images(32)), model(images(32)))
    fresh = fresh_like(loaded, "small_vit", 5)
    built = build_classifier("small_vit", seed=5, image_size=32)
    for (name, a), b in zip(fresh.state_dict().items(), built.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_trained_network_is_opened_for_another_size(tmp_path: Path) -> None:
    path, state = stored(tmp_path)
    config = ModelConfig(
        architecture="small_vit", weights=str(path), train=False, image_size=32,
        input={"mean": [0.5] * 3, "std": [0.5] * 3},
    )  # fmt: skip
    model = open_trained(config)
    network = small_vit(image_size=32).eval()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(resampled(state, shapes))
    mean, std = (torch.tensor(one)[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD))
    scaled = (images(32) * std + mean - 0.5) / 0.5
    torch.testing.assert_close(model(images(32)), network(scaled), rtol=1e-4, atol=1e-5)
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors", "small_vit", CPU)
    torch.testing.assert_close(loaded(images(32)), model(images(32)))


@pytest.mark.parametrize(
    ("architecture", "size", "image_size", "said"),
    [
        ("vit_b_16", 64, None, r"of 224 pixels\. Set `model.image_size: 64`.*input: \{size: 224"),
        ("vit_b_16", 50, None, r"Set `model.input: \{size: 224\}`.* multiple of 16"),
        ("vit_b_16", 128, 64, r"takes images of 64 pixels\. Set `model.image_size: 128`"),
        ("vit_b_16", 60, 60, r"model.image_size = 60: .*patches of 16.* such as 48 or 64"),
        ("vit_b_32", 20, 20, r"multiples of 32, such as 32\."),
        ("small_vit", 32, None, r"takes images of 64 pixels\. Set `model.image_size: 32`"),
        ("resnet18", 64, 64, r"model.image_size = 64: .* not resnet18: it has none"),
        ("maxvit_t", 64, None, r"maxvit_t takes images of 224 pixels\. Choose another size"),
        ("hf:folder", 64, 64, "its own files say how it is built"),
    ],
)  # fmt: skip
def test_sizes_that_a_network_is_not_built_for(
    architecture: str, size: int, image_size: int | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        check_size(architecture, size, "size of the images", image_size=image_size)


def test_sizes_that_a_network_is_built_for() -> None:
    check_size("vit_b_16", 64, "size", image_size=64)
    check_size("vit_h_14", 518, "size", weights="imagenet")  # trained on images of that size
    with pytest.raises(UserError, match="of 518 pixels"):
        check_size("vit_h_14", 224, "size", weights="imagenet")
    assert models.ViT_H_14_Weights.DEFAULT.meta["min_size"] == (518, 518)
    check_size("timm:vit", 64, "size", image_size=64)  # timm says when a run starts
    with pytest.raises(UserError, match="not small_cnn"):
        build_classifier("small_cnn", image_size=32)


# Networks that torchvision hands images on another scale


@pytest.mark.parametrize("architecture", TRANSFORMED)
def test_torchvisions_weights_get_images_as_its_own_builder_hands_them_on(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    kind = {"googlenet": models.GoogLeNet, "inception_v3": models.Inception3}[architecture]
    network = kind(init_weights=False, aux_logits=True, transform_input=True).eval()
    weights: Any = models.get_model_weights(architecture)
    monkeypatch.setattr(weights, "get_state_dict", lambda self, **_: network.state_dict())
    model = build_classifier(architecture, "imagenet").eval()
    side = {"googlenet": 32, "inception_v3": 75}[architecture]
    last, network.fc = network.fc, torch.nn.Identity()
    with torch.no_grad():
        expected = network(images(side))
        torch.testing.assert_close(model.features(images(side)), expected, rtol=1e-4, atol=1e-5)
        told = ModelConfig(architecture=architecture, weights="imagenet", train=False, positive=3,
                           negative=5, input={})  # fmt: skip
        network.fc = last
        opened = open_trained(told)
        logits = network(images(side))[:, [5, 3]]
        torch.testing.assert_close(opened(images(side)), logits, rtol=1e-4, atol=1e-5)
    assert isinstance(build_classifier(architecture).input, torch.nn.Identity)


def test_a_scale_in_the_config_is_what_counts() -> None:
    told = {"size": None, "mean": [0.4] * 3, "std": [0.2] * 3, "range": [0.0, 1.0]}
    model = build_classifier("googlenet", input=told)
    expected = input_of(told)
    torch.testing.assert_close(model.input(images(32)), expected(images(32)))
    assert isinstance(model, Classifier)
