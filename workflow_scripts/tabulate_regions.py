"""Join the measures of all patch classifiers into the study's tables."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_regions import RegionTablesJob, tabulate_regions

if __name__ == "__main__":
    run(tabulate_regions, RegionTablesJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
