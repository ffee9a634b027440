"""Try a method's parameters on one group."""

from rightreasons.runtime.job import run
from rightreasons.stages.tune import TuneJob, tune

if __name__ == "__main__":
    run(tune, TuneJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
