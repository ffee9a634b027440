"""Draw all pictures of one figure."""

from rightreasons.runtime.job import run
from rightreasons.stages.figure import FigureJob, figure

if __name__ == "__main__":
    run(figure, FigureJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
