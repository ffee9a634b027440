"""Make the table of run times."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_runtimes import RuntimesJob, tabulate_runtimes

if __name__ == "__main__":
    run(tabulate_runtimes, RuntimesJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
