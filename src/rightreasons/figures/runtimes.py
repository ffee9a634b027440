"""Wall time of jobs, by stage and method."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rightreasons.figures.style import WIDTH, empty, method_order, note, styled

STAGES = (
    "fetch",
    "pool",
    "split",
    "region",
    "train",
    "debias",
    "explain",
    "measure",
    "tabulate",
    "report",
)
KEYS = ["stage", "method", "explainers"]


@styled
def runtimes(runtimes: pd.DataFrame) -> Figure:
    """Return a bar per stage and method: median seconds of a job, with the number of jobs.

    runtimes: the table. Jobs without a time are left out and counted.
    """
    known = runtimes.dropna(subset=["seconds"])
    bars = _bars(known)
    figure = Figure((WIDTH, 1.2 + 0.17 * max(len(bars), 1)), layout="constrained")
    axes = figure.add_subplot()
    if bars.empty:
        empty(axes, "no jobs with a time")
        return figure
    axes.barh(range(len(bars)), bars["median"], color="#0072B2", height=0.7)
    for y, (median, jobs, total) in enumerate(bars[["median", "count", "sum"]].to_numpy()):
        of_jobs = "1 job" if jobs == 1 else f"{jobs:.0f} jobs"
        text = f"{median:.3g} s, {of_jobs}: {_duration(total)} in all"
        axes.annotate(text, (median, y), (3, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), bars["label"])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.45 * bars["median"].max())
    axes.set_xlabel("median wall time of a job (s)   ← faster")
    devices = ", ".join(sorted(known["device"].dropna().unique()))
    total = _duration(known["seconds"].sum())
    figure.suptitle(f"Run time by stage and method: {total} in all", x=0.01, ha="left")
    missing = len(runtimes) - len(known)
    lines = [f"Networks ran on: {devices}."] if devices else []
    note(figure, lines + ([f"Jobs without a time left out: {missing}."] if missing else []))
    return figure


def _bars(known: pd.DataFrame) -> pd.DataFrame:
    """Return median, count, sum of seconds and label of each bar, stages in the DAG's order."""
    words = known[KEYS].fillna("")
    bars = known["seconds"].groupby([words[key] for key in KEYS]).agg(["median", "count", "sum"])
    bars = bars.reset_index()
    methods = method_order(bars["method"])
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
