"""A study whose figures all apply, with made-up tables and files where its stages leave them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fake_tables import (
    fake_associations,
    fake_bins,
    fake_calibration,
    fake_cells,
    fake_grid,
    fake_groups,
    fake_leaderboard,
    fake_part,
    fake_positions,
    fake_region_maps,
    fake_robustness,
    fake_runtimes,
    fake_shortcuts,
    fake_tests,
)
from rightreasons.core.files import write_json
from rightreasons.core.job import Group
from rightreasons.core.seeds import numpy_rng
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.tables.parameters import TableOne
from rightreasons.tables.ranks import over_blocks
from rightreasons.tables.schema import write_table
from rightreasons.tables.table_one import table_one
from study import tiny
from watermark import (
    fake_probes,
    fake_reliance,
    fake_sanity,
    fake_yardstick,
    fake_yardstick_debiased,
    fake_yardstick_tasks,
)

SIZE, IMAGES = 24, 16
OVER_BLOCKS = ("ranks", "improvement", "profiles")
ATTRIBUTES = ("Wearing_Hat", "coin_flip")


def config(results: Path, **changes: Any) -> dict[str, Any]:
    """Return the config: a task with every kind of method, and one with an artifact and vanilla."""
    boxes = {f"occlusion_{grid}": {"kind": "occlusion", "grid": grid} for grid in (8, 4)}
    task = {"dataset": "synthfaces", "target": "Smiling"}
    chosen = {
        "study": "made",
        "results": str(results),
        "seeds": [0, 1],
        "datasets": {"synthfaces": {"size": SIZE, "n_images": 400}},
        "artifacts": {"ink": {"kind": "watermark"}},
        "tasks": {
            "smiling_by_hat": {
                **task,
                "protected": "Wearing_Hat",
                "watched": {"attribute": "Eyeglasses"},
                "roi": {"mask": "Wearing_Hat"},
                "designs": ["phi"],
            },
            "smiling_by_ink": {
                **task,
                "protected": "ink",
                "roi": {"artifact": "ink"},
                "designs": ["artifact_fraction"],
                "methods": ["vanilla"],
            },
        },
        "designs": {
            "phi": {"levels": [0.0, 0.5, 0.9]},
            "artifact_fraction": {"levels": [0.0, 1.0]},
        },
        "methods": {
            "vanilla": {},
            "finetune": {},
            "thropt": {},
            "zhang": {},
            "mask_wide": {"kind": "mask_general", "quantile": 0.7},
            "mask_narrow": {"kind": "mask_general", "quantile": 0.9},
        },
        "explain": {
            "images": 16,
            "sets": {
                "main": {"lrp": {}, "integrated_gradients": {}},
                "boxes": {**boxes, "random": {}},
            },
        },
        "sanity": {"images": 8},
        "probe": {"images": 8},
        "multiverse": True,
        "regions": {"attributes": {"synthfaces": {"coin_flip": None}}},
    }
    return tiny(**{**chosen, "controls": True, **changes})


def plan(results: Path, **changes: Any) -> Plan:
    """Return the study's plan."""
    return Plan(load_config(config(results, **changes)))


def make(made: Plan) -> None:
    """Write all tables, and all files that a figure can need."""
    for name, path in TablePlan(made).files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = table(made, name)
        write_table([frame] if len(frame) else [], name, path)
    for group in made.grid.groups():
        _make_group(made, group)
    _make_pool(made)
    for dataset, attribute in ((d, a) for (d, _), a in made.regions.items()):
        _make_region(made, dataset, attribute)


