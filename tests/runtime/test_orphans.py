"""What is done about jobs that a killed Snakemake left in SLURM's queue, with a made-up queue.

tests/slurm does the same with a real one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rightreasons.core.errors import UserError
from rightreasons.runtime import guard, slurm
from rightreasons.runtime import orphans as command
from study import ROOT

Queue = Callable[[list[str]], None]


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A squeue that prints the given jobs, and a scancel that takes them out."""
    programs, jobs = tmp_path / "programs", tmp_path / "jobs.txt"
    programs.mkdir()
    scripts = {
        "squeue": f"cat {jobs}",
        "scancel": f'for job in "$@"; do sed -i "/^$job|/d" {jobs}; done',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    jobs.write_text("")
    return lambda lines: jobs.write_text("".join(f"{line}\n" for line in lines)) and None


def line(number: int, run: str, folder: Path | str = "/elsewhere", state: str = "RUNNING") -> str:
    return f"{number}|{run}|{state}|1:02|n1|{folder}|rule_train_wildcards_a|b"


def test_a_line_of_the_queue_is_read(queue: Queue, tmp_path: Path) -> None:
    queue([line(7, "rightreasons_x", tmp_path, "PENDING")])
    (job,) = slurm.queued()
    assert job == slurm.Job(
        "7", "rightreasons_x", "PENDING", "1:02", "n1", str(tmp_path), "rule_train_wildcards_a|b"
    )
    assert "7  PENDING" in slurm.describe([job])


def test_many_jobs_are_described_in_a_few_lines() -> None:
    jobs = [slurm.Job(str(n), "r", "RUNNING", "0:01", "", "/f", "rule_x") for n in range(12)]
    text = slurm.describe(jobs).splitlines()
    assert len(text) == 6
    assert "and 7 more" in text[-1]


def test_orphans_have_our_prefix_and_folder_or_a_dead_run_s_name(tmp_path: Path) -> None:
    here, there = str(tmp_path), "/elsewhere"
    jobs = {
        name: slurm.Job("1", run, "RUNNING", "0:01", "n1", folder, "rule_x")
        for name, run, folder in [
            ("ours", "rightreasons_1", here),
            ("other folder", "rightreasons_1", there),
            ("other work", "assembly_1", here),
            ("recorded", "myprefix_9", there),
            ("alive", "rightreasons_2", here),
        ]
    }
    found = slurm.orphans(jobs.values(), tmp_path, ["myprefix_9"], ["rightreasons_2"])
    assert found == [jobs["ours"], jobs["recorded"]]


def test_a_run_waits_for_the_jobs_of_the_one_before(queue: Queue, tmp_path: Path) -> None:
    path = tmp_path / "results/demo/.lock"
    killed = guard.hold(path, "rightreasons_1")
    assert killed is not None
    assert guard.held(path)
    killed.close()
    assert not guard.held(path)
    queue([line(7, "rightreasons_1"), line(8, "rightreasons_2")])
    for _ in range(2):  # being refused changes nothing
        with pytest.raises(UserError, match=r"1 of its jobs are still in SLURM's queue(.|\n)*  7 "):
            guard.hold(path, "rightreasons_3")
    queue([line(8, "rightreasons_2")])
    lock = guard.hold(path, "rightreasons_3")
    assert lock is not None
    assert guard.last_run(path).jobs == "rightreasons_3"
    lock.close()


def test_a_run_that_ended_well_leaves_no_name(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".lock"
    lock = guard.hold(path, "rightreasons_1")
    assert lock is not None
    guard.forget_jobs(path)
    lock.close()
    monkeypatch.setenv("PATH", "/nowhere")  # a laptop: the results were copied from the cluster
    lock = guard.hold(path)
    assert lock is not None
    lock.close()


def test_without_squeue_a_killed_run_of_slurm_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".lock"
    lock = guard.hold(path, "rightreasons_1")
    assert lock is not None
    lock.close()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"no squeue on this machine.*delete .*\.lock"):
        guard.hold(path)
    (tmp_path / "squeue").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    with pytest.raises(UserError, match="squeue says no controller"):
        guard.hold(path)


def test_the_lock_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("4711")
    assert guard.last_run(tmp_path / ".lock") == guard.Run("4711")


def test_on_a_file_system_without_locks_a_run_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    lock = guard.hold(tmp_path / ".lock")
    assert lock is not None
    lock.close()


def test_the_command_lists_waits_and_cancels(
    queue: Queue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 0
    assert "No orphans" in capsys.readouterr().out
    queue([line(7, "rightreasons_1", tmp_path), line(8, "rightreasons_2", tmp_path)])
    alive = guard.hold(tmp_path / "results/demo/.lock", "rightreasons_2")
    assert command.main([]) == 1
    printed = capsys.readouterr().out
    assert "  7 " in printed
    assert "  8 " not in printed
    assert command.main(["--cancel", "--poll", "0"]) == 0
    assert "They are gone" in capsys.readouterr().out
    assert [job.number for job in slurm.queued()] == ["8"]
    assert alive is not None
    alive.close()
    assert command.main([]) == 1


def test_the_command_says_when_there_is_no_slurm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main([]) == 2
    assert "no squeue on this machine" in capsys.readouterr().err


def test_the_profile_has_the_prefix_that_orphans_are_found_by() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["slurm-jobname-prefix"] == slurm.PREFIX
