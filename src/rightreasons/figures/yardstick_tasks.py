"""The yardstick in every task: does a pair of explainer and metric hold everywhere?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._ranked import PAIR, ends, hidden, label_rows, numbers, ranked
from rightreasons.figures._style import note, nothing, page, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = """
Spearman's rank correlation over the models of one task between what a metric of maps claims and the
share of decisions that the protected attribute alone flips: a column per task, grouped by dataset,
and the mean over datasets of the means over their tasks. Blue: the metric follows true reliance,
red: it runs against it. 0 where it says the same of all models. White: the pair is not there.
"""
DARK = 0.6  # beyond this correlation numbers are white
NUMBERED = 14  # columns that leave room for numbers


@FIGURES.register(
    "yardstick_tasks",
    title="The ranking of explainers and metrics in every task",
    paper="Own",
    caption=CAPTION,
    category="9 Yardstick",
    label="by task",
    tables=("yardstick", "yardstick_tasks"),
    controls=True,
)
def yardstick_tasks(given: Given, params: Params) -> Figure:
    """Draw the best and the last pairs by rank x tasks, in the colour of Spearman's rho."""
    rows = ranked(given.tables["yardstick"])
    tasks = given.tables["yardstick_tasks"]
    tasks = tasks[tasks["truth"] == "flips"].dropna(subset=["estimate"])
    if rows.empty or tasks.empty:
        return nothing("no ranking")
    chosen, _ = ends(rows)
    columns = tasks[["dataset", "task", "design"]].drop_duplicates().sort_values("dataset")
    found = tasks.pivot_table(
        index=PAIR, columns=["dataset", "task", "design"], values="estimate", observed=True
    )
    keys = [tuple(row) for row in chosen[PAIR].to_numpy()]
    values = found.reindex(keys)[[tuple(row) for row in columns.to_numpy()]]
    several = tasks.groupby("task", observed=True)["design"].nunique().max() > 1
    names = [
        f"{task}, {design}" if several else str(task)
        for task, design in zip(columns["task"], columns["design"], strict=True)
    ]
    values = values.set_axis(names, axis=1).assign(mean=chosen["within"].to_numpy())
    figure = page(1.9 + 0.19 * len(values))
    axes = figure.subplots()
    image = axes.imshow(values, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    if len(values.columns) <= NUMBERED:
        numbers(axes, values, DARK)
    label_rows(axes, chosen, list(range(len(chosen))), given.roles.controls)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xticks(
        range(len(values.columns)), values.columns, rotation=40, ha="right",
        rotation_mode="anchor",
    )  # fmt: skip
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    sizes = columns.groupby("dataset", observed=True, sort=False).size()
    for edge in sizes.cumsum():
        axes.axvline(edge - 0.5, color="black", lw=0.8)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=[-1, 0, 1])
    bar.set_label("Spearman's ρ")
    title(figure, "Does it hold in every task?")
    note(figure, [f"From the left: {', '.join(map(str, sizes.index))}.", *hidden(rows, chosen)])
    return figure
