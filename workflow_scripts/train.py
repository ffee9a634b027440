"""Train the network of a group that all methods start from."""

from rightreasons.runtime.job import run
from rightreasons.stages.train import TrainJob, train

if __name__ == "__main__":
    run(train, TrainJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
