"""Make the twins of a pool's images: one attribute switched and nothing else changed."""

from rightreasons.runtime.job import run
from rightreasons.stages.pool import TwinsJob, twins

if __name__ == "__main__":
    run(twins, TwinsJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