def table(made: Plan, name: str) -> pd.DataFrame:
    """Return a made-up table of the study; one that this file does not know has no rows."""
    grid, seeds = made.grid, tuple(made.study.seeds)
    key = {"study": "made", "dataset": "synthfaces"}

    def of_pairs(build: Callable[[pd.DataFrame, str], pd.DataFrame]) -> pd.DataFrame:
        parts = []
        for task, design in grid.pairs():
            methods, levels = tuple(grid.methods(task)), tuple(grid.levels(design))
            cells = fake_cells(
                methods, levels, seeds, tuple(grid.explainers(task)), ("zhang", 0.9, 1)
            )
            parts.append(build(cells, task).assign(**key, task=task, design=design))
        return pd.concat([part for part in parts if len(part)], ignore_index=True)

    shown = tuple(grid.shown_explainers("smiling_by_hat"))
    tests = lambda cells, task: (  # noqa: E731
        fake_tests(cells, shown) if len(grid.methods(task)) > 1 else pd.DataFrame()
    )
    task = {"task": "smiling_by_hat", "design": "phi"}
    kinds = ("vanilla", "mask_general")
    schemes = fake_grid(kinds, (0.7, 0.9), seeds, 0.9).assign(**key, **task)
    schemes = schemes.replace(
        {"method": {"mask_general_70": "mask_wide", "mask_general_90": "mask_narrow"}}
    )
    bins = fake_bins(ATTRIBUTES, (0,)).assign(**key)
    every = tuple(grid.explainers("smiling_by_hat"))
    made_up: dict[str, Callable[[], pd.DataFrame]] = {
        "cell_metrics": lambda: of_pairs(lambda cells, _: cells),
        "groups": lambda: pd.concat(
            [
                fake_groups(tuple(grid.methods(t)), tuple(grid.levels(d)), seeds).assign(
                    **key, task=t, design=d
                )
                for t, d in grid.pairs()
            ]
        ),
        "tests": lambda: of_pairs(tests),
        "robustness": lambda: fake_robustness(tuple(grid.methods())[1:]).assign(**key, **task),
        "leaderboard": lambda: of_pairs(lambda cells, _: fake_leaderboard(cells)),
        **{name: lambda name=name: _over_blocks(made, of_pairs)[name] for name in OVER_BLOCKS},
        "associations": lambda: fake_associations(every),
        "runtimes": lambda: fake_runtimes(tuple(grid.methods())).assign(**key, **task),
        "region_reliability": lambda: bins,
        "region_calibration": lambda: fake_calibration(bins),
        "region_positions": lambda: fake_positions(ATTRIBUTES, 5).assign(**key),
        "region_maps": lambda: fake_region_maps().assign(**key),
        "data_attribution": lambda: schemes,
        "table_one": lambda: table_one(schemes.assign(epochs=None), TableOne.registered()),
        "reliance": lambda: fake_reliance(every, seeds=seeds, levels=(0.0, 0.9)).assign(
            **key, **task
        ),
        "two_shortcuts": lambda: fake_shortcuts(tuple(grid.methods())[1:]).assign(**key, **task),
        "yardstick": lambda: fake_yardstick(every),
        "yardstick_tasks": lambda: fake_yardstick_tasks(every),
        "yardstick_debiased": lambda: fake_yardstick_debiased(every),
        "probes": lambda: of_pairs(lambda cells, _: fake_probes(every, levels=(0.9,), seeds=seeds)),
        "sanity": lambda: of_pairs(lambda cells, _: fake_sanity(every, levels=(0.9,), seeds=seeds)),
    }
    return made_up[name]() if name in made_up else pd.DataFrame()


