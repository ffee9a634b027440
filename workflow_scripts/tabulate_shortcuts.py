"""Say of every method how its reliance on two shortcuts differs from the original's."""

from rightreasons.runtime.job import run
from rightreasons.stages.tabulate_shortcuts import ShortcutsJob, tabulate_shortcuts

if __name__ == "__main__":
    run(tabulate_shortcuts, ShortcutsJob, snakemake)  # type: ignore[name-defined]  # noqa: F821
