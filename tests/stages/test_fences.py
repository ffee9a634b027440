"""No weight and no parameter depends on a held-out image: shuffled labels and noise change nothing.

A stage of its own that chooses parameters can be added to `fitted`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS, open_context
from rightreasons.splits import HELD_OUT
from rightreasons.stages.debias import DebiasJob
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.rules import Rules
from scripts import run_script
from study import tiny

#: By task: its design and level.
CELLS = {"smiling_by_necktie": ("phi", "0.6"), "smiling_by_mark": ("artifact_fraction", "0.8")}
FEW = {"train": 48, "debias": 32, "test": 32}


def config(folder: Path) -> dict[str, Any]:
    """Return a study of all methods: an attribute with a ROI found by maps, and an artifact."""
    raw = tiny(results=str(folder / "results"), data=str(folder / "data"))
    raw["datasets"]["synthfaces"] = {"size": 24, "n_images": 700}
    raw["artifacts"] = {"mark": {"kind": "patch", "jitter": 0.05}}
    raw["tasks"] = {
        "smiling_by_necktie": {
            "dataset": "synthfaces",
            "target": "Smiling",
            "protected": "Wearing_Necktie",
            "roi": {"attribution": {"attribute": "Wearing_Hat", "quantile": 0.8}},
            "designs": ["phi"],
        },
        "smiling_by_mark": {
            "dataset": "synthfaces",
            "target": "Smiling",
            "protected": "mark",
            "roi": {"artifact": "mark"},
            "designs": ["artifact_fraction"],
        },
    }
    few = {"max_images": FEW, "min_images": dict.fromkeys(FEW, 8)}
    raw["designs"] = {
        "phi": {"levels": [0.6], **few},
        "artifact_fraction": {"levels": [0.8], **few},
    }
    raw["methods"] = {"vanilla": {}, **{name: METHODS[name].traits["small"] for name in NAMES}}
    raw["deterministic"] = True
    return raw


#: Every registered method but the original. `balanced` needs images in every cell of train.
NAMES = [method.name for method in METHODS if method.traits["changes"] != "nothing"]


def wildcards_of(task: str) -> dict[str, str]:
    design, level = CELLS[task]
    return {"task": task, "design": design, "level": level, "seed": "0"}


@pytest.fixture(scope="module", params=list(CELLS))
def cell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A task's pool, twins and split, which are finished, and what says how to go on."""
    folder = tmp_path_factory.mktemp("fences")
    rules = Rules(Plan(load_config(config(folder))))
    for stage in ("fetch", "pool"):
        run_script(rules, stage, dataset="synthfaces")
    if rules.plan.grid.twins(request.param):
        run_script(rules, "twins", dataset="synthfaces", attribute="Wearing_Necktie")
    run_script(rules, "split", **wildcards_of(request.param))
    return rules, request.param, folder / "results"


@pytest.fixture(scope="module", autouse=True)
def _as_before() -> Iterator[None]:
    """Scripts of a deterministic study change how torch computes on a GPU: undo it."""
    yield
    import torch

    torch.use_deterministic_algorithms(False)


def fitted(
    rules: Rules, task: str, *, anew: bool = True, methods: Collection[str] = ()
) -> dict[str, tuple[bytes, Any]]:
    """Train, look for the attribute, call methods: weights and decision of each, by name.

    anew: False leaves what is there. methods: all where none is named.
    """
    group = rules.plan.grid.group(*wildcards_of(task).values())
    anew = anew or not rules.plan.model_files(group, "twin_augmentation").metadata.exists()
    if anew:
        run_script(rules, "train", **wildcards_of(task))
    for key in rules.plan.fences if anew else ():
        if key[0] == task:
            named = zip(("task", "design", "seeds", "region"), key, strict=True)
            run_script(rules, "fenced_region", **dict(named))
    found = {}
    for method in methods or rules.plan.grid.methods(task):
        if method != "vanilla" and (
            anew or not rules.plan.model_files(group, method).metadata.exists()
        ):
            try:
                run_script(rules, "debias", **wildcards_of(task), method=method)
            except SystemExit as refused:  # such as an empty cell
                found[method] = (b"", str(refused))
                continue
        files = rules.plan.model_files(group, method)
        record = json.loads(files.metadata.read_text())
        chosen = record["decision"], record.get("notes"), record["labels"]
        found[method] = (files.model.read_bytes(), chosen)
    return found


def held_out(split: pd.DataFrame) -> np.ndarray:
    return split["role"].isin(HELD_OUT).to_numpy()


def spoil(rules: Rules, task: str) -> None:
    """Shuffle the labels of held-out images, and replace their pixels, twins and masks by noise."""
    rng = np.random.default_rng(1)
    group = rules.plan.grid.group(*wildcards_of(task).values())
    path = rules.plan.split(group).output.split
    split = pd.read_parquet(path)
    held = held_out(split)
    for name in ("target", "protected"):
        labels = split[name].to_numpy().copy()
        labels[held] = 1 - labels[held]
        split[name] = labels
    split.to_parquet(path)
    pool = rules.plan.pool("synthfaces").output
    index = pd.read_parquet(pool.index)
    rows = np.unique(split.loc[held, "row"].to_numpy() % len(index))
    for name in ("Smiling", "Wearing_Necktie", "Wearing_Hat"):
        index.loc[rows, name] = 1 - index.loc[rows, name]
    index.to_parquet(pool.index)
    for file in (pool.images, pool.masks, rules.plan.train(group).input.twins):
        if file is not None:
            stored = np.load(file, mmap_mode="r+")
            stored[rows] = rng.integers(0, 256, stored[rows].shape)
            stored.flush()


