"""The stage split by itself: groups with many values, their names, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen, Group, Running
from rightreasons.stages.files import Split
from rightreasons.stages.split import SplitInput, SplitJob, split

TONES = [str(n) for n in range(1, 11)]


def done(folder: Path, design: str = "as_is", **changes: Any) -> tuple[pd.DataFrame, dict]:
    """Do the job on 400 images of a pool of black squares."""
    rng = np.random.default_rng(0)
    index = pd.DataFrame({"row": np.arange(400), "image_id": [f"{n}.jpg" for n in range(400)]})
    index["identity"] = pd.array([f"p{n // 2}" for n in range(400)], dtype="string")
    index["partition"] = None
    index["Smile"] = rng.integers(0, 2, 400).astype("int8")
    index["Male"] = rng.integers(0, 2, 400).astype("int8")
    index["tone"] = rng.integers(1, 11, 400)
    index.to_parquet(folder / "index.parquet")
    np.save(folder / "images.npy", np.zeros((400, 2, 2, 3), np.uint8))
    np.save(folder / "masks.npy", np.zeros((0, 2, 2), np.uint8))
    meta = {"n_images": 400, "size": 2, "mask_names": []}
    (folder / "pool.json").write_text(json.dumps(meta))
    given: dict[str, Any] = {"target": "Smile", "protected": "tone", "injected": False, **changes}
    job = SplitJob(
        input=SplitInput(index=folder / "index.parquet"),
        output=Split.below(folder),
        group=Group(dataset="d", task="t", design=design, level=0.0, seed=0),
        **{"many_classes": False, "both": "", "watched": None, **given},
        design=Chosen(name=design, kind=design, params={}),
        levels=(0.0,),
    )
    split(job, Running(lambda it, _="": it, lambda: None))
    names = json.loads((folder / "names.json").read_text())
    return pd.read_parquet(folder / "split.parquet"), names


def test_codes_are_those_of_the_names(tmp_path: Path) -> None:
    drawn, names = done(tmp_path, protected="tone, Male")
    index = pd.read_parquet(tmp_path / "index.parquet").iloc[drawn["row"]]
    assert names["target"] == ["not Smile", "Smile"]
    assert names["protected"] == [f"{t} & {m}" for t in TONES for m in ("not Male", "Male")]
    expected = (index["tone"] - 1) * 2 + index["Male"]
    np.testing.assert_array_equal(drawn["protected"], expected)
    assert drawn["protected"].dtype == np.int8
    assert list(drawn) == ["row", "image_id", "role", "target", "protected"]


@pytest.mark.parametrize("injected", [False, True])
def test_two_groups_have_names_too(tmp_path: Path, injected: bool) -> None:
    protected = "ink" if injected else "Male"
    _, names = done(tmp_path, protected=protected, injected=injected)
    assert names["protected"] == (["without ink", "with ink"] if injected else ["not Male", "Male"])


def test_a_target_with_many_classes_is_for_networks_that_are_not_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks\.t\.target: tone has 10 values .* trained here"):
        done(tmp_path, target="tone", protected="Male")
    drawn, names = done(tmp_path, target="tone", protected="Male", many_classes=True)
    assert names["target"] == TONES
    assert set(drawn["target"]) == set(range(10))


def test_what_planning_could_not_know_is_said_by_the_first_job(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks\.t\.protected: tone has 10 values .* as_is"):
        done(tmp_path, design="phi")
