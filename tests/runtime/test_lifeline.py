"""Processes end with the one that started them, killed or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rightreasons.runtime.lifeline import this_process

WAIT = 20.0

# Starts a process that watches it, perhaps through a shell, and says its number.
PARENT = """
import subprocess, sys, time
from rightreasons.runtime.lifeline import this_process
child = "import os, sys, time; from rightreasons.runtime.lifeline import end_with;"
child += "end_with(sys.argv[1]);"
child += "print(os.getpid(), flush=True); time.sleep(600)"
command = [sys.executable, "-c", child, this_process()]
if sys.argv[1] == "shell":
    command = ["sh", "-c", '"$@"; true', "sh", *command]
subprocess.Popen(command)
time.sleep(600)
"""


@pytest.mark.parametrize("between", ["nothing", "shell"])
def test_a_process_ends_when_the_one_that_started_it_is_killed(between: str) -> None:
    command = [sys.executable, "-c", PARENT, between]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        assert child in psutil.wait_procs([child], timeout=WAIT)[0]


def test_one_that_starts_when_the_other_is_gone_ends_at_once() -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    name = this_process().replace(str(os.getpid()), str(gone.pid), 1)
    assert _watching(name).wait(WAIT) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has namespaces of process numbers")
def test_a_process_of_another_namespace_is_not_watched() -> None:
    process = _watching("4194305 pid:[1]")  # a number that no process has
    assert process.stdout is not None
    assert process.stdout.readline() == b"watching\n"
    time.sleep(1)  # it would have ended at once
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pool has threads for workers")
def test_workers_of_a_pool_end_with_a_job_that_is_killed(tmp_path: Path) -> None:
    """Python's executors wait for ever for a parent that is gone."""
    with subprocess.Popen([sys.executable, "-c", POOL, str(tmp_path)]) as job:
        workers = _children(job.pid, 2)
        os.kill(job.pid, signal.SIGKILL)
        assert set(psutil.wait_procs(workers, timeout=WAIT)[0]) == set(workers)


POOL = """
import sys
from pathlib import Path
from rightreasons.data import create
from rightreasons.data.pool import build_pool
faces = create("synthfaces", {"size": 64, "n_images": 20000}, name="faces", data_dir="")
faces.fetch(Path(sys.argv[1]))
build_pool(faces, sys.argv[1], Path(sys.argv[1]) / "pool", workers=2)
"""


def _watching(name: str) -> subprocess.Popen[bytes]:
    code = "import sys, time; from rightreasons.runtime.lifeline import end_with"
    code += "; end_with(sys.argv[1])"
    code += "; print('watching', flush=True); time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE)


def _children(process: int, count: int) -> list[psutil.Process]:
    """Return the children of a process when it has as many as `count`."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if len(found := psutil.Process(process).children()) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"process {process} has no {count} children")
