"""Make Table 1 of the data-attribution paper and the full grid behind it."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_attribution import AttributionTablesJob, tabulate_attribution

if __name__ == "__main__":
    run(tabulate_attribution, AttributionTablesJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
