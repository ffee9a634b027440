"""Turn the maps and predictions of all methods of a group into numbers."""

from rightreasons.runtime.job import run
from rightreasons.stages.measure import MeasureJob, measure

if __name__ == "__main__":
    run(measure, MeasureJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
