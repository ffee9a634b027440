"""Say of every method how its reliance on two shortcuts differs from the original's."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped


class ShortcutsInput(Files):
    """The comparisons of all methods."""

    provenance: Path
    tests: Path


class ShortcutsTable(Files):
    """Changes of reliance on the protected and on the watched attribute."""

    two_shortcuts: Path = Path("two_shortcuts.parquet")


class ShortcutsJob(Job):
    """Make the table `two_shortcuts`.

    Attributes
    ----------
    original
        The method that changes are against.
    """

    input: ShortcutsInput
    output: ShortcutsTable
    original: str


def tabulate_shortcuts(job: ShortcutsJob, running: Running) -> None:
    """Read the comparisons, set both changes side by side, write."""
    from rightreasons.tables.schema import read_table
    from rightreasons.tables.shortcuts import two_shortcuts

    running.ready()
    table = two_shortcuts(read_table(job.input.tests), job.original)
    stamp = stamp_of(job.input.provenance)
    write_stamped([table], "two_shortcuts", job.output.two_shortcuts, stamp)
