"""Probe the maps of one model: are they faithful, robust, sparse, and of this network?"""

from rightreasons.runtime.job import run
from rightreasons.stages.probe import ProbeJob, probe

if __name__ == "__main__":
    run(probe, ProbeJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
