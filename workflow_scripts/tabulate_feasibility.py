"""Say what can be told of target and protected attribute from the original's features."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_feasibility import FeasibilityJob, tabulate_feasibility

if __name__ == "__main__":
    run(tabulate_feasibility, FeasibilityJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
