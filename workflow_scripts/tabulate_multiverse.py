"""Ask every conclusion in every universe, and say which conclusions change."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_multiverse import MultiverseTablesJob, tabulate_multiverse

if __name__ == "__main__":
    run(tabulate_multiverse, MultiverseTablesJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
