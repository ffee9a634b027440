"""Choose a tuned method's parameters."""

from rightreasons.runtime.job import run
from rightreasons.stages.choose import ChooseJob, choose

if __name__ == "__main__":
    run(choose, ChooseJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
