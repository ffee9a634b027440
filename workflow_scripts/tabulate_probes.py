"""Join the probes of all cells into the study's table, and hold explainers against controls."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_probes import ProbeTableJob, tabulate_probes

if __name__ == "__main__":
    run(tabulate_probes, ProbeTableJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
