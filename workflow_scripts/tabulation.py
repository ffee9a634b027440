"""Join all cells' measures into the study's tables."""

from pathlib import Path
from typing import Any

from job import ready, run


def main(
    input: Any, output: Any, params: Any, wildcards: Any, *, progress: Any, threads: int
) -> None:
    """Collect, compare, rank, write."""
    from rightreasons.study.sections import StudyConfig
    from rightreasons.tables import tabulate
    from rightreasons.tables.schema import read_table, write_table

    ready()
    study = StudyConfig(**params.study)
    models = tabulate.models(study, input.metadata)
    run_row = tabulate.provenance(study, models)
    stamp = run_row["run"].iloc[0]

    def write(name: str, parts: Any) -> None:
        write_table((part.assign(run=stamp) for part in parts), name, Path(output[name]))

    write("provenance", [run_row])
    write("splits", tabulate.splits(study, input.splits))
    write("predictions", tabulate.predictions(study, input.predictions))
    write("image_metrics", tabulate.parts(input.image_metrics, progress))
    write("cell_metrics", tabulate.parts(input.cell_metrics, progress))
    write("runtimes", [tabulate.runtimes(study, Path(params.benchmarks), models)])
    cells = read_table(Path(output.cell_metrics))
    tests = tabulate.tests(
        study,
        list(tabulate.parts(input.tests, progress)),
        read_table(Path(output.predictions)),
        read_table(Path(output.image_metrics)),
    )
    write("tests", [tests])
    write("leaderboard", [tabulate.leaderboard(cells, tests, list(study.methods))])
    write("associations", [tabulate.associations(cells)])


if __name__ == "__main__":
    run(main, snakemake)  # type: ignore[name-defined]  # noqa: F821
