"""Join the probes of all cells into the study's table, and hold explainers against controls."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Cell, Chosen, Files, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped


class ProbeTableInput(Files):
    """The probes, in the order of `ProbeTableJob.cells`."""

    provenance: Path
    probed: tuple[Path, ...]


class ProbeTable(Files):
    """The study's probes."""

    probes: Path = Path("probes.parquet")


class ProbeTableJob(Job):
    """Make the table `probes`.

    Attributes
    ----------
    cells
        Of every file; the sets of a cell one after the other.
    probes
        What was asked, in the study's order.
    replicates
        Bootstrap replicates.
    """

    input: ProbeTableInput
    output: ProbeTable
    study: str
    cells: tuple[Cell, ...]
    probes: tuple[Chosen, ...]
    replicates: int


def tabulate_probes(job: ProbeTableJob, running: Running) -> None:
    """Take means, hold them against the controls', add the cell key, write."""
    from rightreasons.tables import probed

    running.ready()
    parts = probed.probes(
        job.study, job.cells, job.input.probed, job.probes, replicates=job.replicates
    )
    write_stamped(parts, "probes", job.output.probes, stamp_of(job.input.provenance))
