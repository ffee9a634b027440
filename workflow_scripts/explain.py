"""Make the maps of one model with all explainers of a set."""

from rightreasons.runtime.job import run
from rightreasons.stages.explain import ExplainJob, explain

if __name__ == "__main__":
    run(explain, ExplainJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
