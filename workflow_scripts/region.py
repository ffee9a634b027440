"""Train the patch classifier of an attribute, measure its calibration, and map all images."""

from rightreasons.runtime.job import run
from rightreasons.stages.region import RegionJob, region

if __name__ == "__main__":
    run(region, RegionJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
