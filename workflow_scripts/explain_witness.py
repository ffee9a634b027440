"""Make the maps of a network of the region-rank audit."""

from rightreasons.runtime.job import run
from rightreasons.stages.explain import explain
from rightreasons.stages.witness import WitnessMapsJob

if __name__ == "__main__":
    run(explain, WitnessMapsJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
