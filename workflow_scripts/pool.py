"""Decode every image of a dataset once."""

from rightreasons.runtime.job import run
from rightreasons.stages.pool import PoolJob, pool

if __name__ == "__main__":
    run(pool, PoolJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
