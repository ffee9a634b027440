"""Peak memory of every stage's jobs, by the size of the data set and of the batch.

    python benchmarks/memory.py [--images 2000 8000] [--batches 32 128] [--size 64]

Runs a study with every stage, one job at a time, for each number of images and each batch size
(of training, patch classifiers and explainers). All test images are explained; only the sanity
check has a fixed number. Prints, and writes to --out, the highest value among a stage's jobs of

- memory: anonymous memory of the job and its workers, pages that they share counted once
  (Pss_Anon of /proc/<process>/smaps_rollup), looked at every 0.1 s. This is what a job needs.
- resident: the kernel's own high-water mark (VmHWM) of the job's first process. Pages of
  memory-mapped images and maps are in it, which the kernel drops when others need the room.

Growth is the memory at the most images over that at the fewest. Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests/helpers"))

from study import Workspace, tiny  # noqa: E402

SCRIPT = re.compile(r"/\.snakemake/scripts/\w+\.(\w+)\.py$")
PAUSE = 0.1
TABLES = ["tabulate", "tabulate_feasibility", "tabulate_ranks", "tabulate_regions",
          "tabulate_attribution", "tabulate_reliance", "tabulate_sanity",
          "leaderboard"]  # fmt: skip


def main() -> None:
    """Run all studies, print the table, write it."""
    options = arguments()
    rows = []
    for images, batch in itertools.product(options.images, options.batches):
        config = study(images, batch, options.size)
        with tempfile.TemporaryDirectory() as folder:
            peaks = peaks_of(Workspace(Path(folder)), config)
        rows += [
            {"stage": stage, "images": images, "batch": batch, **peak}
            for stage, peak in peaks.items()
        ]
    table = pd.DataFrame(rows)
    table.to_parquet(options.out, index=False)
    print(f"MiB at {options.size} px; by images and batch size")
    print(summary(table).round(2).to_string())
    print(f"\nWritten to {options.out}.")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 8000])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--out", type=Path, default=Path("memory.parquet"))
    return parser.parse_args()


def study(images: int, batch: int, size: int) -> dict[str, Any]:
    """Return a study that has every stage and explains all test images."""
    config = tiny(sanity={"images": 32, "stages": 2})
    config["datasets"]["synthfaces"] = {"size": size, "n_images": images}
    config["designs"]["phi"] = {"levels": [0.8]}
    config["training"]["batch_size"] = batch
    config["methods"] |= {"p_clarc": {}}
    config["regions"]["classifier"] |= {"batch_size": batch, "patch": size // 4}
    config["explain"] |= {"images": "all", "batch_size": batch}
    return config


def peaks_of(space: Workspace, config: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Run a study and return the peaks of every script's jobs in MiB."""
    peaks: dict[str, dict[str, float]] = defaultdict(lambda: {"memory": 0.0, "resident": 0.0})
    space.configure(config)
    command = space.command("--quiet", "all", "--cores", "1", "--", *TABLES)
    with subprocess.Popen(command, cwd=space.folder) as run:
        while run.poll() is None:
            for job in psutil.Process(run.pid).children():
                look(job, peaks)
            time.sleep(PAUSE)
    if run.returncode:
        sys.exit(f"the study failed with exit code {run.returncode}; its messages are above.")
    return dict(peaks)


def look(job: psutil.Process, peaks: dict[str, dict[str, float]]) -> None:
    """Take the memory of a job, if it is one and still there, into the peaks of its script."""
    try:
        script = SCRIPT.search(job.cmdline()[-1])
        if script is None:
            return
        workers = [process.pid for process in job.children(recursive=True)]
        memory = sum(kilobytes(pid, "smaps_rollup", "Pss_Anon") for pid in [job.pid, *workers])
        resident = kilobytes(job.pid, "status", "VmHWM")
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError, IndexError, TypeError):
        return  # it ended while it was looked at
    peak = peaks[script[1]]
    peak["memory"] = max(peak["memory"], memory / 1024)
    peak["resident"] = max(peak["resident"], resident / 1024)


def kilobytes(pid: int, file: str, field: str) -> int:
    """Return a field of a process' file in /proc; a TypeError where it is not there."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.M)
    return int(found[1])  # type: ignore[index]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row per stage: memory and resident by images and batch, and the memory's growth."""
    wide = table.pivot(index="stage", columns=["images", "batch"], values=["memory", "resident"])
    few, many = table["images"].min(), table["images"].max()
    for batch in table["batch"].unique():
        wide["growth", "", batch] = wide["memory", many, batch] / wide["memory", few, batch]
    return wide.reindex(list(dict.fromkeys(table["stage"])))


if __name__ == "__main__":
    main()
