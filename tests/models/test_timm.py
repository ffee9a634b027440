"""Networks of timm, with the library: their images, their last layers, files, sizes of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rightreasons.contracts.fakes import CPU, biased_images, quiet
from rightreasons.core.errors import UserError
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Resized
from rightreasons.models.config import ModelConfig
from rightreasons.models.layers import freeze_part, layer_name
from rightreasons.models.storage import load_model, save_model
from rightreasons.models.trained import open_trained
from rightreasons.study.rehearsal import rehearse

timm: Any = pytest.importorskip("timm")

INPUTS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def network_of(name: str, seed: int = 1, **extra: Any) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = timm.create_model(name, pretrained=False, **extra)
    return network.eval()


def saved(path: Path, network: nn.Module) -> Path:
    save_file({k: v.clone().contiguous() for k, v in network.state_dict().items()}, path)
    return path


def as_timm_says(network: Any, inputs: torch.Tensor, side: int) -> torch.Tensor:
    """Return images on ImageNet's scale as timm's own preprocessing would have them."""
    pixels = inputs * STD[:, None, None] + MEAN[:, None, None]
    told = network.pretrained_cfg
    scaled = (pixels - torch.tensor(told["mean"])[:, None, None]) / torch.tensor(told["std"])[
        :, None, None
    ]
    return Resized(torch.tensor(side))(scaled)


@pytest.mark.parametrize(
    "name", ["test_vit", "test_convnext", "test_efficientnet", "test_resnet", "test_maxvit"]
)
def test_features_are_timms_pooled_ones_of_its_own_images(tmp_path: Path, name: str) -> None:
    network = network_of(name)
    model = build_classifier(f"timm:{name}", str(saved(tmp_path / "w.safetensors", network))).eval()
    side = network.pretrained_cfg["input_size"][-1]
    with torch.no_grad():
        scaled = as_timm_says(network, INPUTS, side)
        pooled = network.forward_head(network.forward_features(scaled), pre_logits=True)
        torch.testing.assert_close(model.features(INPUTS), pooled, rtol=1e-4, atol=1e-4)
    assert model.head.out_features == 2
    assert torch.equal(model(INPUTS), torch.zeros(2, 2))
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors", f"timm:{name}", CPU)
    with torch.no_grad():
        torch.testing.assert_close(loaded.features(INPUTS), pooled, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("given", [{}, {"size": 96}, {"mean": [0.1] * 3}])
def test_a_size_in_the_config_leaves_timms_scale(given: dict[str, Any]) -> None:
    told = ModelConfig(architecture="timm:test_vit", input=given).starting()
    model = build_classifier(**told)
    side = given.get("size")
    network = network_of("test_vit")
    assert network.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)
    expected = as_timm_says(network, INPUTS, side or 64)
    if "mean" in given:
        pixels = INPUTS * STD[:, None, None] + MEAN[:, None, None]
        expected = (pixels - 0.1) / STD[:, None, None]  # ImageNet's deviation
    torch.testing.assert_close(model.input(INPUTS), expected, rtol=1e-4, atol=1e-5)


def test_a_tower_without_a_last_layer_is_a_linear_probe(tmp_path: Path) -> None:
    """The head stands behind the pooled features, and nothing else of the tower is taken away."""
    tower = network_of("test_vit", num_classes=0, img_size=32)
    path = saved(tmp_path / "tower.safetensors", tower)
    assert not any(key.startswith("head") for key in tower.state_dict())
    model = build_classifier("timm:test_vit", str(path), image_size=32).eval()
    with torch.no_grad():
        scaled = as_timm_says(tower, INPUTS, 32)
        torch.testing.assert_close(model.features(INPUTS), tower(scaled), rtol=1e-4, atol=1e-5)
    before = {key: value.clone() for key, value in model.trunk.state_dict().items()}
    freeze_part(model, "trunk")
    train(
        model, biased_images(32, 0.5), TrainingConfig(epochs=1, batch_size=16),
        generator=torch.Generator().manual_seed(0), device=CPU, progress=quiet,
    )  # fmt: skip
    assert all(torch.equal(before[k], v) for k, v in model.trunk.state_dict().items())
    assert model.head.weight.abs().sum() > 0
    assert layer_name(model, "last_conv") == f"blocks.{len(tower.blocks) - 2}"
    with pytest.raises(UserError, match="no last layer"):
        open_trained(
            ModelConfig(architecture="timm:test_vit", weights=str(path), train=False, image_size=32)
        )


def test_towers_that_timm_builds_without_a_last_layer_get_one() -> None:
    model = build_classifier("timm:vit_small_patch14_dinov2", image_size=28)
    assert timm.create_model("vit_small_patch14_dinov2", img_size=28).num_classes == 0
    assert model.n_features == 384
    assert "trunk.blocks.11.mlp.fc2.weight" in model.state_dict()
    assert model.features(INPUTS).shape == (2, 384)


def test_files_of_other_places_are_converted(tmp_path: Path) -> None:
    """OpenCLIP's names of an image tower, with its text tower beside it."""
    tower = network_of("test_vit")
    network = timm.create_model("test_vit", num_classes=7)
    names = {"patch_embed.proj": "conv1", "blocks.": "transformer.resblocks.", "norm1": "ln_1",
             "norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
             "attn.qkv.": "attn.in_proj_", "attn.proj": "attn.out_proj"}  # fmt: skip
    state = {}
    for key, value in tower.state_dict().items():
        other = key
        for ours, theirs in names.items():
            other = other.replace(ours, theirs)
        if key in ("norm.weight", "norm.bias"):
            other = other.replace("norm", "ln_post")
        if key == "cls_token":
            other, value = "class_embedding", value[0, 0]
        if key == "pos_embed":
            other, value = "positional_embedding", value[0]
        if not key.startswith("head"):
            state[f"visual.{other}"] = value
    state |= {"logit_scale": torch.ones(()), "positional_embedding": torch.ones(77, 8)}
    path = tmp_path / "open_clip.pt"
    torch.save(state, path)
    model = build_classifier("timm:test_vit", str(path)).eval()
    assert model.trunk.state_dict().keys() <= network.state_dict().keys()
    for key, value in model.trunk.state_dict().items():
        assert torch.equal(value, tower.state_dict()[key]), key
    smaller = build_classifier("timm:test_vit", str(path), image_size=64)
    assert smaller.trunk.state_dict()["pos_embed"].shape[1] == 17


