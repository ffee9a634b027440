"""Train a network of the region-rank audit."""

from rightreasons.runtime.job import run
from rightreasons.stages.train import train
from rightreasons.stages.witness import WitnessJob

if __name__ == "__main__":
    run(train, WitnessJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
