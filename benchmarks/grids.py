"""What planning and running large grids costs, beside the jobs' own work.

    python benchmarks/grids.py [--jobs 100 1000 10000] [--parquet grids.parquet]

Makes studies of about that many jobs (the demo's methods, explainers and patch classifiers; more
tasks, levels and seeds), and measures in a folder of their own:

plan        `snakemake -n`
slurm       the same with profiles/slurm
first job   from the command to the first line of the first job's log, then the run is killed
bookkeeping `snakemake --touch` on placeholder files: graph, scheduling and records of a whole run
            without its jobs (Snakemake's pause of 0.1 s per touched job is taken out)
finished    `snakemake -n` when that is done: how long it takes to find that nothing is left to do

Seconds of the processor (user and system) and of the clock; then a plan's processor seconds by what
is on the stack (benchmarks/sampling.py).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests/helpers"))

from rightreasons.study.grid import Grid  # noqa: E402
from rightreasons.study.load import load_config  # noqa: E402
from study import Workspace, demo  # noqa: E402

PROTECTED = ("Wearing_Necktie", "Wearing_Hat", "Eyeglasses")
REPORT_JOBS = 31  # data, patch classifiers, tables and figures of one task
TOUCH = (
    "from snakemake.executors import touch; touch.Executor.SLEEPING_TIME = 0; "
    "from snakemake.cli import main; main()"
)
FIRST_LOG = "logs/fetch/synthfaces.log"


def grid(jobs: int) -> dict[str, Any]:
    """Return the config of a study of about so many jobs: within 15 % of them from 100 up."""
    config = {**demo(), "study": "grid"}
    groups = max(1, round((jobs - REPORT_JOBS) / jobs_per_group(config)))
    tasks = PROTECTED if groups > 100 else PROTECTED[:1]
    task = next(iter(config["tasks"].values()))
    config["tasks"] = {f"by_{name.lower()}": {**task, "protected": name} for name in tasks}
    seeds = max(1, math.isqrt(groups // len(tasks)))
    levels = max(1, round(groups / len(tasks) / seeds))
    config["seeds"] = list(range(seeds))
    config["designs"]["phi"]["levels"] = [round(0.9 * i / levels, 4) for i in range(levels)]
    return config


def jobs_per_group(config: dict[str, Any]) -> int:
    """Return the jobs of a group: a split, a measurement, models, the maps of those that differ."""
    grid, (task, *_) = Grid(load_config(config)), config["tasks"]
    return 2 + len(grid.methods(task)) + len(grid.models(task)) * len(grid.sets(task))


class Run:
    """Snakemake on one grid in one folder."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.workspace = Workspace(folder)
        self.workspace.configure(config)
        self.results = folder / "results" / config["study"]

    def timed(self, *command: str) -> tuple[str, dict[str, float]]:
        """Run a command of Python; return its output, its processor and clock seconds.

        Raises SystemExit with the output if it fails.
        """
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, *command, "--configfile", "study.yaml"],
            cwd=self.workspace.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        after, wall = os.times(), time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
        cpu = after.children_user + after.children_system
        cpu -= before.children_user + before.children_system
        return done.stdout, {"cpu": cpu, "wall": wall}

    def plan(self, *options: str) -> tuple[str, dict[str, float]]:
        """Time a dry run."""
        return self.timed("-m", "snakemake", "-n", "--cores", "2", *options)

    def phases(self) -> dict[str, float]:
        """Return the processor seconds of a dry run by what they went to."""
        out = self.workspace.folder / "phases.json"
        script = str(ROOT / "benchmarks" / "sampling.py")
        self.timed(script, str(out), "snakemake", "-n", "--quiet", "rules", "--cores", "2")
        return json.loads(out.read_text())

    def first_job(self) -> dict[str, float]:
        """Start the study, wait for its first job's log, stop it, remove what it left."""
        log = self.results / FIRST_LOG
        began = time.perf_counter()
        process = subprocess.Popen(
            self.workspace.command(),
            cwd=self.workspace.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while not (log.exists() and log.stat().st_size):
                if process.poll() is not None:
                    sys.exit("Snakemake ended before its first job began")
                time.sleep(0.02)
            wall, used = time.perf_counter() - began, psutil.Process(process.pid).cpu_times()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.results)
        return {"cpu": used.user + used.system, "wall": wall}

    def bookkeeping(self, listing: str, *options: str) -> dict[str, float]:
        """Time `--touch` of everything that a dry run lists, on files that hold nothing."""
        for file in outputs(listing):
            path = self.workspace.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        command = ("-c", TOUCH, "--touch", "--forceall", "--cores", "2", "--quiet", *options)
        return self.timed(*command)[1]


def outputs(listing: str) -> list[str]:
    """Return all output files that a dry run lists."""
    found = re.findall(r"^    output: (.+)$", listing, re.MULTILINE)
    return [file for line in found for file in line.split(", ")]


def total(listing: str) -> int:
    """Return the number of jobs that a dry run lists."""
    found = re.search(r"^total +(\d+)$", listing, re.MULTILINE)
    return int(found[1]) if found else 0


def edges(listing: str) -> int:
    """Return the number of input files of all jobs that a dry run lists."""
    found = re.findall(r"^    input: (.+)$", listing, re.MULTILINE)
    return sum(line.count(", ") + 1 for line in found)


def measure(jobs: int, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return what a grid of about so many jobs costs, and a plan's seconds by phase."""
    run = Run(folder, grid(jobs))
    listing, plan = run.plan()
    costs = {"plan": plan}
    costs["slurm"] = run.plan("--workflow-profile", "profiles/slurm", "--quiet", "rules")[1]
    costs["first job"] = run.first_job()
    phases = run.phases()
    costs["bookkeeping"] = run.bookkeeping(listing)
    costs["finished"] = run.plan("--quiet", "rules")[1]
    row = {"jobs": total(listing), "inputs": edges(listing)}
    row |= {f"{what}, {kind}": cost[kind] for what, cost in costs.items() for kind in cost}
    return row, {"jobs": total(listing), **phases}


def main() -> None:
    """Measure, print two tables, write them as one Parquet file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", nargs="+", type=int, default=[100, 1000, 10000])
    parser.add_argument("--parquet", type=Path, default=Path("grids.parquet"))
    options = parser.parse_args()
    rows = []
    for jobs in options.jobs:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(jobs, Path(folder)))
    costs, phases = (pd.DataFrame(list(part)).set_index("jobs") for part in zip(*rows, strict=True))
    print(costs.T.to_string(float_format="{:.1f}".format))
    print("\nprocessor seconds of a plan")
    print(phases.T.to_string(float_format="{:.2f}".format))
    costs.join(phases).reset_index().to_parquet(options.parquet, index=False)


if __name__ == "__main__":
    main()
