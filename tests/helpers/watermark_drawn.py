"""The figures of injected artifacts and of the yardstick, drawn from made-up tables and maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import given as made_up
from given import as_table
from rightreasons.core.job import Group
from rightreasons.figures import Given
from rightreasons.figures._dots import dots_of
from rightreasons.figures._style import styled
from rightreasons.figures.mystery_models import side_by_side
from rightreasons.figures.occlusion_grids import grids
from rightreasons.probes import in_order
from watermark import (
    EXPLAINERS,
    LAYERS,
    LEVELS,
    METRICS,
    TASK,
    fake_images,
    fake_part,
    fake_probes,
    fake_reliance,
    fake_sanity,
    fake_yardstick,
    fake_yardstick_debiased,
    fake_yardstick_tasks,
)

CELLS = ((0, 0), (1, 0), (0, 1), (1, 1))
OCCLUSIONS = ("occlusion_2", "occlusion_4", "occlusion_8", "occlusion_16")


def given(
    tables: dict[str, pd.DataFrame] | None = None,
    explainers: tuple[str, ...] = EXPLAINERS,
    levels: tuple[float, ...] = LEVELS,
    **changes: Any,
) -> Given:
    """Return what a figure is given of a study of watermarks with vanilla and fine-tuning."""
    methods = ("vanilla", "finetune")
    return made_up.given(
        tables, methods=methods, explainers=explainers, levels=levels, **{**TASK, **changes}
    )


def grouped(metrics: pd.DataFrame, predictions: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Write the files of each group as `measure` and `train` leave them; return groups and files.

    Predictions are vanilla's, without the columns of their key, and of the debias split as well.
    """
    found: dict[str, Any] = {"groups": [], "files": {"image_metrics": [], "predictions": []}}
    for (level, seed), part in metrics.groupby(["level", "seed"], sort=False):
        group = Group(dataset="pets", **TASK, level=level, seed=seed)
        paths = [folder / f"{kind}-{len(found['groups'])}" for kind in ("metrics", "made")]
        part.to_parquet(paths[0])
        made = predictions[(predictions["level"] == level) & (predictions["seed"] == seed)]
        made = made[made["method"] == "vanilla"]
        made = made.drop(columns=["study", "dataset", *TASK, "level", "seed", "method"])
        debias = made.assign(role="debias", decision=9, chance=9.0)
        pd.concat([debias, made.assign(role="test")]).to_parquet(paths[1])
        found["groups"].append(group)
        for name, path in zip(found["files"], paths, strict=True):
            found["files"][name].append(path)
    return {**found, "files": {name: tuple(paths) for name, paths in found["files"].items()}}


