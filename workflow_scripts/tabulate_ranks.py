"""Compare methods over tasks, levels and seeds."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_ranks import RanksJob, tabulate_ranks

if __name__ == "__main__":
    run(tabulate_ranks, RanksJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
