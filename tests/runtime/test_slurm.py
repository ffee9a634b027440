"""Where SLURM is not, or does not take a group of jobs, a run ends and says why."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rightreasons.core.errors import UserError
from rightreasons.runtime.slurm import refuse_absence, report_refusals


def commands(folder: Path, **texts: str) -> None:
    """Make commands of SLURM that print or fail as told."""
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


GOOD = dict.fromkeys(("sbatch", "scancel", "sacct"), "exit 0")


def test_absent_commands_are_named_with_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match=r"no sbatch, squeue, scancel, sacct on.*--workflow-profile"
    ):
        refuse_absence()
    commands(tmp_path, **GOOD)
    with pytest.raises(UserError, match="there is no squeue on this machine"):
        refuse_absence()


def test_a_controller_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    commands(tmp_path, **GOOD, squeue="echo Unable to contact slurm controller >&2; exit 1")
    with pytest.raises(UserError, match=r"Unable to contact slurm controller.*login node"):
        refuse_absence()
    commands(tmp_path, squeue="exit 0")
    refuse_absence()


class Group:
    """A group of jobs as Snakemake has it: without a rule."""

    groupid, jobid, name = "figures", "g1", "figures"

    def is_group(self) -> bool:
        return True


class Executor:
    """What the plug-in does with an error at submission."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.logger = logging.getLogger("slurm of a test")
        self.failed: list[tuple[Any, str | None]] = []

    def run_job(self, job: Any) -> None:
        try:
            raise self.error
        except Exception as error:
            self.logger.debug(f"Exception in run_job for rule {job.rule.name}: {error}")
            self.report_job_error(
                submitted(job), msg=f"Job submission failed with exception: {error}"
            )

    def report_job_error(self, job: Any, msg: str | None = None, **told: Any) -> None:
        self.failed.append((job, msg))


def submitted(job: Any) -> Any:
    return SimpleNamespace(job=job)


def test_a_group_that_slurm_does_not_take_fails_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    executor = Executor(FileNotFoundError("no sacct"))
    with pytest.raises(AttributeError):  # the plug-in's fault: nobody hears of the group again
        executor.run_job(Group())
    assert executor.failed == []
    report_refusals(executor, submitted)
    executor.run_job(Group())
    assert [info.job.groupid for info, _ in executor.failed] == ["figures"]
    assert "group figures: SLURM did not get it: no sacct" in caplog.text


def test_what_sbatch_says_of_a_group_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    executor = Executor(RuntimeError())
    report_refusals(executor, submitted)
    executor.report_job_error(submitted(Group()), msg="SLURM sbatch failed: no such partition\nx")
    assert "group figures: SLURM sbatch failed: no such partition" in caplog.text
    assert len(executor.failed) == 1


def test_a_single_job_is_reported_once() -> None:
    executor = Executor(FileNotFoundError("no sacct"))
    report_refusals(executor, submitted)
    single = SimpleNamespace(is_group=lambda: False, rule=SimpleNamespace(name="train"))
    executor.run_job(single)
    assert [msg for _, msg in executor.failed] == ["Job submission failed with exception: no sacct"]
