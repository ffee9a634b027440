"""One run at a time in a folder: a lock that the operating system drops when its holder dies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from rightreasons.errors import UserError


def hold(path: Path) -> IO[str] | None:
    """Lock `path` for as long as the returned file is open; None where locks do not exist.

    Unlike Snakemake's own lock it needs no `--unlock` after a crash or `kill -9`. Raises UserError,
    with the process that holds it, if the lock is taken.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a+")  # noqa: SIM115 - the caller keeps it open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise UserError(
            f"another Snakemake (process {holder}) is running this study. Wait until it ends, or "
            "stop it; nothing was changed."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
