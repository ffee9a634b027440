"""`kill -9` in every stage, of Snakemake and of single jobs: the same command ends the same."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from rightreasons.core.seeds import numpy_rng
from study import Workspace, tiny

# Rules that are killed, each once as a job and once with Snakemake, and the names of their scripts.
SCRIPTS = {
    "fetch": "fetch",
    "pool": "pool",
    "twins": "twins",
    "split": "split",
    "region": "region",
    "train": "train",
    "debias": "debias",
    "decide": "debias",
    "explain": "explain",
    "sanity": "sanity",
    "measure": "measure",
    "tabulate": "tabulate",
}
ENDS = ["tabulate", "tabulate_feasibility", "tabulate_ranks", "tabulate_regions",
        "tabulate_attribution", "tabulate_reliance", "tabulate_sanity", "tabulate_runtimes",
        "figure_leaderboard"]  # fmt: skip
SEED = 5
RUNS = 3 * len(SCRIPTS)  # at most


@dataclass(frozen=True)
class Moment:
    """When a rule's first job is killed, or Snakemake, as a share of an undisturbed job's time."""

    victim: str
    share: float


def moments() -> dict[str, list[Moment]]:
    """Return two moments of each rule, in the order in which they come.

    A job is killed in its first 40 %, because it may be faster than the undisturbed one was.
    """
    rng = numpy_rng(SEED, "kills")
    until = {"Snakemake": 0.9, "job": 0.4}
    return {
        rule: [Moment(victim, round(rng.uniform(0, last), 2)) for victim, last in until.items()]
        for rule in SCRIPTS
    }


def study() -> dict[str, Any]:
    """Return a small study that has every stage."""
    config = tiny(sanity={"images": 8, "stages": 2})
    config["datasets"]["synthfaces"]["n_images"] = 800
    sizes = {"train": 80, "debias": 40, "test": 40}
    config["designs"]["phi"] = {"levels": [0.8], "max_images": sizes}
    config["regions"]["attributes"] = {}
    config["explain"]["sets"] = {"main": {"gradient": {}}}
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("finished"))
    space.configure(study())
    done = space.run("--", *ENDS)
    assert done.returncode == 0, done.stdout[-4000:]
    return space


def test_killed_again_and_again_the_study_ends_the_same(
    finished: Workspace, tmp_path: Path
) -> None:
    space = Workspace(tmp_path)
    space.configure(study())
    left, done = moments(), []
    for number in range(RUNS):
        code, killed = disturbed(space, left, seconds(finished), retries=number % 2)
        done += killed
        if code == 0:
            break
        assert killed, f"Snakemake failed by itself after {done}"
    assert code == 0, f"not finished after {done}"
    assert {rule for rule, moment in done if moment.victim == "Snakemake"} == set(SCRIPTS), done
    assert len(done) >= 20, done
    assert contents(space) == contents(finished), done
    hidden = [path.name for path in (space.folder / "results").rglob(".*")]
    assert hidden == [".lock"], done
    assert not list((space.folder / ".snakemake/incomplete").iterdir()), done


def disturbed(
    space: Workspace, left: dict[str, list[Moment]], lasting: dict[str, float], retries: int
) -> tuple[int, list[tuple[str, Moment]]]:
    """Run the study, kill at the moments that are left, and take these out of `left`.

    With `retries`, Snakemake starts a killed job again; without, it ends with an error. Returns its
    exit code and what was killed. A moment that came too late stays in `left`.
    """
    command = space.command("--retries", str(retries), "--", *ENDS)
    with (
        subprocess.Popen(
            command,
            cwd=space.folder,
            env={**os.environ, "RIGHTREASONS_TERMINAL": "snakemake"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as run,
        ThreadPoolExecutor() as strikers,
    ):
        assert run.stdout is not None
        strikes = {}
        for line in run.stdout:
            started = re.match(r"(?:local)?rule (\w+):", line)
            if started is None or not left.get(rule := started[1]):
                continue
            moment = left[rule].pop(0)
            strikes[strikers.submit(strike, run.pid, rule, moment, lasting)] = (rule, moment)
    killed = []
    for struck, (rule, moment) in strikes.items():
        if struck.result():
            killed.append((rule, moment))
        else:
            left[rule].insert(0, moment)
    return run.returncode, killed


def strike(snakemake: int, rule: str, moment: Moment, lasting: dict[str, float]) -> bool:
    """Wait for a moment of a job that has just begun, and kill; return whether it was in time."""
    try:
        job = _job(snakemake, SCRIPTS[rule])
        time.sleep(moment.share * lasting[rule])
        return kill(psutil.Process(snakemake) if moment.victim == "Snakemake" else job)
    except psutil.NoSuchProcess:  # another moment came first
        return False


def kill(process: psutil.Process | None) -> bool:
    """Kill a process, if it is there, and see that all that it started ends with it."""
    try:
        assert process is not None
        below = process.children(recursive=True)
        process.kill()
    except (psutil.NoSuchProcess, AssertionError):
        return False
    assert not psutil.wait_procs(below, timeout=20)[1]
    return True


def _job(snakemake: int, script: str) -> psutil.Process | None:
    """Return the process of a job that has just begun; None if it does not show."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for child in psutil.Process(snakemake).children():
            try:
                if child.cmdline()[-1].endswith(f".{script}.py"):
                    return child
            except (psutil.NoSuchProcess, IndexError):
                pass
        time.sleep(0.02)
    return None


def seconds(space: Workspace) -> dict[str, float]:
    """Return how long a job of each rule took, at least."""
    times = pd.read_parquet(space.folder / "results/tiny/tables/runtimes.parquet")
    stages = times.groupby("stage")["seconds"].min().to_dict()
    return {rule: stages.get(rule, stages["fetch"]) for rule in SCRIPTS} | {
        "decide": stages["debias"]
    }


def contents(space: Workspace) -> dict[str, bytes]:
    """Return what is in every result that must not depend on when and how often it was made."""
    return dict(_contents(space.folder / "results/tiny"))


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*"):
        place = path.relative_to(root)
        timed = place.parts[0] in ("benchmarks", "logs") or path.stem == "runtimes"
        if path.is_file() and not timed and path.name not in (".lock", "study.json"):
            yield str(place), path.read_bytes()
