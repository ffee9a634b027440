"""Hold what saliency metrics claim against what models rely on."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_reliance import RelianceJob, tabulate_reliance

if __name__ == "__main__":
    run(tabulate_reliance, RelianceJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
