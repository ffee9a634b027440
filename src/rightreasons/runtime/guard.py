"""One run at a time in a folder: a lock that the operating system drops when its holder dies.

Jobs on a cluster outlive a Snakemake that was killed. The lock's file therefore keeps the name
that they have in SLURM's queue, and the next run starts when they are gone.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rightreasons.core.errors import UserError
from rightreasons.core.files import cannot_write
from rightreasons.runtime.slurm import describe, queued

# What a file system without locks answers, such as Lustre mounted without `flock`.
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@dataclass(frozen=True)
class Run:
    """Who holds or held a lock.

    Attributes
    ----------
    process, host
        Its number, and the machine that it runs on.
    jobs
        The name of its jobs in SLURM, "" where they run on the machine.
    """

    process: str = "unknown"
    host: str = "unknown"
    jobs: str = ""


def hold(path: Path, jobs: str = "") -> IO[str] | None:
    """Lock a file for as long as the returned file is open.

    Unlike Snakemake's own lock it needs no `--unlock` after a crash or `kill -9`.

    Parameters
    ----------
    path
        The lock's file, made where it is missing.
    jobs
        The name that this run's jobs have in SLURM, or "" if they run here.

    Returns
    -------
    file or None
        None where locks do not exist (Windows).

    Raises
    ------
    UserError
        With the process that holds it, if the lock is taken; if an earlier run's jobs are still in
        SLURM's queue or cannot be asked for; if the folder cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+")  # noqa: SIM115 - the caller keeps it open
    except OSError as error:
        raise _no_lock(path, error) from error
    try:
        _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _refuse_orphans(path)
    except BlockingIOError:
        file.close()
        held = last_run(path)
        raise UserError(
            f"another Snakemake (process {held.process}) is running this study on {held.host}. "
            "Wait until it ends, or stop it; nothing was changed."
        ) from None
    except UserError:
        file.close()
        raise
    try:
        file.truncate(0)
        file.write("\n".join([str(os.getpid()), socket.gethostname(), jobs]))
        file.flush()
    except OSError as error:
        raise _no_lock(path, error) from error
    return file


def _no_lock(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be written: {cannot_write(error) or error}")


def last_run(path: Path) -> Run:
    """Return who holds a lock, or held it last."""
    return Run(*path.read_text().split("\n")) if path.stat().st_size else Run()


def held(path: Path) -> bool:
    """Return whether a living process holds a lock.

    Parameters
    ----------
    path
        The lock's file, which exists.
    """
    try:
        import fcntl

        with open(path) as file:
            _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except ImportError:
        return False
    return False


def forget_jobs(path: Path) -> None:
    """Forget the name of a run's jobs: it ended by itself, and has none left."""
    if path.exists():
        run = last_run(path)
        path.write_text(f"{run.process}\n{run.host}\n")


def _lock(file: IO[str], how: int) -> None:
    import fcntl

    try:
        fcntl.flock(file, how)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _refuse_orphans(path: Path) -> None:
    """Raise UserError if jobs of the lock's last holder are, or may be, in SLURM's queue."""
    run = last_run(path)
    if not run.jobs:
        return
    whose = f"the last run of this study (process {run.process} on {run.host})"
    try:
        left = [job for job in queued() if job.run == run.jobs]
    except UserError as error:
        raise UserError(
            f"{whose} was killed and may have left jobs in SLURM's queue, but {error}. Two jobs "
            f"would write the same files. If you know that none is left, delete {path}."
        ) from None
    if left:
        raise UserError(
            f"{whose} is gone, but {len(left)} of its jobs are still in SLURM's queue and would "
            f"write the same files as yours:\n{describe(left)}\nWait for them: python "
            "-m rightreasons.runtime.orphans --wait. Or cancel them: --cancel in place of --wait."
        )


def refuse_closed(folder: Path) -> None:
    """Refuse to start where Snakemake cannot keep its records, which it does in dry runs too.

    Parameters
    ----------
    folder
        Snakemake's own (`.snakemake`), there or not.

    Raises
    ------
    UserError
        With the path that may not be written or read, whose it is, and what to do.
    """
    if not folder.exists():
        closed = None if _may(folder.absolute().parent, os.W_OK | os.X_OK) else folder.parent
    else:
        closed = next(_closed(folder), None)
    if closed is not None:
        raise UserError(
            f"{closed.absolute()} belongs to {_owner(closed)} and is closed to you, and Snakemake "
            "keeps its records there, even of a dry run. Its owner opens the folder to a group by "
            f"`chmod -R g+rwX {folder} results`. Or run in a folder of your own, with the option "
            "--directory."
        )


def _closed(folder: Path) -> Iterator[Path]:
    """Yield folders that may not be entered or written, and files that may not be read."""
    if not _may(folder, os.R_OK | os.W_OK | os.X_OK):
        yield folder
        return
    for one in os.scandir(folder):
        if one.is_dir():
            if not _may(one, os.R_OK | os.W_OK | os.X_OK):
                yield Path(one)
            else:  # a sample: hundreds of thousands of records take long on a shared disk
                some = itertools.islice(os.scandir(one), 100)
                yield from (Path(file) for file in some if not _may(file, os.R_OK))


def _may(path: os.PathLike[str], what: int) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(path, what, effective_ids=effective)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError, OSError):
        return "another user"
