"""Results that are dated in the future, by a clock that is or was wrong; time in words."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rightreasons.core.errors import UserError

#: Seconds by which the clocks of two machines may differ.
TOLERANCE = 10.0


def refuse_future(folder: Path, now: float | None = None) -> None:
    """Refuse to run where a result below `folder` is dated in the future by more than TOLERANCE.

    Whatever follows from a result of the future would be older than it when it is finished, and
    Snakemake would delete it for that, after all the work. Nothing follows from logs, benchmarks
    and hidden files: they are not looked at.

    Parameters
    ----------
    folder
        The study's results.
    now
        The file system's time in seconds, which can be another than this machine's; the later one
        counts.

    Raises
    ------
    UserError
        With the number of such files, the latest of them, and the cure.
    """
    limit = max(time.time(), now or 0) + TOLERANCE
    late = [(when, path) for when, path in _dates(folder) if when > limit]
    if not late:
        return
    when, path = max(late)
    raise UserError(
        f"{len(late)} of the study's files are dated in the future, by up to "
        f"{_span(when - time.time())} ({path}): the clock of this machine is wrong, or that of the "
        "machine that wrote them was. If it is this one's, set it right. If not, give the same "
        "command with --touch --forceall once: it dates what is there anew and makes nothing."
    )


def date_anew(folder: Path) -> None:
    """Give every file of the future below `folder` the present as its date.

    Snakemake's --touch does so for the outputs of rules; a stage may leave files beside them.
    """
    now = time.time()
    for when, path in list(_dates(folder)):
        if when > now:
            os.utime(path, (now, now))


def _dates(folder: Path) -> Iterator[tuple[float, str]]:
    with suppress(OSError), os.scandir(folder) as entries:  # it may be gone by now
        for entry in entries:
            if entry.name.startswith(".") or entry.name in ("logs", "benchmarks"):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _dates(Path(entry.path))
            else:
                with suppress(FileNotFoundError):
                    yield entry.stat().st_mtime, entry.path


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def duration(seconds: float) -> str:
    """Return seconds as a person says them: 40 s, 12 min, 3.5 h, 80 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 10 else f"{hours:,.0f} h"
