"""Wall time of jobs, by stage and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import method_order, note, nothing, page, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rightreasons.core.roles import Roles

CAPTION = """
Median wall time of a job by stage and method, from Snakemake's benchmark files, with the number of
jobs and the sum of their times. Jobs ran in parallel, so the sum is more than a user waits.
"""
STAGES = (
    "fetch", "pool", "twins", "split", "region", "fenced_region", "train", "debias", "explain",
    "witness", "explain_witness", "sanity", "probe", "measure", "universe", "compare",
)  # fmt: skip
KEYS = ["stage", "method", "explainers"]


@FIGURES.register(
    "runtimes",
    title="Wall time of a job, by stage and method",
    paper="Own",
    caption=CAPTION,
    category="5 Run time",
    label="all jobs",
    tables=("runtimes",),
    controls=True,
)
def runtimes(given: Given, params: Params) -> Figure:
    """Draw a bar per stage and method: median seconds of a job, with the number of jobs.

    Jobs without a time are left out and counted.
    """
    jobs = given.tables["runtimes"]
    known = jobs.dropna(subset=["seconds"])
    bars = _bars(known, given.roles)
    if bars.empty:
        return nothing("no jobs with a time")
    figure = page(1.0 + 0.17 * len(bars))
    axes = figure.add_subplot()
    axes.barh(range(len(bars)), bars["median"], color="#0072B2", height=0.7)
    for y, (median, count, total) in enumerate(bars[["median", "count", "sum"]].to_numpy()):
        text = f"{_duration(median)}"
        if count > 1:
            text += f", {count:.0f} jobs: {_duration(total)} in all"
        axes.annotate(text, (median, y), (3, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), bars["label"])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.45 * bars["median"].max())
    axes.set_xlabel("median wall time of a job (s)   ← faster")
    devices = ", ".join(sorted(known["device"].dropna().unique()))
    total = _duration(known["seconds"].sum())
    title(figure, f"Run time by stage and method: {total} in all")
    missing = len(jobs) - len(known)
    lines = [f"Networks ran on: {devices}."] if devices else []
    note(figure, lines + ([f"Jobs without a time left out: {missing}."] if missing else []))
    return figure


def _bars(known: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return median, count, sum of seconds and label of each bar, stages in the DAG's order."""
    words = known[KEYS].fillna("")
    bars = known["seconds"].groupby([words[key] for key in KEYS]).agg(["median", "count", "sum"])
    bars = bars.reset_index()
    methods = method_order(bars["method"], roles)
    stages = [*STAGES, *sorted(set(bars["stage"]) - set(STAGES))]
    bars["place"] = bars["stage"].map(stages.index)
    bars["rank"] = bars["method"].map(methods.index)
    bars = bars.sort_values(["place", "stage", "explainers", "rank"], ignore_index=True)
    several = bars["explainers"].nunique() > 2
    bars["label"] = [
        _label(stage, method, explainers if several else "")
        for stage, method, explainers in zip(*(bars[key] for key in KEYS), strict=True)
    ]
    return bars


def _label(stage: str, method: str, explainers: str) -> str:
    label = f"{stage}: {method}" if method else stage
    return f"{label} ({explainers})" if explainers else label


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
