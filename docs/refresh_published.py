"""The watermark article's published numbers beside those of a study of ours.

python docs/refresh_published.py RESULTS_DIR --published DIR [--task TASK] [--write]
python docs/refresh_published.py RESULTS_DIR [RESULTS_DIR ...] --published DIR

DIR holds quadrants_eval.csv and quadrants_eval_old.csv of *Searching for Unintended Biases With
Saliency*: one row per image and model (repository PAIR-code/ai-explorables, folder
source/saliency/data, commit 64ac8eb; Apache-2.0). Prints how well each task of each study agrees
with them, and the first task of the first study number by number. --write puts these numbers into
docs/published_watermark.csv, draws docs/figures/watermark_published.png, and replaces the two
tables in docs/watermark.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pages import markdown

from rightreasons.statistics.clusters import rank_correlations
from rightreasons.statistics.seeds import SeedEffect, seed_effect, shared_by_images

DOCS = Path(__file__).parent
ACCURACY, DESIGN = "accuracy", "artifact_fraction"
#: The published names of models and methods, and ours.
LEVELS = {"N": 0.0, "PC25": 0.25, "PC50": 0.5, "PC75": 0.75, "PC100": 1.0}
METHODS = {
    "vanilla_grad": "gradient",
    "smooth_grad": "smoothgrad",
    "grad_x_input": "input_x_gradient",
}
#: What studies/watermark_published.yaml calls SmoothGrad, and SmoothGrad with a third of the noise.
SMOOTHGRAD, LESS_NOISE = "smoothgrad", "smoothgrad_less"
EXPLAINERS = ("gradient", "gradient_squared", "smoothgrad", "input_x_gradient")
TITLES = {
    ACCURACY: "Accuracy",
    "gradient": "Gradient",
    "gradient_squared": "Squared gradient",
    "smoothgrad": "SmoothGrad",
    "input_x_gradient": "Input x gradient",
}
QUADRANTS = {("cat", 1): "cat, mark", ("dog", 1): "dog, mark", ("cat", 0): "cat", ("dog", 0): "dog"}
KEY = ["explainer", "level", "truth", "watermarked"]
COLUMNS = [*KEY, "published", "ours", "ci_low", "ci_high", "n"]
HALF = 0.5


def published_images(folder: Path) -> pd.DataFrame:
    """Return the article's images: explainer, level, truth, watermarked, name, value, right."""
    squared = pd.read_csv(folder / "quadrants_eval.csv").assign(explainer="gradient_squared")
    others = pd.read_csv(folder / "quadrants_eval_old.csv")
    others = others.assign(explainer=others.method.map(METHODS))
    rows = pd.concat([squared, others], ignore_index=True)
    return rows.assign(
        level=rows.model.map(LEVELS),
        value=rows.proportion,
        right=(rows.predClass == rows.truth).astype(float),
    )


def published(folder: Path) -> pd.DataFrame:
    """Return the article's mean top fractions and accuracies, one row per KEY."""
    images = published_images(folder)
    maps = images.groupby(KEY, as_index=False)["value"].mean()
    drawn = images[images.explainer == "gradient_squared"]
    right = drawn.groupby(KEY[1:], as_index=False)["right"].mean()
    right = right.rename(columns={"right": "value"}).assign(explainer=ACCURACY)
    return pd.concat([maps, right])[[*KEY, "value"]].rename(columns={"value": "published"})


def our_images(folder: Path, task: str | None) -> pd.DataFrame:
    """Return a task's images as `published_images` does: the class with target 1 is the cat."""
    key = ["task", "level", "seed", "image_id", "target", "protected"]
    vanilla = [
        ("method", "==", "vanilla"),
        ("design", "==", DESIGN),
        *([("task", "==", task)] if task else []),
    ]
    wanted = [*vanilla, ("metric", "==", "top_fraction")]
    maps = pd.read_parquet(folder / "tables/image_metrics.parquet", filters=wanted)
    predictions = pd.read_parquet(folder / "tables/predictions.parquet", filters=vanilla)
    right = (predictions.decision == predictions.target).astype(float)
    decided = predictions.assign(value=right, right=right, explainer=ACCURACY)
    maps = maps.merge(decided[[*key, "right"]], on=key)
    columns = [*key, "explainer", "value", "right"]
    rows = pd.concat([maps[columns].astype({"explainer": str}), decided[columns]])
    truth = rows.target.map({1: "cat", 0: "dog"})
    return rows.assign(truth=truth, watermarked=rows.protected.astype(int))


def less_noise(images: pd.DataFrame) -> pd.DataFrame:
    """Return a task's images with SmoothGrad of less noise in place of the study's SmoothGrad."""
    kept = images[images.explainer != SMOOTHGRAD]
    return kept.assign(explainer=kept.explainer.replace(LESS_NOISE, SMOOTHGRAD))


