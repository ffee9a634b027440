"""Where a finished run's time went: one bar per job, from the jobs' logs.

    python benchmarks/timeline.py results/demo [--cores 2] [--out timeline]

Prints a table by stage and writes OUT.png and OUT.parquet (a row per job). A job begins with its
process; its start-up, drawn lighter, ends with the log's `ready` line (job.py). Time between jobs
is Snakemake's, or a core's that had nothing to do. Logs hold the last run only, so time a study
that was made in one run.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LINE = re.compile(
    r"^(?P<when>\S+ \S+) (?P<what>ready after|done in) (?P<wall>[\d.]+) s, "
    r"(?P<cpu>[\d.]+) s of the processor$",
    re.MULTILINE,
)


def read_log(path: Path) -> dict[str, Any] | None:
    """Return a job's begin, readiness and end with its processor seconds; None if unfinished."""
    found = {m["what"]: m for m in LINE.finditer(path.read_text(errors="replace"))}
    if set(found) != {"ready after", "done in"}:
        return None
    ready, done = found["ready after"], found["done in"]
    at = {name: datetime.strptime(m["when"], "%Y-%m-%d %H:%M:%S,%f") for name, m in found.items()}
    return {
        "begin": at["ready after"] - timedelta(seconds=float(ready["wall"])),
        "ready": at["ready after"],
        "end": at["done in"],
        "startup_cpu": float(ready["cpu"]),
        "cpu": float(done["cpu"]),
    }


def read_jobs(results: Path) -> pd.DataFrame:
    """Return a row per finished job in order of their begin, in seconds from the first one's.

    Columns: stage, job, begin, ready, end, startup_cpu, cpu. Raises SystemExit if there is none.
    """
    folder, rows = results / "logs", []
    for path in sorted(folder.rglob("*.log")):
        name = path.relative_to(folder).with_suffix("")
        stage = name.parts[0].partition("_")[0]
        if (row := read_log(path)) is not None:
            rows.append({"stage": stage, "job": str(name), **row})
    if not rows:
        sys.exit(f"{folder}: no log of a finished job. Give a study's folder, as results/demo")
    jobs = pd.DataFrame(rows)
    first = jobs["begin"].min()
    for column in ("begin", "ready", "end"):
        jobs[column] = (jobs[column] - first).dt.total_seconds()
    return jobs.sort_values("begin", ignore_index=True)


def by_stage(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of each stage and of all: jobs, seconds, the share of start-up in them."""
    jobs = jobs.assign(wall=jobs["end"] - jobs["begin"], startup=jobs["ready"] - jobs["begin"])
    columns = ["wall", "startup", "cpu", "startup_cpu"]
    table = jobs.groupby("stage", sort=False)[columns].sum()
    table.insert(0, "jobs", jobs["stage"].value_counts())
    table.loc["all"] = table.sum()
    table["share"] = table["startup"] / table["wall"]
    table["share_cpu"] = table["startup_cpu"] / table["cpu"]
    return table.astype({"jobs": int})


def busy(jobs: pd.DataFrame, edges: np.ndarray) -> np.ndarray:
    """Return the mean number of cores used between `edges`, each job's use spread evenly."""
    begin, end = (jobs[name].to_numpy()[:, None] for name in ("begin", "end"))
    overlap = np.clip(np.minimum(end, edges[1:]) - np.maximum(begin, edges[:-1]), 0, None)
    rate = jobs["cpu"].to_numpy()[:, None] / np.maximum(end - begin, 1e-9)
    return (overlap * rate).sum(axis=0) / np.diff(edges)


def utilisation(jobs: pd.DataFrame, cores: int) -> float:
    """Return the processor seconds of all jobs, as a share of what the cores had."""
    return float(jobs["cpu"].sum() / (cores * jobs["end"].max()))


def draw(jobs: pd.DataFrame, cores: int, path: Path) -> None:
    """Draw the jobs' bars, and below them the cores in use."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (bars, curve) = plt.subplots(
        2, 1, figsize=(10, 8), sharex=True, height_ratios=[4, 1], layout="constrained"
    )
    for number, (stage, part) in enumerate(jobs.groupby("stage", sort=False)):
        color = plt.get_cmap("tab10")(number % 10)
        rows, startup = part.index, part["ready"] - part["begin"]
        bars.barh(rows, startup, left=part["begin"], height=1, color=color, alpha=0.35)
        work = part["end"] - part["ready"]
        bars.barh(rows, work, left=part["ready"], height=1, color=color, label=str(stage))
    bars.invert_yaxis()
    bars.set(ylabel="jobs, by their begin", title="Jobs (start-up lighter) and cores in use")
    bars.legend(loc="upper right", fontsize="small")
    edges = np.linspace(0, jobs["end"].max(), 121)
    curve.stairs(busy(jobs, edges), edges, fill=True, color="0.6")
    curve.axhline(cores, color="0.2", linewidth=0.8)
    curve.set(xlabel="seconds", ylabel="cores", ylim=(0, None))
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read, print, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="a study's folder, as results/demo")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of the run")
    parser.add_argument("--out", type=Path, default=Path("timeline"), help="name without suffix")
    options = parser.parse_args()
    jobs = read_jobs(options.results)
    print(by_stage(jobs).to_string(float_format="{:.2f}".format))
    share = utilisation(jobs, options.cores)
    print(f"{jobs['end'].max():.0f} s on {options.cores} cores, in use {share:.0%} of the time")
    jobs.to_parquet(options.out.with_suffix(".parquet"), index=False)
    draw(jobs, options.cores, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
