"""Compare the methods at one level, over all its seeds."""

from rightreasons.runtime.job import run
from rightreasons.stages.compare import CompareJob, compare

if __name__ == "__main__":
    run(compare, CompareJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
