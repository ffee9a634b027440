"""Draw the train, debias, select and test images of a group."""

from rightreasons.runtime.job import run
from rightreasons.stages.split import SplitJob, split

if __name__ == "__main__":
    run(split, SplitJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
