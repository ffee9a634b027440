"""Measure the maps of a group in all the ways that the multiverse asks for."""

from rightreasons.runtime.job import run
from rightreasons.stages.universe import UniverseJob, universe

if __name__ == "__main__":
    run(universe, UniverseJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
