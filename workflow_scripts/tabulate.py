"""Join what all groups measured into the study's tables."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate import TabulateJob, tabulate

if __name__ == "__main__":
    run(tabulate, TabulateJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
