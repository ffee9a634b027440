"""Join the sanity checks of all cells into the study's table."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_sanity import SanityTableJob, tabulate_sanity

if __name__ == "__main__":
    run(tabulate_sanity, SanityTableJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
