"""Files of every kind that results hold, whole, cut at several places, and of another kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from rightreasons.core.errors import UserError
from rightreasons.core.job import Files
from rightreasons.metrics.measures import MapSet
from rightreasons.runtime.damage import CHECKS, damaged


class One(Files):
    file: Path


def made(folder: Path, suffix: str) -> Path:
    path = folder / f"whole{suffix}"
    match suffix:
        case ".parquet":
            pd.DataFrame({"a": [1.5, 2.5]}).to_parquet(path)
        case ".npy":
            np.save(path, np.arange(60, dtype=np.float32).reshape(3, 4, 5))
        case ".npz":
            np.savez(path, a=np.arange(400), b=np.ones(3))
        case ".json":
            path.write_text(json.dumps({"a": list(range(50))}))
        case ".safetensors":
            save_file({"a": torch.ones(3, 4), "b": torch.zeros(7)}, path, {"made": "here"})
    return path


@pytest.mark.parametrize("suffix", CHECKS)
def test_whole_files_are_whole(suffix: str, tmp_path: Path) -> None:
    assert damaged(One(file=made(tmp_path, suffix))) == []
    assert damaged(One(file=tmp_path / f"gone{suffix}")) == []


@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("suffix", CHECKS)
def test_cut_files_are_found(suffix: str, share: float, tmp_path: Path) -> None:
    path = made(tmp_path, suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert damaged(One(file=path)) == [str(path)]


@pytest.mark.parametrize("suffix", CHECKS)
def test_files_of_another_kind_are_found(suffix: str, tmp_path: Path) -> None:
    other = made(tmp_path, ".json" if suffix != ".json" else ".npy")
    path = other.rename(tmp_path / f"renamed{suffix}")
    assert damaged(One(file=path)) == [str(path)]


def test_a_longer_array_than_its_header_says_is_damaged(tmp_path: Path) -> None:
    path = made(tmp_path, ".npy")
    path.write_bytes(path.read_bytes() + b"more")
    assert damaged(One(file=path)) == [str(path)]


@pytest.mark.parametrize("images", [2, 4])
def test_maps_of_another_number_of_images_are_not_mixed_up(images: int, tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", np.zeros((2, images, 4, 4), np.float32))
    rows = pd.DataFrame({"explainer": ["a"] * 3 + ["b"] * 3, "image_id": list("xyzxyz")})
    rows.to_parquet(tmp_path / "maps.parquet")
    with pytest.raises(UserError, match=r"maps\.npy holds .* about 6 maps"):
        MapSet.open(tmp_path / "maps.npy", tmp_path / "maps.parquet")