def test_positions_of_another_size_are_interpolated_by_choice(tmp_path: Path) -> None:
    network = network_of("test_vit", img_size=32)
    path = saved(tmp_path / "w.safetensors", network)
    with pytest.raises(UserError, match=r"positions? .*32 pixels.*built for 160.*image_size: 32"):
        build_classifier("timm:test_vit", str(path))
    model = build_classifier("timm:test_vit", str(path), image_size=64)
    from timm.layers import resample_abs_pos_embed

    expected = resample_abs_pos_embed(network.pos_embed, [4, 4], num_prefix_tokens=1)
    torch.testing.assert_close(model.trunk.state_dict()["pos_embed"], expected)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("test_vit", 70, r"patches of 16 pixels\. Allowed: multiples of 16, such as 64 or 80"),
        ("test_convnext", 64, r"timm:test_convnext is not built for one size.*input: \{size: 64\}"),
        ("test_vit.nonsense", None, r"timm does not build 'test_vit\.nonsense'"),
        ("deit_tiny_distilled_patch16_224", None, "ends in several layers"),
    ],
)
def test_what_timm_cannot_build(name: str, size: int | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        build_classifier(f"timm:{name}", image_size=size)


def test_a_size_that_a_network_does_not_take_is_said_before_training() -> None:
    model = ModelConfig(architecture="timm:vit_tiny_patch16_224", input={"size": 64})
    with pytest.raises(
        UserError, match=r"does not take images of 32 pixels, resized to 64,.*model.image_size: 64"
    ):
        rehearse(model, 32, {})
    rehearse(model.model_copy(update={"image_size": 64}), 32, {})
    rehearse(ModelConfig(architecture="timm:test_vit"), 32, {})