def over_seeds(rows: pd.DataFrame) -> SeedEffect:
    """Return the mean of `value` with an interval over seeds and images."""
    values = rows.pivot_table(index="seed", columns="image_id", values="value").to_numpy(float)
    return seed_effect(np.nanmean(values, axis=1), shared_by_images(values))


def ours(images: pd.DataFrame) -> pd.DataFrame:
    """Return our means with their intervals, between 0 and 1; n counts images of all seeds."""
    rows = []
    for key, part in images.groupby(KEY):
        found = over_seeds(part)
        low, high = np.clip([found.low, found.high], 0, 1)
        rows.append((*key, found.value, low, high, int(part.value.notna().sum())))
    return pd.DataFrame(rows, columns=[*KEY, "ours", "ci_low", "ci_high", "n"])


def beside(theirs: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return both, row by row, in the article's order, as far as both have it."""
    table = theirs.merge(ours(images), on=KEY)
    order = [*EXPLAINERS, ACCURACY]
    rank = {name: place for place, name in enumerate(order)}
    places = {quadrant: place for place, quadrant in enumerate(QUADRANTS)}
    where = pd.DataFrame(
        {
            "explainer": table.explainer.map(rank),
            "quadrant": [places[q] for q in zip(table.truth, table.watermarked, strict=True)],
            "level": table.level,
        }
    )
    return table.loc[where.sort_values(list(where)).index, COLUMNS].reset_index(drop=True)


def correlation(table: pd.DataFrame) -> float:
    """Return Spearman's correlation of published and ours over the top fractions."""
    maps = table[table.explainer != ACCURACY]
    once = np.ones((1, len(maps)))
    return float(rank_correlations(maps.published.to_numpy(), maps.ours.to_numpy(), once)[0])


def correlation_by_seed(theirs: pd.DataFrame, images: pd.DataFrame) -> SeedEffect:
    """Return Spearman's correlation of each seed's means with the published, over seeds."""
    maps = images[images.explainer.isin(EXPLAINERS)]
    means = (
        maps.groupby([*KEY, "seed"], as_index=False)["value"]
        .mean()
        .rename(columns={"value": "ours"})
    )
    both = theirs.merge(means, on=KEY)
    return seed_effect(np.array([correlation(part) for _, part in both.groupby("seed")]))


def shown(images: pd.DataFrame, explainer: str, level: float) -> tuple[float, int]:
    """Return, of the unmarked cats called dogs, the share with half of the top pixels inside."""
    rows = images[
        (images.explainer == explainer)
        & np.isclose(images.level, level)
        & (images.truth == "cat")
        & (images.watermarked == 0)
        & (images.right == 0)
    ]
    return float((rows.value >= HALF).mean()), len(rows)


def interval(found: SeedEffect, low: float = 0.0) -> str:
    """Return a value with its interval, within `low` and 1."""
    if np.isnan(found.low):
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{max(found.low, low):.2f}, {min(found.high, 1):.2f}]"


def agreement(name: str, theirs: pd.DataFrame, images: pd.DataFrame) -> dict[str, str]:
    """Return a row of the table that compares our runs: how well one agrees with the article."""

    def at_full(explainer: str, truth: str, watermarked: int) -> str:
        chosen = (images.explainer == explainer) & np.isclose(images.level, 1)
        rows = images[chosen & (images.truth == truth) & (images.watermarked == watermarked)]
        return interval(over_seeds(rows)) if len(rows) else ""

    shares = [shown(images, "gradient_squared", level) for level in (0.5, 1.0)]
    said = [f"{share:.2f} of {count}" if count else "" for share, count in shares]
    whole = set(images.level) >= set(LEVELS.values())
    return {
        "run": name,
        "Spearman": f"{correlation(beside(theirs, images)):.3f}" if whole else "",
        "of one seed": interval(correlation_by_seed(theirs, images), -1) if whole else "",
        "cat, 100 %": at_full("gradient_squared", "cat", 0),
        "cat, mark, 100 %": at_full("gradient_squared", "cat", 1),
        "SmoothGrad, cat, 100 %": at_full("smoothgrad", "cat", 0),
        "accuracy, cat, 100 %": at_full(ACCURACY, "cat", 0),
        "shown, 50 %": said[0],
        "shown, 100 %": said[1],
    }


