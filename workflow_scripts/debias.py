"""Apply one debiasing method to the network of a group."""

from rightreasons.runtime.job import run
from rightreasons.stages.debias import DebiasJob, debias

if __name__ == "__main__":
    run(debias, DebiasJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
