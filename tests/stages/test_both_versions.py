"""A pool that holds both versions of each image: splits, twins and maps, as with an artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.splits import cell_counts, phi
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.rules import Rules
from scripts import run_script
from study import tinier

N = 160
TASKS = {
    "smiling_by_background": {"protected": "background", "roi": {"mask": "background"}},
    "smiling_by_tie": {"protected": "Wearing_Necktie", "roi": {"mask": "foreground"}},
}
CELL = {"design": "phi", "level": "0.8", "seed": "0"}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    folder = tmp_path_factory.mktemp("study")
    raw = tinier([0.8], results=str(folder / "results"), data=str(folder / "data"))
    raw["datasets"] = {
        "faces": {
            "kind": "composite",
            "foreground": {"kind": "synthfaces", "n_images": N},
            "mask": "Person",
            "backgrounds": {"kind": "textures", "n_images": 2 * N},
            "attribute": "texture == waves",
            "size": 24,
        }
    }
    del raw["designs"]["phi"]["max_images"]
    raw["tasks"] = {
        name: {"dataset": "faces", "target": "Smiling", **task} for name, task in TASKS.items()
    }
    raw["explain"]["sets"] = {"main": {"gradient": {}}}
    found = Rules(Plan(load_config(raw)))
    run_script(found, "fetch", dataset="faces")
    run_script(found, "pool", dataset="faces")
    for task in TASKS:
        run_script(found, "split", **CELL, task=task)
    for stage, more in (("train", {}), ("explain", {"method": "vanilla", "explainers": "main"})):
        run_script(found, stage, **CELL, task="smiling_by_background", **more)
    return found


def split_of(rules: Rules, task: str) -> pd.DataFrame:
    group = rules.plan.grid.group(task, "phi", 0.8, 0)
    return pd.read_parquet(rules.plan.split(group).output.split)


def test_a_split_says_which_image_has_which_background(rules: Rules) -> None:
    split = split_of(rules, "smiling_by_background")
    index = pd.read_parquet(rules.plan.pool("faces").output.index).set_index("row")
    of_pool = index.loc[split["row"]]
    assert split["image_id"].tolist() == of_pool["image_id"].tolist()
    assert split["protected"].tolist() == of_pool["background"].tolist()
    assert split["target"].tolist() == of_pool["Smiling"].tolist()
    assert (split["row"][split["role"] == "train"] % N).is_unique
    test = split[split["role"] == "test"]
    with_it = set(test.loc[test["protected"] == 1, "row"] - N)
    assert with_it == set(test.loc[test["protected"] == 0, "row"])
    roles = split.assign(source=split["row"] % N).groupby("source")["role"].nunique()
    assert (roles == 1).all()


def test_no_foreground_is_wasted_at_a_high_level(rules: Rules) -> None:
    """With backgrounds drawn beforehand, train could be 1 / (1 + 0.8) of its slice, 27 images."""
    split = split_of(rules, "smiling_by_background")
    train = split[split["role"] == "train"]
    assert 40 <= len(train) <= 0.3 * N
    assert phi(*cell_counts(train)) == pytest.approx(0.8, abs=1 / 40)
    plan, group = rules.plan, rules.plan.grid.group("smiling_by_background", "phi", 0.8, 0)
    assert plan.split(group).injected
    assert TablePlan(plan).compare("smiling_by_background", "phi", "0.8").injected


def test_twins_are_the_pools_other_images(rules: Rules) -> None:
    plan, group = rules.plan, rules.plan.grid.group("smiling_by_background", "phi", 0.8, 0)
    assert plan.switched() == []
    assert plan.train(group).input.twins == plan.pool("faces").output.images
    table = pd.read_parquet(plan.train(group).output.predictions)
    test = table[table["role"] == "test"].set_index("image_id")
    first = test[test["protected"] == 0]
    second = test.loc[first.index + "+background"]
    np.testing.assert_allclose(first["twin_score"], second["score"], atol=1e-5)
    np.testing.assert_allclose(second["twin_score"], first["score"], atol=1e-5)
    assert (first["score"].to_numpy() != second["score"].to_numpy()).any()


def test_maps_are_drawn_for_both_versions_of_an_image(rules: Rules) -> None:
    plan, group = rules.plan, rules.plan.grid.group("smiling_by_background", "phi", 0.8, 0)
    rows = pd.read_parquet(plan.map_files(group, "vanilla", "main").index)["row"]
    assert len(rows) == 16
    assert set(rows[rows < N] + N) == set(rows[rows >= N])


def test_with_another_attribute_each_image_has_one_drawn_background(rules: Rules) -> None:
    split = split_of(rules, "smiling_by_tie")
    assert (split["row"] % N).is_unique
    carries = (split["row"] >= N).mean()
    assert 0.3 < carries < 0.7
    index = pd.read_parquet(rules.plan.pool("faces").output.index).set_index("row")
    assert split["protected"].tolist() == index.loc[split["row"], "Wearing_Necktie"].tolist()
    group = rules.plan.grid.group("smiling_by_tie", "phi", 0.8, 0)
    assert rules.plan.train(group).input.twins is None
    assert not rules.plan.explain(group, "vanilla", "main").both


def test_the_pools_masks_are_those_of_rois(rules: Rules, tmp_path: Path) -> None:
    masks = np.load(rules.plan.pool("faces").output.masks)
    assert set(np.unique(masks)) == {1, 2}
    np.testing.assert_array_equal(masks[:N], masks[N:])