def page_table(table: pd.DataFrame) -> str:
    """Return the page's table: published and ours by explainer and quadrant, level by level."""
    levels = sorted(table.level.unique())
    head = ["explainer", "quadrant", *(f"{level:.0%}" for level in levels)]
    lines = [head]
    for (explainer, truth, mark), part in table.groupby(KEY[:1] + KEY[2:], sort=False):
        by_level = part.set_index("level")
        cells = []
        for level in levels:
            row = by_level.loc[level]
            span = "" if np.isnan(row.ci_low) else f" [{row.ci_low:.2f}, {row.ci_high:.2f}]"
            cells.append(f"{row.published:.2f} · {row.ours:.2f}{span}")
        lines.append([TITLES[explainer], QUADRANTS[truth, mark], *cells])
    return markdown(lines)


def draw(table: pd.DataFrame) -> Any:
    """Return the figure: published against ours, a panel per explainer, a colour per quadrant."""
    from matplotlib.figure import Figure

    colours = dict(zip(QUADRANTS, ("#0072B2", "#D55E00", "#56B4E9", "#E69F00"), strict=True))
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for panel, explainer in zip(axes.flat, [*EXPLAINERS, ACCURACY], strict=False):
        panel.plot([0, 1], [0, 1], color="0.8", lw=0.8, zorder=0)
        panel.set_title(TITLES[explainer], fontsize=9)
        panel.tick_params(labelsize=8)
        rows = table[table.explainer == explainer]
        for quadrant, title in QUADRANTS.items():
            part = rows[(rows.truth == quadrant[0]) & (rows.watermarked == quadrant[1])]
            part = part.sort_values("level")
            spans = [part.ours - part.ci_low, part.ci_high - part.ours]
            panel.errorbar(
                part.published,
                part.ours,
                yerr=None if part.ci_low.isna().any() else spans,
                color=colours[quadrant],
                marker="o" if quadrant[1] else "s",
                ms=3,
                lw=0.7,
                elinewidth=0.7,
                label=title,
            )
    axes.flat[5].axis("off")
    axes.flat[5].legend(*axes.flat[0].get_legend_handles_labels(), loc="center", fontsize=8)
    figure.supxlabel("published", fontsize=9)
    figure.supylabel("ours", fontsize=9)
    return figure


def replaced(text: str, head: str, table: str) -> str:
    """Return a page with the one table that begins with `head` replaced."""
    pattern = rf"^\| {re.escape(head)} \|.*\n(?:\|.*\n)+"
    text, count = re.subn(pattern, lambda _: table, text, flags=re.M)
    if count != 1:
        sys.exit(f"the page has {count} tables that begin with | {head} |, not one")
    return text


def tasks_of(folder: Path) -> list[str]:
    """Return a study's tasks with marks on a share of one class, in the order of its tables."""
    path, wanted = folder / "tables/predictions.parquet", [("design", "==", DESIGN)]
    tasks = pd.read_parquet(path, columns=["task"], filters=wanted).task
    return [str(task) for task in tasks.unique()]


def write(table: pd.DataFrame, runs: str, docs: Path) -> None:
    """Write the numbers, the figure, and both tables of the page."""
    table.to_csv(docs / "published_watermark.csv", index=False, float_format="%.4f")
    draw(table).savefig(docs / "figures/watermark_published.png", dpi=150)
    page = docs / "watermark.md"
    text = replaced(page.read_text("utf-8"), "explainer | quadrant", page_table(table))
    page.write_text(replaced(text, "run | Spearman", runs), "utf-8")


def main(words: list[str], docs: Path = DOCS) -> None:
    """Compare, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "results", type=Path, nargs="+", help="results of studies, the page's first"
    )
    parser.add_argument(
        "--published", type=Path, required=True, help="folder of the article's data"
    )
    parser.add_argument("--task", help="the page's task; by default the study's first")
    parser.add_argument("--write", action="store_true", help="write docs/ as well as print")
    given = parser.parse_args(words)
    theirs = published(given.published)
    first = given.task or tasks_of(given.results[0])[0]
    rows, table = [], None
    for folder in given.results:
        for task in tasks_of(folder):
            images = our_images(folder, task)
            name = f"{folder.name}: {task}"
            rows.append(agreement(name, theirs, images))
            if LESS_NOISE in set(images.explainer):
                rows.append(agreement(f"{name}, less noise", theirs, less_noise(images)))
            if table is None and task == first:
                table = beside(theirs, images)
    if table is None:
        there = ", ".join(tasks_of(given.results[0]))
        sys.exit(f"{given.results[0]} has no task {first}: it has {there}")
    runs = markdown([list(rows[0]), *(list(row.values()) for row in rows)])
    print(f"{page_table(table)}\n{runs}")
    maps = (table.explainer != ACCURACY).sum()
    print(f"Spearman's correlation over {maps} top fractions: {correlation(table):.3f}")
    if given.write:
        write(table, runs, docs)


if __name__ == "__main__":
    main(sys.argv[1:])
