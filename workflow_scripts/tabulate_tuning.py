"""Join all trials and choices into the study's tables."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_tuning import TuningTablesJob, tabulate_tuning

if __name__ == "__main__":
    run(tabulate_tuning, TuningTablesJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
