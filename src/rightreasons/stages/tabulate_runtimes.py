"""Make the table of run times."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Running
from rightreasons.stages._all_cells import CellsJob
from rightreasons.stages._tables import stamp_of, write_stamped
from rightreasons.tables.parameters import Timed


class RuntimesInput(Files):
    """Metadata of each cell's model, and what is made apart from the cells."""

    provenance: Path
    metadata: tuple[Path, ...]
    region: tuple[Path, ...]
    sanity: tuple[Path, ...]
    probed: tuple[Path, ...] = ()
    universes: tuple[Path, ...] = ()


class Runtimes(Files):
    """How long every job took."""

    runtimes: Path = Path("runtimes.parquet")


class RuntimesJob(CellsJob):
    """Make the table `runtimes`.

    Attributes
    ----------
    timed
        The study's jobs.
    """

    input: RuntimesInput
    output: Runtimes
    timed: tuple[Timed, ...]


def tabulate_runtimes(job: RuntimesJob, running: Running) -> None:
    """Read Snakemake's benchmark files and the models' metadata, write."""
    from rightreasons.tables import tabulate as tables

    running.ready()
    models = tables.models(job.study, job.cells(), job.input.metadata)
    table = tables.runtimes(job.study, job.timed, models)
    write_stamped([table], "runtimes", job.output.runtimes, stamp_of(job.input.provenance))
