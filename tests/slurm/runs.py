"""Runs of the suite on a throw-away cluster, and what SLURM remembers of their jobs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import Cluster
from study import FEW, ROOT, Workspace, tiny

#: Snakemake. Its plug-in waits 10 s longer after each look at jobs of which none has ended.
IMPATIENT = """
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda *wanted: None)
main()
"""


@dataclass(frozen=True, order=True)
class Job:
    """A job as SLURM remembers it."""

    number: int
    state: str
    node: str
    memory: str
    limit: str
    what: str


class Site(Workspace):
    """The workflow in a folder of its own on a cluster, its profile filled in as a user does."""

    def __init__(self, folder: Path, cluster: Cluster, account: str = "") -> None:
        super().__init__(folder)
        self.cluster = cluster
        self.environment = cluster.environment
        (folder / "trouble.smk").write_text((ROOT / "tests/slurm/trouble.smk").read_text())
        profile = folder / "profiles/slurm/config.yaml"
        text = profile.read_text()
        for empty, filled in [
            ('slurm_account: ""', f'slurm_account: "{account}"'),
            ('slurm_partition: ""  # of jobs with a GPU', "slurm_partition: gpu  # "),
        ]:
            assert text.count(empty) == 1
            text = text.replace(empty, filled)
        profile.write_text(text)
        self.configure(small())

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start Snakemake with the profile; it looks at jobs every second, not after 20 or more."""
        return subprocess.Popen(
            [
                *(sys.executable, "-c", IMPATIENT, "--configfile", "study.yaml"),
                *("--workflow-profile", "profiles/slurm", "--jobs", "3", "--cores", "2"),
                *("--slurm-init-seconds-before-status-checks", "1"),
                *("--max-status-checks-per-second", "2", *options),
            ],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, *options: str) -> str:
        """Run Snakemake on the cluster to a good end and return what it says."""
        code, said = ended(self.start(*options))
        assert code == 0, said[-4000:]
        return said

    def orphans(self, *options: str) -> subprocess.Popen[str]:
        """Start the command that looks for orphans."""
        return subprocess.Popen(
            [sys.executable, "-m", "rightreasons.runtime.orphans", "--poll", "0.5", *options],
            cwd=self.folder,
            env=self.cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def jobs(self, rule: str = "") -> list[Job]:
        """Return this folder's jobs, ended ones too, in the order of their submission."""
        text = self.cluster.ask(
            "squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%m|%l|%k|%Z"
        )
        rows = [line.rsplit("|", 1) for line in text.splitlines()]
        own = [row.split("|", 5) for row, folder in rows if folder == str(self.folder)]
        jobs = sorted(Job(int(number), *rest) for number, *rest in own)
        return [job for job in jobs if job.what.startswith(f"rule_{rule}")]

    def active(self) -> list[Job]:
        """Return this folder's jobs that have not ended."""
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return [job for job in self.jobs() if job.state not in ended]

    def diary(self) -> list[str]:
        """Return when the rule `lasting` started and ended."""
        path = self.folder / "diary.txt"
        return path.read_text().split() if path.exists() else []


def small() -> dict[str, Any]:
    """Return a study of one level that still has every kind of job."""
    config = tiny(methods={"vanilla": {}, "finetune": FEW, "thropt": {}}, regions={})
    config["designs"]["phi"]["levels"] = [0.8]
    config["explain"]["sets"] = {"main": {"integrated_gradients": {"steps": 4}}}
    return config


def ended(process: subprocess.Popen[str], seconds: float = 600) -> tuple[int, str]:
    """Wait until a process ends; return its exit code and what it said. Kill it if it does not."""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        raise AssertionError(f"no end after {seconds} s: {said[-4000:]}") from None
    return process.returncode, said


def until(ready: Callable[[], object], seconds: float = 300) -> None:
    """Wait until `ready()`."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.2)
