"""Jobs that end with the Snakemake that started them, even if it is killed with `kill -9`.

A job that outlived it would go on writing, beside the same job of the next run.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

#: The environment variable in which Snakemake tells its jobs who it is.
SNAKEMAKE = "RIGHTREASONS_SNAKEMAKE"


def this_process() -> str:
    """Return this process' number and, on Linux, the namespace in which that number is its own."""
    return f"{os.getpid()} {_namespace()}".strip()


def end_with(process: str) -> None:
    """End this process by SIGKILL when another one is gone.

    If that is the parent, Linux sees to it, whatever this process is doing. If not (a shell may
    stand between), a thread watches. What cannot be seen from here, as a Snakemake outside of a
    container with process numbers of its own, is not watched.

    Parameters
    ----------
    process
        What `this_process` returned there.
    """
    number, _, namespace = process.partition(" ")
    if namespace != _namespace() or sys.platform == "win32":
        return
    if sys.platform == "linux":
        _signal_with_parent()
    if sys.platform != "linux" or os.getppid() != int(number):
        threading.Thread(target=_watch, args=(int(number),), daemon=True).start()


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _signal_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent ends: prctl(PR_SET_PDEATHSIG, ...)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _watch(number: int) -> None:
    try:
        select.select([os.pidfd_open(number)], [], [])
    except ProcessLookupError:
        pass
    except (AttributeError, OSError):  # no Linux, or before 5.3
        while _there(number):
            time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def _there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        pass
    return True
