"""Writes the tables of docs/accessories.md from the results of studies/accessories_celeba.yaml.

python docs/refresh_accessories.py RESULTS_DIR [--write]

Prints them; with --write those of the page are replaced. Numbers are means over seeds with
Student's 95 % intervals where there are several.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rightreasons.artifacts import ARTIFACTS, stamps_of
from rightreasons.core.files import read_json
from rightreasons.core.job import Group
from rightreasons.metrics.variants import Variant
from rightreasons.regions.rois import rectangle_mask
from rightreasons.statistics.student import mean_interval
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.tables.asked import OWN_ROI, OWN_SIGN
from rightreasons.tables.schema import read_table

PAGE = Path(__file__).with_name("accessories.md")
MARKED = re.compile(r"(<!-- (models|regions|rrf|order) -->\n).*?(<!-- end -->)", re.S)
CELL = ["task", "level", "seed", "method"]
#: The places of the page, as the study's multiverse calls them, and what the page calls them.
PLACES = {OWN_ROI: "mask", "rectangle": "rectangle"}


def spread(values: pd.Series) -> str:
    """Return a mean with Student's 95 % interval, where there are several values."""
    known = values.dropna()
    if known.empty:
        return ""
    found = mean_interval(known.to_numpy(float))
    interval = "" if pd.isna(found.low) else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f}{interval}"


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without categories, which would fill groups with rows that are not there."""
    kinds = dict.fromkeys(table.select_dtypes("category"), str)
    return table.astype(kinds)


def models(predictions: pd.DataFrame, reliance: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy by quadrant and the share of decisions flipped, by task, method and level."""
    right = predictions.assign(
        value=(predictions.decision == predictions.target).astype(float),
        quadrant=[
            f"{'smiling' if t else 'not'}, {'with' if p else 'without'}"
            for t, p in zip(predictions.target, predictions.protected, strict=True)
        ],
    )
    key = ["task", "method", "level"]
    by_seed = right.groupby([*key, "seed", "quadrant"])["value"].mean()
    quadrants = by_seed.groupby([*key, "quadrant"]).agg(spread).unstack()
    flips = reliance.drop_duplicates(CELL).groupby(key)["flips"].agg(spread)
    return quadrants.join(flips).reset_index()


def regions(plan: Plan) -> pd.DataFrame:
    """Return how large masks and rectangles are, and how they cover each other."""
    rows = []
    for task, rectangle in _rectangles(plan).items():
        artifact = plan.grid.chosen_artifact(plan.grid.artifact(task))
        assert artifact is not None
        size = int(plan.study.datasets[plan.grid.dataset(task)]["size"])
        component = ARTIFACTS[artifact.kind]
        params = component.params.model_validate(artifact.params)
        box = rectangle_mask(rectangle, height=size, width=size)
        shares = []
        for stamp in stamps_of(component.run(size, params)):
            mask = np.zeros_like(box)
            h, w = stamp.alpha.shape
            mask[stamp.y : stamp.y + h, stamp.x : stamp.x + w] = stamp.alpha > 0
            inside = (mask & box).sum()
            shares.append((mask.mean(), inside / mask.sum(), inside / box.sum()))
        mean = np.mean(shares, axis=0)
        rows.append((task, mean[0], box.mean(), mean[1], mean[2]))
    return pd.DataFrame(
        rows,
        columns=[
            "task",
            "the mask's share of the image",
            "the rectangle's",
            "of the mask lies in the rectangle",
            "of the rectangle is mask",
        ],
    )


def _rectangles(plan: Plan) -> Mapping[str, list[float]]:
    asked = plan.study.multiverse
    found = asked.model_dump(mode="json")["rois"] if asked else {}
    return {task: rois["rectangle"] for task, rois in found.items() if "rectangle" in rois}


def relevance(plan: Plan) -> pd.DataFrame:
    """Return the mean RRF of every model in the mask and in the rectangle.

    Images that carry the accessory alone, by task, level, seed, method, explainer and place.
    """
    multiverse = MultiversePlan(plan)
    return pd.DataFrame(row for group in multiverse.measured() for row in _of(multiverse, group))


def _of(multiverse: MultiversePlan, group: Group) -> Iterator[dict[str, object]]:
    asked = multiverse.asked.tasks[group.task]
    with np.load(multiverse.files(group).universe) as stored:
        values, image_ids = stored["values"], stored["image_id"]
    carries = np.char.endswith(image_ids, f"+{multiverse.grid.artifact(group.task)}")
    for place, called in PLACES.items():
        variant = Variant(metric="rrf", scale=multiverse.asked.scale, sign=OWN_SIGN, roi=place)
        if variant not in asked.variants:
            continue
        of_place = values[:, :, asked.variants.index(variant), carries]
        for (m, e), value in np.ndenumerate(np.nanmean(of_place, axis=-1)):
            yield {
                "task": group.task,
                "level": group.level,
                "seed": group.seed,
                "method": asked.models[m],
                "explainer": asked.explainers[e],
                "place": called,
                "rrf": value,
            }


def by_level(found: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return the original's RRF by task, explainer, place and level."""
    rows = found[found.method == original]
    table = rows.groupby(["task", "explainer", "place", "level"])["rrf"].agg(spread)
    return table.unstack("level").fillna("").reset_index()


def order(found: pd.DataFrame, reliance: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's correlation of RRF with flips over all models, for both places."""
    flips = reliance.drop_duplicates(CELL)[[*CELL, "flips"]]
    rows = found.merge(flips, on=CELL)
    table = rows.groupby(["task", "explainer", "place"])[["rrf", "flips"]].apply(
        lambda part: part["rrf"].corr(part["flips"], method="spearman")
    )
    counted = rows.groupby(["task", "explainer"]).size() // len(PLACES)
    return table.unstack("place").assign(models=counted).reset_index()


def tables(folder: Path) -> dict[str, str]:
    """Return the page's tables in Markdown by name."""
    record = read_json(folder / "study.json")
    plan = Plan(load_config(record["config"]))
    predictions, reliance = (
        plain(read_table(folder / "tables" / f"{name}.parquet"))
        for name in ("predictions", "reliance")
    )
    found = relevance(plan)
    made = {
        "models": models(predictions, reliance),
        "regions": regions(plan),
        "rrf": by_level(found, plan.grid.original),
        "order": order(found, reliance),
    }
    return {name: one.to_markdown(index=False, floatfmt=".2f") for name, one in made.items()}


def main(folder: Path, write: bool) -> None:
    """Print the tables; write them into the page."""
    made = tables(folder)
    for name, table in made.items():
        print(f"\n# {name}\n\n{table}")
    if write:
        text = PAGE.read_text("utf-8")
        PAGE.write_text(
            MARKED.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}", text), "utf-8"
        )


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--write"]
    if len(words) != 1:
        sys.exit(__doc__)
    main(Path(words[0]), "--write" in sys.argv)
