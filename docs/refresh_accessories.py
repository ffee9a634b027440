"""Writes the tables of docs/accessories.md from the results of studies/accessories_celeba.yaml, or
of studies/yardstick.yaml, of which it is a part.

python docs/refresh_accessories.py RESULTS_DIR [--write]

Prints them; with --write those of the page are replaced. Numbers are means over seeds with
Student's 95 % intervals where there are several.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from pages import spread

from rightreasons.artifacts import ARTIFACTS, stamps_of
from rightreasons.core.files import read_json
from rightreasons.core.job import Group
from rightreasons.core.registry import Params
from rightreasons.metrics import region_view
from rightreasons.metrics.rrf import rrf
from rightreasons.regions.rois import rectangle_mask
from rightreasons.stages.roi import RoiInput
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.tables.schema import read_table

PAGE = Path(__file__).with_name("accessories.md")
MARKED = re.compile(r"(<!-- (models|regions|rrf|order) -->\n).*?(<!-- end -->)", re.S)
CELL = ["task", "level", "seed", "method"]
#: The saliency paper's rectangles in padded images; that of the glasses is drawn by hand.
RECTANGLES = {
    "necktie": (0.22, 0.80, 0.75, 0.94),
    "hat": (0.13, 0.09, 0.80, 0.31),
    "glasses": (0.29, 0.44, 0.71, 0.58),
}


def share(values: pd.Series) -> str:
    """Return a mean of shares with Student's 95 % interval."""
    return spread(values, within=(0, 1))


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
    quadrants = by_seed.groupby([*key, "quadrant"]).agg(share).unstack()
    flips = reliance.drop_duplicates(CELL).groupby(key)["flips"].agg(share)
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


def _rectangles(plan: Plan) -> dict[str, tuple[float, ...]]:
    kinds = {task: plan.grid.chosen_artifact(plan.grid.artifact(task)) for task in plan.study.tasks}
    return {t: RECTANGLES[a.kind] for t, a in kinds.items() if a and a.kind in RECTANGLES}


def relevance(plan: Plan) -> pd.DataFrame:
    """Return the mean RRF of every model with maps of its own, in the mask and in the rectangle.

    Images that carry the accessory alone, by task, level, seed, method, explainer and place.
    """
    rectangles = _rectangles(plan)
    groups = [group for group in plan.grid.groups() if group.task in rectangles]
    return pd.DataFrame(row for group in groups for row in _of(plan, group, rectangles[group.task]))


def _of(plan: Plan, group: Group, rectangle: tuple[float, ...]) -> Iterator[dict[str, object]]:
    pool = plan.pool(group.dataset).output
    files = RoiInput(images=pool.images, masks=pool.masks, pool=pool.pool)
    for method, part in product(plan.grid.models(group.task), plan.grid.sets(group.task)):
        made = plan.map_files(group, method, part)
        maps, index = np.load(made.maps, mmap_mode="r"), pd.read_parquet(made.index)
        for e, (explainer, rows) in enumerate(index.groupby("explainer", sort=False)):
            carries = (rows["protected"] == 1).to_numpy()
            mask = plan.roi(group.task).of(files, rows["row"].to_numpy()[carries], maps.shape[2:])
            for place, roi in (("mask", mask), ("rectangle", rectangle)):
                yield {
                    "task": group.task,
                    "level": group.level,
                    "seed": group.seed,
                    "method": method,
                    "explainer": explainer,
                    "place": place,
                    "rrf": np.nanmean(rrf(region_view(maps[e][carries], roi), Params())),
                }


def by_level(found: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return the original's RRF by task and explainer, in both places at each level."""
    rows = found[found.method == original].assign(
        where=lambda t: t["place"] + ", level " + t["level"].map("{:g}".format)
    )
    table = rows.groupby(["task", "explainer", "where"])["rrf"].agg(share)
    return table.unstack("where").fillna("").reset_index()


def order(found: pd.DataFrame, reliance: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's correlation of RRF with flips over all models, for both places."""
    flips = reliance.drop_duplicates(CELL)[[*CELL, "flips"]]
    rows = found.merge(flips, on=CELL)
    table = rows.groupby(["task", "explainer", "place"])[["rrf", "flips"]].apply(
        lambda part: part["rrf"].corr(part["flips"], method="spearman")
    )
    counted = rows.groupby(["task", "explainer"]).size() // 2
    return table.unstack("place").assign(models=counted).reset_index()


def tables(folder: Path) -> dict[str, str]:
    """Return the page's tables in Markdown by name."""
    config = read_json(folder / "study.json")["config"]
    here = {"study": folder.name, "results": str(folder.parent)}
    plan = Plan(load_config({**config, **here}))
    predictions, reliance = (
        plain(read_table(folder / "tables" / f"{name}.parquet"))
        for name in ("predictions", "reliance")
    )
    accessories = list(_rectangles(plan))
    predictions = predictions[predictions["task"].isin(accessories)]
    predictions = predictions[[not plan.grid.trait(m, "noise") for m in predictions.method]]
    found = relevance(plan)
    made = {
        "models": models(predictions, reliance),
        "regions": regions(plan),
        "rrf": by_level(found, plan.grid.original),
        "order": order(found, reliance),
    }
    return {
        name: one.to_markdown(index=False, floatfmt=".3f" if name == "regions" else ".2f")
        for name, one in made.items()
    }


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
