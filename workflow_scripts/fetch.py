"""Find or download the official files of a dataset, check them, list their attributes."""

from rightreasons.runtime.job import run
from rightreasons.stages.fetch import FetchJob, fetch

if __name__ == "__main__":
    run(fetch, FetchJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
