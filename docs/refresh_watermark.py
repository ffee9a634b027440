"""The watermark article's claims in any study with artifacts, as tables.

python docs/refresh_watermark.py RESULTS_DIR [TASK ...] [--write]

Means over seeds with Student's 95 % intervals where there are several; vanilla unless it says
otherwise. What is printed goes into docs/watermark.md. With --write the table of the yardstick in
docs/watermark.md is replaced.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from rightreasons.statistics.student import mean_interval

PAGE = Path(__file__).with_name("watermark.md")
HEADER = (
    "| rank | explainer | metric | Spearman | ROC area | hits | false alarms | in the wrong place |"
)
#: The rows of the page's table of the yardstick.
SHOWN = (
    ("occlusion_8", "rrf"),
    ("input_x_gradient", "localisation_auc"),
    ("smoothgrad", "rrf"),
    ("gradient_squared", "rrf"),
    ("occlusion_4", "rrf"),
    ("smoothgrad", "relevance_rank_accuracy"),
    ("smoothgrad", "top_fraction"),
    ("lrp", "k_ssd"),
    ("gradient_squared", "top_fraction"),
    ("guided_backprop", "rrf"),
    ("lrp", "top_fraction"),
    ("lrp", "rrf"),
    ("integrated_gradients", "rddt"),
    ("lrp", "adr"),
    ("lrp", "dif"),
    ("edges", "localisation_auc"),
    ("random", "rrf"),
    ("deconvnet", "top_fraction"),
)
#: Metrics of how alike two maps are, or a map and the watermark.
ALIKE = ["k_ssd", "fam", "ccm"]
QUADRANTS = {
    (1, 1): "cat, mark",
    (1, 0): "cat",
    (0, 1): "dog, mark",
    (0, 0): "dog",
}


def spread(values: pd.Series) -> str:
    """Return a mean with Student's 95 % interval, where there are several values."""
    found = mean_interval(values.to_numpy(float))
    return bounds(found.value, found.low, found.high)


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


def bounds(value: float, low: float, high: float) -> str:
    """Return a number with its interval, where it has one."""
    if pd.isna(value):
        return ""
    return f"{value:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")


def ranking(yardstick: pd.DataFrame) -> pd.DataFrame:
    """Return the ranked pairs of explainer and metric."""
    ranked = yardstick[yardstick["rank"].notna()].sort_values("rank")
    names = ["hit_rate", "false_alarm_rate", "false_alarm_place_rate", "level_0_rate", "n_uncalled"]
    rows = list(ranked.itertuples())
    shown = ranked[["rank", "explainer", "metric"]].assign(
        spearman=[bounds(row.estimate, row.ci_low, row.ci_high) for row in rows],
        area=[bounds(row.area, row.area_low, row.area_high) for row in rows],
    )
    return shown.join(ranked[names]).set_index("rank")


def believed(yardstick: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs whose yes or no is hardly ever wrong."""
    rows = ranking(yardstick)
    right = (rows.hit_rate > 0.95) & (rows.false_alarm_rate == 0)
    return rows[right & ~(rows.false_alarm_place_rate > 0)]


def page_table(yardstick: pd.DataFrame) -> str:
    """Return the page's table of the yardstick, by rank."""
    rows = ranking(yardstick).reset_index()
    chosen = rows[[pair in SHOWN for pair in zip(rows.explainer, rows.metric, strict=True)]]
    lines = [HEADER, "|---|---|---|---|---|---|---|---|"]
    for row in chosen.itertuples():
        rates = (row.hit_rate, row.false_alarm_rate, row.false_alarm_place_rate)
        cells = [str(row.rank), row.explainer, row.metric, row.spearman, row.area]
        cells += ["" if pd.isna(rate) else f"{rate:.2f}" for rate in rates]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_table(table: str, page: Path = PAGE) -> None:
    """Replace the page's table of the yardstick: the one that begins with the column rank."""
    text, count = re.subn(
        r"^\| rank \|.*\n(?:\|.*\n)+", lambda _: table, page.read_text("utf-8"), flags=re.M
    )
    if count != 1:
        sys.exit(f"{page} has {count} tables that begin with the column rank, not one")
    page.write_text(text, "utf-8")


def best(yardstick: pd.DataFrame, shown: str, column: str = "estimate") -> pd.DataFrame:
    """Return Spearman's correlation with flips, or the area, explainers by metrics."""
    rows = yardstick[(yardstick.truth == "flips") & yardstick.shown.isin([shown, "all"])]
    return rows.pivot_table(index="explainer", columns="metric", values=column, observed=True)


def randomised(sanity: pd.DataFrame) -> pd.DataFrame:
    """Return the similarity to the original maps after the first and the last step."""
    steps = sanity[sanity.randomised == sanity.of].assign(step="all")
    first = sanity[sanity.randomised == sanity.randomised.min()].assign(step="head")
    rows = pd.concat([first, steps])
    return by_seed(rows, ["explainer"], ["similarity", "step"])


def main(folder: Path, tasks: list[str], write: bool) -> None:
    """Print the claims of each task, then those of all; write the page's table."""
    names = ["predictions", "image_metrics", "reliance", "yardstick"]
    vanilla_alone = [("method", "==", "vanilla"), ("metric", "in", ["top_fraction", *ALIKE])]
    wanted = {"image_metrics": vanilla_alone, "predictions": vanilla_alone[:1]}
    tables = {
        name: pd.read_parquet(folder / f"tables/{name}.parquet", filters=wanted.get(name))
        for name in names
    }
    for task in tasks or list(tables["reliance"].task.unique()):
        predictions, images, reliant = (
            tables[name][tables[name].task == task] for name in names[:3]
        )
        show(f"{task}: accuracy", accuracy(predictions))
        show(f"{task}: reliance", reliance(reliant))
        explainers = list(images.explainer.dropna().unique())
        show(f"{task}: top fraction", top_fractions(images, explainers))
        for explainer in ("gradient_squared", "guided_backprop"):
            show(f"{task}: wrong images, {explainer}", misses(images, predictions, explainer))
        show(f"{task}: similarities", similarities(images))
    show("yardstick", ranking(tables["yardstick"]))
    show("yes or no without a false alarm", believed(tables["yardstick"]))
    show("ROC area, images with", best(tables["yardstick"], "with", "area"))
    print(f"\n# docs/watermark.md\n\n{page_table(tables['yardstick'])}")
    if write:
        write_table(page_table(tables["yardstick"]))
    for shown in ("with", "without"):
        show(f"Spearman with flips, images {shown}", best(tables["yardstick"], shown))
    path = folder / "tables/sanity.parquet"
    if path.exists():
        show("sanity", randomised(pd.read_parquet(path)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    given = [word for word in sys.argv[1:] if word != "--write"]
    main(Path(given[0]), given[1:], "--write" in sys.argv)
