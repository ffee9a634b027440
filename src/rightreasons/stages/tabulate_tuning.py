"""Join all trials into a table, and hold what was chosen against what came of it."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped


class TuningTablesInput(Files):
    """Trials and choices of all groups and tuned methods, and what was measured on test images."""

    provenance: Path
    cell_metrics: Path
    trials: tuple[Path, ...]
    chosen: tuple[Path, ...]


class TuningTables(Files):
    """All trials, and how select and test images agree."""

    trials: Path = Path("trials.parquet")
    selection: Path = Path("selection.parquet")


class TuningTablesJob(Job):
    """Make the tables `trials` and `selection`.

    Attributes
    ----------
    methods, tasks, designs, levels
        Of each choice, in the order of the files: its levels are all that it serves.
    """

    input: TuningTablesInput
    output: TuningTables
    study: str
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    designs: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]


def tabulate_tuning(job: TuningTablesJob, running: Running) -> None:
    """Mark the chosen trials, compare select with test, write."""
    import pandas as pd

    from rightreasons.core.files import read_json
    from rightreasons.tables.schema import read_table
    from rightreasons.tables.selection import Chosen, selection, trials

    running.ready()
    stamp = stamp_of(job.input.provenance)
    keys = zip(job.tasks, job.designs, job.levels, job.methods, job.input.chosen, strict=True)
    choices = [
        Chosen(task, design, levels, method, read_json(path))
        for task, design, levels, method, path in keys
    ]
    tried = pd.concat([pd.read_parquet(path) for path in job.input.trials], ignore_index=True)
    write_stamped([trials(job.study, tried, choices)], "trials", job.output.trials, stamp)
    cells = read_table(job.input.cell_metrics)
    held = selection(cells, choices)
    write_stamped([held], "selection", job.output.selection, stamp)