def image_dots(metrics: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the dots of all groups of these tables, read from their files."""
    with TemporaryDirectory() as folder:
        return dots_of(given(**grouped(metrics, predictions, Path(folder))), "top_fraction")


def quadrants(
    metrics: pd.DataFrame, predictions: pd.DataFrame, explainer: str = "gradient", **facts: Any
) -> Figure:
    over, known = ("task", "design", "explainer"), tuple(metrics["explainer"].unique())
    with TemporaryDirectory() as folder:
        what = given(None, known, **grouped(metrics, predictions, Path(folder)), over=over,
                     explainer=explainer, facts=facts)  # fmt: skip
        return made_up.drawn("quadrants", what)


def yardstick(table: pd.DataFrame) -> Figure:
    return made_up.drawn("yardstick", given({"yardstick": table}))


def yardstick_heatmap(table: pd.DataFrame, **params: str) -> Figure:
    return made_up.drawn("yardstick_heatmap", given({"yardstick": table}), **params)


def of_tasks(
    explainers: tuple[str, ...] = EXPLAINERS, metrics: tuple[str, ...] = METRICS
) -> dict[str, pd.DataFrame]:
    """Return all tables of the yardstick."""
    made = {
        "yardstick": fake_yardstick(explainers, metrics),
        "yardstick_tasks": fake_yardstick_tasks(explainers, metrics),
        "yardstick_debiased": fake_yardstick_debiased(explainers, metrics),
    }
    return {name: as_table(table, name) for name, table in made.items()}


def of_yardstick(name: str, tables: dict[str, pd.DataFrame] | None = None) -> Figure:
    return made_up.drawn(name, given(of_tasks() if tables is None else tables))


def without(name: str, **columns: Any) -> dict[str, pd.DataFrame]:
    """Return all tables of the yardstick, one of them changed."""
    tables = of_tasks(EXPLAINERS[:2], METRICS[:3])
    return {**tables, name: tables[name].assign(**columns)}


def sanity(table: pd.DataFrame, **names: str) -> Figure:
    return made_up.drawn("sanity", given({"sanity": table}, over=("task", "design"), **names))


def many_probes() -> dict[str, tuple[str, str]]:
    """Return all probes there are, and two of a study's own."""
    own = {f"mine_{i}": ("complexity", "lower") for i in range(2)}
    return {p.name: (p.traits["family"], p.traits["better"]) for p in in_order()} | own


def probes(table: pd.DataFrame, **names: str) -> Figure:
    return made_up.drawn("probes", given({"probes": table}, over=("task", "design"), **names))


def mystery_models(*args: Any, **kwargs: Any) -> Figure:
    with styled():
        return side_by_side(*args, method="vanilla", **kwargs)


def occlusion_grids(*args: Any, **kwargs: Any) -> Figure:
    with styled():
        return grids(*args, **kwargs)


@cache
def images(
    levels: tuple[float, ...] = LEVELS, control: str = "random"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return fake_images(levels, explainers=("gradient", control))


def draw_quadrants(
    levels: tuple[float, ...] = LEVELS, control: str = "random", explainer: str = "gradient"
) -> Figure:
    return quadrants(*images(levels, control), explainer=explainer)


def models() -> list[tuple[str, list[dict[str, np.ndarray]]]]:
    return [
        ("normal\nlevel 0", [fake_part(0.0)]),
        ("watermark\nlevel 1", [fake_part(1.0), fake_part(1.0, n=(5, 5, 10, 30), seed=1)]),
        ("tint\nlevel 1", [fake_part(0.0, EXPLAINERS[1:], seed=2)]),
    ]


def draw_occlusion(explainers: tuple[str, ...] = OCCLUSIONS, **changes: Any) -> Figure:
    part = fake_part(explainers=explainers)
    maps = {e: part[f"map/{e}/vanilla"] for e in explainers}
    labels = [f"PA={p}, T={t}" for p, t in CELLS]
    given: dict[str, Any] = {"roi": part["roi"], "labels": labels, **changes}
    return occlusion_grids(part["image"], maps, **given)


def draw_reliance(frame: pd.DataFrame | None = None, explainer: str = "gradient") -> Figure:
    frame = fake_reliance() if frame is None else frame
    tables = {"reliance": frame, "yardstick": fake_yardstick()}
    return made_up.drawn("reliance", given(tables, over=("explainer",), explainer=explainer))


def ranked(explainers: tuple[str, ...] = EXPLAINERS, metrics: tuple[str, ...] = METRICS) -> Any:
    return as_table(fake_yardstick(explainers, metrics), "yardstick")


def crossed() -> pd.DataFrame:
    """Return a reliance table with everything that a legend may name, at five levels."""
    frame = fake_reliance(("gradient",), METRICS[:3], levels=(0, 0.25, 0.5, 0.75, 1))
    frame["called"] = frame["called"].astype(object).where(frame["level"] != 0.25, None)
    frame.loc[frame["level"] == 0.5, "collapsed"] = True
    return frame


DRAWN: dict[str, Callable[[], Figure]] = {
    "quadrants": draw_quadrants,
    "quadrants, five levels": lambda: draw_quadrants(levels=(0, 0.25, 0.5, 0.75, 1)),
    "quadrants, no control": lambda: draw_quadrants(control="edges"),
    "quadrants, nothing": lambda: draw_quadrants(explainer="lrp"),
    "mystery_models": lambda: mystery_models(models(), explainers=EXPLAINERS),
    "mystery_models, few": lambda: mystery_models(models()[:2], explainers=EXPLAINERS[:3]),
    "mystery_models, nothing": lambda: mystery_models([], explainers=EXPLAINERS),
    "occlusion_grids": draw_occlusion,
    "occlusion_grids, two": lambda: draw_occlusion(OCCLUSIONS[:2], remark="Means."),
    "yardstick": lambda: yardstick(ranked()),
    "yardstick, few": lambda: yardstick(ranked(EXPLAINERS[:2], METRICS[:3])),
    "yardstick, nothing": lambda: yardstick(ranked().assign(rank=None)),
    "yardstick_heatmap": lambda: yardstick_heatmap(ranked()),
    "yardstick_heatmap, area": lambda: yardstick_heatmap(ranked(), shows="area"),
    "yardstick_heatmap, few": lambda: yardstick_heatmap(ranked(EXPLAINERS[:2], METRICS[:3])),
    "yardstick_heatmap, nothing": lambda: yardstick_heatmap(ranked().assign(estimate=np.nan)),
    "yardstick_tasks": lambda: of_yardstick("yardstick_tasks"),
    "yardstick_tasks, few": lambda: of_yardstick(
        "yardstick_tasks", of_tasks(EXPLAINERS[:2], METRICS[:3])
    ),
    "yardstick_tasks, nothing": lambda: of_yardstick(
        "yardstick_tasks", without("yardstick", rank=None)
    ),
    "yardstick_transfer": lambda: of_yardstick("yardstick_transfer"),
    "yardstick_transfer, tasks": lambda: of_yardstick(
        "yardstick_transfer", without("yardstick_tasks", dataset="pets")
    ),
    "yardstick_transfer, nothing": lambda: of_yardstick(
        "yardstick_transfer", without("yardstick_tasks", dataset="pets", task="one", estimate=None)
    ),
    "yardstick_debiased": lambda: of_yardstick("yardstick_debiased"),
    "yardstick_debiased, few": lambda: of_yardstick(
        "yardstick_debiased", of_tasks(EXPLAINERS[:2], METRICS[:3])
    ),
    "yardstick_debiased, nothing": lambda: of_yardstick(
        "yardstick_debiased", without("yardstick_debiased", rank=None)
    ),
    "reliance": draw_reliance,
    "reliance, crossed": lambda: draw_reliance(crossed()),
    "reliance, one": lambda: draw_reliance(fake_reliance(metrics=METRICS[:1])),
    "reliance, nothing": lambda: draw_reliance(explainer="lrp"),
    "probes": lambda: probes(fake_probes()),
    "probes, many": lambda: probes(fake_probes(probes=many_probes())),
    "probes, few": lambda: probes(
        fake_probes(("lrp", "edges"), probes={"deletion": ("faithfulness", "lower")})
    ),
    "probes, nothing": lambda: probes(fake_probes(), task="other"),
    "sanity": lambda: sanity(fake_sanity()),
    "sanity, few": lambda: sanity(fake_sanity(("lrp",), LAYERS[:3])),
    "sanity, nothing": lambda: sanity(fake_sanity(), task="other"),
}


@cache
def drawn(name: str) -> Figure:
    return DRAWN[name]()
