"""Compare the methods at one level, over all its seeds."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Running
from rightreasons.metrics import METRICS, headline
from rightreasons.stages._all_cells import CellsJob
from rightreasons.tables.parameters import Comparing


class CompareInput(Files):
    """Predictions of each cell of a level, and numbers of maps of each of its groups."""

    predictions: tuple[Path, ...]
    image_metrics: tuple[Path, ...]


class Compared(Files):
    """What the tables need of all images of a level.

    Attributes
    ----------
    tests
        Every method against the references: rows of the table `tests`.
    map_means
        Means of metrics of maps by model (`tables.reliance.map_means`).
    map_halves
        The same over two halves of the images (`tables.retest.map_halves`).
    true_reliance
        How much each model relies on the protected attribute (`tables.reliance.true_reliance`).
    """

    tests: Path = Path("tests.parquet")
    map_means: Path = Path("map_means.parquet")
    map_halves: Path = Path("map_halves.parquet")
    true_reliance: Path = Path("true_reliance.parquet")


class CompareJob(CellsJob):
    """Compare the methods at one level.

    Attributes
    ----------
    comparing
        What is compared, and how.
    injected
        The level's task where its protected attribute is an artifact, else none.
    """

    input: CompareInput
    output: Compared
    comparing: Comparing
    injected: tuple[str, ...]

    def modules(self) -> tuple[str, ...]:
        """Return the metrics' modules."""
        return tuple(METRICS[name].module for name in self.comparing.metrics)


def compare(job: CompareJob, running: Running) -> None:
    """Compare methods and summarise maps and models; only one group's maps are in memory."""
    import pandas as pd

    from rightreasons.core.files import write_parquet
    from rightreasons.tables import tabulate as tables
    from rightreasons.tables.comparisons import level_tests
    from rightreasons.tables.reliance import map_means, true_reliance
    from rightreasons.tables.retest import map_halves
    from rightreasons.tables.rows import frame_of, joined, read_rows, with_words

    running.ready()
    made = tables.predictions(job.study, job.cells(), job.input.predictions)
    predictions = frame_of(joined(made))
    shown = headline("comparisons", "image", "pair")
    compared, means, halves = [], [], []
    for path in running.progress(job.input.image_metrics, "read"):
        rows = read_rows(path)
        compared.append(with_words(rows, "metric", shown))
        frame = rows.to_pandas()
        means.append(map_means(frame))
        halves.append(map_halves(frame))
    tests = level_tests(job.comparing, predictions, frame_of(joined(compared)))
    write_parquet(tests, job.output.tests)
    write_parquet(pd.concat(means, ignore_index=True), job.output.map_means)
    write_parquet(pd.concat(halves, ignore_index=True), job.output.map_halves)
    write_parquet(true_reliance(predictions, job.injected), job.output.true_reliance)
