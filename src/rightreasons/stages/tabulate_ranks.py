"""Compare methods over tasks, levels and seeds."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped
from rightreasons.tables.parameters import Ranking


class RanksInput(Files):
    """The numbers of all cells."""

    provenance: Path
    cell_metrics: Path


class RankTables(Files):
    """Ranks, pairs and profiles of methods over all blocks."""

    ranks: Path = Path("ranks.parquet")
    improvement: Path = Path("improvement.parquet")
    profiles: Path = Path("profiles.parquet")


class RanksJob(Job):
    """Make the tables `ranks`, `improvement` and `profiles`.

    Attributes
    ----------
    ranking
        Which methods take part, and how.
    """

    input: RanksInput
    output: RankTables
    ranking: Ranking


def tabulate_ranks(job: RanksJob, running: Running) -> None:
    """Read the cells, compare the methods, write."""
    from rightreasons.tables.ranks import over_blocks
    from rightreasons.tables.schema import read_table

    running.ready()
    made = over_blocks(read_table(job.input.cell_metrics), job.ranking)
    stamp = stamp_of(job.input.provenance)
    for name, table in made.items():
        write_stamped([table], name, getattr(job.output, name), stamp)
