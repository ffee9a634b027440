"""Train a network of the region-rank audit."""

from rightreasons.runtime.job import run
from rightreasons.stages.witness import WitnessJob, witness

if __name__ == "__main__":
    run(witness, WitnessJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