def _over_blocks(
    made: Plan, of_pairs: Callable[[Callable[[pd.DataFrame, str], pd.DataFrame]], pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Return the tables over tasks, levels and seeds, as the stage makes them of these cells."""
    ranking = TablePlan(made).ranks().ranking.model_copy(update={"replicates": 50})
    return over_blocks(of_pairs(lambda cells, _: cells), ranking)


def _make_group(made: Plan, group: Group) -> None:
    """Write what `measure`, `train` and `explain` leave of a group: four images a quadrant."""
    grid, rng = made.grid, numpy_rng(group.seed, "made", *group.stream)
    rows = _images(grid.artifact(group.task) is not None)
    measures = made.measure_files(group)
    measures.mean_maps.parent.mkdir(parents=True, exist_ok=True)
    explainers, methods = grid.explainers(group.task), tuple(grid.methods(group.task))
    part = fake_part(methods, seed=group.seed)
    for name in explainers:
        for method in methods:
            part.setdefault(f"map/{name}/{method}", part[f"map/lrp/{method}"])
    np.savez(measures.mean_maps, **part)
    key = {"task": group.task, "design": group.design, "level": group.level, "seed": group.seed}
    metrics = [
        rows.assign(**key, method=method, explainer=e, metric=metric,
                    value=rng.uniform(0, 1, len(rows)))
        for method in methods
        for e in explainers
        for metric in ("top_fraction", "rrf")
    ]  # fmt: skip
    pd.concat(metrics, ignore_index=True).to_parquet(measures.image_metrics)
    for method in methods:
        predictions = made.model_files(group, method).predictions
        predictions.parent.mkdir(parents=True, exist_ok=True)
        score, twin = rng.uniform(0, 1, (2, len(rows)))
        rows.assign(
            role="test", score=score, decision=(score > 0.5).astype(int),
            twin_score=twin, twin_decision=(twin > 0.5).astype(int),
        ).to_parquet(predictions)  # fmt: skip
    for method, name in itertools.product(grid.models(group.task), grid.sets(group.task)):
        maps = made.map_files(group, method, name)
        maps.maps.parent.mkdir(parents=True, exist_ok=True)
        ours = list(made.study.explain.sets[name])
        np.save(
            maps.maps, rng.standard_normal((len(ours), len(rows), SIZE, SIZE)).astype(np.float32)
        )
        index = pd.concat([rows.assign(explainer=e) for e in ours], ignore_index=True)
        index.to_parquet(maps.index)


def _images(injected: bool) -> pd.DataFrame:
    """Return row, image_id, target and protected of 16 images, or of 8 without and with it."""
    i = np.arange(IMAGES)
    target, protected = i % 2, i // (IMAGES // 2)
    row = i % (IMAGES // 2) + IMAGES * protected if injected else i
    names = [f"{r:03d}" for r in row]
    return pd.DataFrame({"row": row, "image_id": names, "target": target, "protected": protected})


def _make_pool(made: Plan) -> None:
    files, rng = made.pool("synthfaces").output, np.random.default_rng(0)
    files.images.parent.mkdir(parents=True, exist_ok=True)
    np.save(files.images, rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8))
    masks = np.zeros((IMAGES, SIZE, SIZE), np.uint8)
    masks[:, 2:8, 6:18] = 1
    np.save(files.masks, masks)
    meta = {"mask_names": ["Wearing_Hat"], "n_images": IMAGES, "size": SIZE}
    write_json(meta, files.pool)
    i = np.arange(IMAGES)
    index = pd.DataFrame({"row": i, "image_id": [f"{k:03d}" for k in i], "Smiling": i % 2,
                          "Wearing_Hat": i // (IMAGES // 2)})  # fmt: skip
    index.to_parquet(files.index)
    for dataset, attribute in made.switched():
        twins = made.twins(dataset, attribute).output.twins
        np.save(twins, rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8))


def _make_region(made: Plan, dataset: str, attribute: str) -> None:
    files, rng = made.region_files(dataset, attribute), np.random.default_rng(1)
    files.region.parent.mkdir(parents=True, exist_ok=True)
    confidence = rng.uniform(0.5, 1, (IMAGES, 5, 5)).astype(np.float16)
    np.save(files.confidence, confidence)
    np.save(files.mean, confidence.mean(axis=0, dtype=np.float64))
    meta = {
        "positions": 25,
        "size": SIZE,
        "patch": 8,
        "attribute": attribute,
        "confidence": "maximum",
    }
    write_json(meta, files.region)
