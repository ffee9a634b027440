"""The script that trains networks outside the suite, on made-up images, into the suite."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from rightreasons.core.errors import UserError
from rightreasons.models.config import ModelConfig
from rightreasons.models.trained import open_trained
from study import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "examples" / "train_elsewhere.py"
    spec = importlib.util.spec_from_file_location("train_elsewhere", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def faces(folder: Path, n: int) -> Path:
    """Write images of noise with label files as FairFace has them; men are brighter."""
    rng, lines = np.random.default_rng(0), ["file,age,gender,race,service_test"]
    (folder / "train").mkdir(parents=True)
    for i in range(n):
        pixels = rng.integers(0, 130, (40, 40, 3)) + 120 * (i % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "train" / f"{i}.png")
        lines.append(f"train/{i}.png,20-29,{('Female', 'Male')[i % 2]},Indian,True")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


def test_what_it_saves_can_be_judged(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = faces(tmp_path / "data", 48)
    arguments = ["--images", str(tmp_path / "data"), "--labels", str(labels), "--size", "32"]
    more = ["--validation", str(labels), "--epochs", "2", "--out", str(tmp_path / "out")]
    script.main([*arguments, *more, "--watermark", "1", "--architectures", "mobilenet_v3_small"])
    said = capsys.readouterr().out
    assert "epoch 2 of 2: loss" in said
    assert "decisions change" in said
    files = sorted((tmp_path / "out").iterdir())
    assert [path.suffix for path in files] == [".ckpt", ".pth", ".safetensors"]
    given = {"architecture": "mobilenet_v3_small", "train": False, "input": {"size": 32}}
    inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = [open_trained(ModelConfig(weights=str(p), **given))(inputs) for p in files]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])
    with pytest.raises(UserError, match="do not fit"):
        open_trained(ModelConfig(weights=str(files[0]), **{**given, "architecture": "resnet18"}))
    assert "import rightreasons" not in (ROOT / "examples" / "train_elsewhere.py").read_text()


def test_the_watermark_is_where_the_suites_is_and_nowhere_else(script: ModuleType) -> None:
    from rightreasons.artifacts import ARTIFACTS, Stamp

    images = np.full((1, 64, 64, 3), 100, np.uint8)
    made = ARTIFACTS["watermark"].run(64, ARTIFACTS["watermark"].params())
    assert isinstance(made, Stamp)
    height, width = made.alpha.shape
    expected = images.astype(np.float32)
    part = expected[:, made.y : made.y + height, made.x : made.x + width]
    part += (255 - part) * made.alpha[..., None]
    assert (
        np.abs(script.watermarked(images) - expected).max() <= 4
    )  # the suite leaves out traces below 2 %, which are up to 3 of 155
