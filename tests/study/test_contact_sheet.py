"""The contact sheet: which pictures it shows, and the outline of the region."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from rightreasons.core.errors import UserError
from rightreasons.study.contact_sheet import OUTLINE, main, pictures_of
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from study import tiny

N, SIZE = 8, 32
RECTANGLE = [0.25, 0.5, 0.75, 0.75]  # columns 8 to 23, rows 16 to 23


def config(folder: Path) -> dict[str, Any]:
    made = tiny(results=str(folder), artifacts={"hat": {"variants": 3}})
    necktie = made["tasks"]["smiling_by_necktie"]
    hat = {**necktie, "protected": "hat", "roi": {"artifact": "hat"}}
    tone = {**necktie, "protected": "Skin_Tone > 5", "roi": RECTANGLE}
    return {**made, "tasks": {"by_necktie": necktie, "by_hat": hat, "by_tone": tone}}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a plan whose dataset is there: random images, and a mask bit in some."""
    made = Plan(load_config(config(tmp_path)))
    pool, rng = made.pool("synthfaces").output, np.random.default_rng(3)
    pool.images.parent.mkdir(parents=True)
    np.save(pool.images, rng.integers(0, 255, (N, SIZE, SIZE, 3)).astype(np.uint8))
    np.save(made.paths.twins("synthfaces", "Wearing_Necktie"), 255 - np.load(pool.images))
    masks = np.zeros((N, SIZE, SIZE), np.uint8)
    masks[:, 4, 5] = 1
    np.save(pool.masks, masks)
    meta = {"mask_names": ["Wearing_Necktie"], "n_images": N, "size": SIZE}
    pool.pool.write_text(json.dumps(meta))
    pd.DataFrame({"row": range(N), "Wearing_Necktie": np.arange(N) % 2}).to_parquet(pool.index)
    return made


def painted(pictures: np.ndarray) -> np.ndarray:
    masks: np.ndarray = (pictures == OUTLINE).all(axis=-1)
    return masks


def test_an_artifact_is_shown_without_with_and_with_its_outline(plan: Plan) -> None:
    shown = pictures_of(plan, "by_hat", 5, seed=0)
    assert shown.shape == (5, 3, SIZE, SIZE, 3)
    without, carrying, outlined = shown.swapaxes(0, 1)
    pool = np.load(plan.pool("synthfaces").output.images)
    assert all(any(np.array_equal(image, one) for one in pool) for image in without)
    for before, after, marked in zip(without, carrying, painted(outlined), strict=True):
        changed = (before != after).any(axis=-1)
        assert changed.sum() > 20
        assert not (changed & marked).any()
        # Around what is changed and nowhere else: every marked pixel touches it.
        y, x = np.nonzero(marked)
        assert all(
            changed[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].any()
            for i, j in zip(y, x, strict=True)
        )
    assert np.array_equal(outlined[~painted(outlined)], carrying[~painted(outlined)])
    assert np.array_equal(pictures_of(plan, "by_hat", 5, seed=0), shown)
    assert not np.array_equal(pictures_of(plan, "by_hat", 5, seed=1), shown)


def test_twins_of_a_dataset_are_shown_of_those_who_carry_the_attribute(plan: Plan) -> None:
    shown = pictures_of(plan, "by_necktie", 99, seed=0)
    pool = np.load(plan.pool("synthfaces").output.images)
    assert np.array_equal(shown[:, 1], pool[1::2])
    assert np.array_equal(shown[:, 0], 255 - pool[1::2])
    around = np.zeros((SIZE, SIZE), bool)
    around[3:6, 4:7] = True
    around[4, 5] = False
    assert np.array_equal(painted(shown[:, 2]), np.broadcast_to(around, (N // 2, SIZE, SIZE)))


def test_without_twins_there_are_the_image_and_its_region(plan: Plan) -> None:
    shown = pictures_of(plan, "by_tone", 2, seed=0)
    assert shown.shape[1] == 2
    around = np.zeros((SIZE, SIZE), bool)
    around[15:25, 7:25] = True
    around[16:24, 8:24] = False
    assert np.array_equal(painted(shown[:, 1]), np.stack([around, around]))


def test_the_command_writes_a_sheet(plan: Plan, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config(tmp_path)))
    out = tmp_path / "sheet.png"
    assert main([str(tmp_path / "study.yaml"), "by_hat", "--out", str(out), "--images", "4"]) == 0
    with Image.open(out) as sheet:  # two rows of three and of one; images are enlarged to 192
        assert sheet.size == (3 * (3 * 192 + 6) + 6, 2 * (192 + 6) + 6)
    assert "4 images, 3 pictures of each" in capsys.readouterr().out


def test_what_it_needs_is_said(plan: Plan, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(UserError, match=r"no task 'by_hut' \(did you mean 'by_hat'"):
        pictures_of(plan, "by_hut", 1, seed=0)
    with pytest.raises(UserError, match="at least 1"):
        pictures_of(plan, "by_hat", 0, seed=0)
    plan.pool("synthfaces").output.images.unlink()
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config(tmp_path)))
    given = [str(tmp_path / "study.yaml"), "by_hat", "--out", str(tmp_path / "sheet.png")]
    assert main(given) == 1
    assert "images.npy is not there. Make it first: snakemake" in capsys.readouterr().err