def test_noise_and_shuffled_labels_in_held_out_images_change_nothing(cell: Any) -> None:
    rules, task, results = cell
    before = fitted(rules, task)
    weights = {name for name, (one, _) in before.items() if one != before["vanilla"][0]}
    worked = {name for name, (one, _) in before.items() if one}
    assert {"finetune", "mask_general", "rrr", "map_guidance", "twin_augmentation"} <= weights
    assert worked >= set(NAMES) - {"balanced"}, before.keys() - worked
    for stage in ("train", "debias", "fenced_region"):
        shutil.rmtree(results / stage, ignore_errors=True)
    spoil(rules, task)
    after = fitted(rules, task)
    assert after.keys() == before.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert not changed


def test_this_test_would_notice_a_method_that_looks(cell: Any) -> None:
    """The same change in the images of train changes everything."""
    rules, task, _ = cell
    before = fitted(rules, task, anew=False)
    group = rules.plan.grid.group(*wildcards_of(task).values())
    split = pd.read_parquet(rules.plan.split(group).output.split)
    pool = rules.plan.pool("synthfaces").output
    stored = np.load(pool.images, mmap_mode="r+")
    row = int(split.loc[split["role"] == "train", "row"].iloc[0]) % len(stored)
    stored[row] = 255 - stored[row]
    stored.flush()
    after = fitted(rules, task, methods=("vanilla", "finetune", "mask_general"))
    for name in after:
        assert before[name][0] != after[name][0], name


def test_a_model_says_how_many_labels_it_used(cell: Any) -> None:
    rules, task, _ = cell
    found = {}
    for name, (_, (_, _, labels)) in readable(fitted(rules, task, anew=False)).items():
        found[name] = labels
    n_train, n_debias = FEW["train"], FEW["debias"]
    assert found["vanilla"] == {
        "target": n_train, "protected": 0, "decision": False, "masks": False, "twins": False,
    }  # fmt: skip
    assert (found["finetune"]["target"], found["finetune"]["protected"]) == (n_train + n_debias, 0)
    assert found["zhang"]["protected"] == n_debias
    assert found["thropt_group"]["decision"]
    assert found["twin_augmentation"]["twins"]
    assert found["rrr"]["masks"]
    job = rules.job("debias", {**wildcards_of(task), "method": "mask_general"})
    looked_through = json.loads(job.input.region.read_text())
    assert found["mask_general"]["protected"] == looked_through["n_train"]
    assert found["mask_general"]["target"] == n_train
    job = rules.job("debias", {**wildcards_of(task), "method": "rrr"})
    maps = job.input.roi_region
    expected = json.loads(maps.read_text())["n_train"] if maps else 0
    assert found["rrr"]["protected"] == expected
    assert (maps is not None) == (task == "smiling_by_necktie")


def readable(found: dict[str, tuple[bytes, Any]]) -> dict[str, tuple[bytes, Any]]:
    """Leave out methods that refused the cell."""
    return {name: made for name, made in found.items() if made[0]}


def asked(ask: Callable[[], Any]) -> None:
    with pytest.raises(UserError):
        ask()


def test_an_opened_cell_gives_no_version_of_a_held_out_image(
    cell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By role, pool, twins, masks, ROI and map; a photograph with an artifact is the same one."""
    rules, task, _ = cell
    contexts = []

    def opening(**given: Any) -> Any:
        contexts.append(open_context(**given))
        return contexts[-1]

    monkeypatch.setattr("rightreasons.debias.open_context", opening)
    for method in ("mask_specific", "rrr", "twin_augmentation"):
        run_script(rules, "debias", **wildcards_of(task), method=method)
    job: DebiasJob = rules.job("debias", {**wildcards_of(task), "method": "rrr"})
    split = pd.read_parquet(job.input.split)
    maps, roi, twins = contexts
    assert roi.roi("debias").shape == (int((split["role"] == "debias").sum()), 24, 24)
    assert roi.roi("train").any()
    assert (twins.twins("train").protected == 1 - twins.train().protected).all()
    every = np.arange(len(twins.train()))
    plain, other = (data.images[every] for data in (twins.train(), twins.twins("train")))
    assert (plain != other).any(axis=(1, 2, 3)).mean() > 0.5
    for row in split.loc[held_out(split), "row"]:
        photographs = len(np.load(job.input.images, mmap_mode="r"))
        versions = range(row % photographs, len(maps.train().images.pool), photographs)
        for version in map(int, versions):
            asked(lambda v=version: maps.debias().images.pool[v])
            asked(lambda v=version: twins.twins("debias").images.pool[np.array([v])])
            asked(lambda v=version: maps.attribution().specific(np.array([v])))
    for role in HELD_OUT:
        asked(lambda r=role: roi.roi(r))
        asked(lambda r=role: twins.twins(r))
        asked(lambda r=role: maps.role(r))
