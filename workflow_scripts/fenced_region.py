"""Train the patch classifier that methods look through, and map the images that it may see."""

from rightreasons.runtime.job import run
from rightreasons.stages.fenced_region import FencedRegionJob, fenced_region

if __name__ == "__main__":
    run(fenced_region, FencedRegionJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
