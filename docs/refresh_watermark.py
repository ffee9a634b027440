"""The watermark article's claims in any study with artifacts, as tables.

python docs/refresh_watermark.py RESULTS_DIR [TASK ...]

Means over seeds with Student's 95 % intervals where there are several; vanilla unless it says
otherwise. What is printed goes into docs/watermark.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from pages import spread

#: Metrics of how alike two maps are, or a map and the watermark.
ALIKE = ["k_ssd", "fam", "ccm"]
QUADRANTS = {
    (1, 1): "cat, mark",
    (1, 0): "cat",
    (0, 1): "dog, mark",
    (0, 0): "dog",
}


def quadrant(rows: pd.DataFrame) -> pd.Series:
    """Return the quadrant's name of each row: the class with target 1 is called cat here."""
    keys = zip(rows.target, rows.protected, strict=True)
    return pd.Series([QUADRANTS[int(t), int(p)] for t, p in keys], rows.index)


def show(title: str, table: pd.DataFrame, floatfmt: str = ".2f") -> None:
    """Print a table below its title."""
    print(f"\n# {title}\n")
    print(table.to_markdown(floatfmt=floatfmt))


def by_seed(rows: pd.DataFrame, index: list[str], columns: list[str]) -> pd.DataFrame:
    """Return means of `value` over seeds, with intervals, from means within each seed."""
    means = rows.groupby([*index, *columns, "seed"], observed=True)["value"].mean()
    table = means.groupby([*index, *columns], observed=True).apply(spread)
    return table.unstack(columns)


def accuracy(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy in each quadrant at each level."""
    right = (predictions.decision == predictions.target).astype(float)
    rows = predictions.assign(value=right, quadrant=quadrant(predictions))
    return by_seed(rows, ["level"], ["quadrant"])


def reliance(table: pd.DataFrame) -> pd.DataFrame:
    """Return flips, change of logit and of accuracy at each level."""
    cells = table.drop_duplicates(["level", "seed", "method"])
    names = ["flips", "logit_change", "accuracy_change"]
    return cells.groupby(["method", "level"])[names].agg(spread)


def top_fractions(images: pd.DataFrame, explainers: list[str]) -> pd.DataFrame:
    """Return the mean top fraction by explainer, level and quadrant."""
    rows = images[(images.metric == "top_fraction") & images.explainer.isin(explainers)]
    return by_seed(rows.assign(quadrant=quadrant(rows)), ["explainer", "level"], ["quadrant"])


def misses(images: pd.DataFrame, predictions: pd.DataFrame, explainer: str) -> pd.DataFrame:
    """Return, of the wrong images of a quadrant, how many have half their top pixels inside."""
    key = ["task", "design", "level", "seed", "method", "image_id"]
    rows = images[(images.metric == "top_fraction") & (images.explainer == explainer)]
    rows = rows.merge(predictions[[*key, "decision"]], on=key)
    wrong = rows[rows.decision != rows.target]
    wrong = wrong.assign(half=(wrong.value >= 0.5).astype(float), quadrant=quadrant(wrong))
    return wrong.groupby(["level", "quadrant"])["half"].agg(["mean", "count"]).unstack()


def similarities(images: pd.DataFrame) -> pd.DataFrame:
    """Return K-SSD, FAM and CCM by explainer and level."""
    rows = images[images.metric.isin(ALIKE) & images.value.notna()]
    return by_seed(rows, ["explainer"], ["metric", "level"])


def randomised(sanity: pd.DataFrame) -> pd.DataFrame:
    """Return the similarity to the original maps after the first and the last step."""
    steps = sanity[sanity.randomised == sanity.of].assign(step="all")
    first = sanity[sanity.randomised == sanity.randomised.min()].assign(step="head")
    rows = pd.concat([first, steps])
    return by_seed(rows, ["explainer"], ["similarity", "step"])


def main(folder: Path, tasks: list[str]) -> None:
    """Print the claims of each task."""
    names = ["predictions", "image_metrics", "reliance"]
    vanilla_alone = [("method", "==", "vanilla"), ("metric", "in", ["top_fraction", *ALIKE])]
    wanted = {"image_metrics": vanilla_alone, "predictions": vanilla_alone[:1]}
    tables = {
        name: pd.read_parquet(folder / f"tables/{name}.parquet", filters=wanted.get(name))
        for name in names
    }
    for task in tasks or list(tables["reliance"].task.unique()):
        predictions, images, reliant = (tables[name][tables[name].task == task] for name in names)
        show(f"{task}: accuracy", accuracy(predictions))
        show(f"{task}: reliance", reliance(reliant))
        explainers = list(images.explainer.dropna().unique())
        show(f"{task}: top fraction", top_fractions(images, explainers))
        for explainer in ("gradient_squared", "guided_backprop"):
            show(f"{task}: wrong images, {explainer}", misses(images, predictions, explainer))
        show(f"{task}: similarities", similarities(images))
    path = folder / "tables/sanity.parquet"
    if path.exists():
        show("sanity", randomised(pd.read_parquet(path)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
