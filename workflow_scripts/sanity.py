"""Randomise the original network layer by layer and see whether its maps change."""

from rightreasons.runtime.job import run
from rightreasons.stages.sanity import SanityJob, sanity

if __name__ == "__main__":
    run(sanity, SanityJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
