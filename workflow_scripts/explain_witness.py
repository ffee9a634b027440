"""Make the maps of a network of the region-rank audit."""

from rightreasons.runtime.job import run
from rightreasons.stages.witness import WitnessMapsJob, explain_witness

if __name__ == "__main__":
    run(explain_witness, WitnessMapsJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
