"""Join the measures of all patch classifiers into the study's tables."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped


class RegionTablesInput(Files):
    """The measures of every patch classifier, in one order."""

    provenance: Path
    region: tuple[Path, ...]
    calibration: tuple[Path, ...]
    reliability: tuple[Path, ...]
    positions: tuple[Path, ...]
    maps: tuple[Path, ...]


class RegionTables(Files):
    """The tables of patch classifiers, each joined from the files of the same ending."""

    region_calibration: Path = Path("region_calibration.parquet")
    region_reliability: Path = Path("region_reliability.parquet")
    region_positions: Path = Path("region_positions.parquet")
    region_maps: Path = Path("region_maps.parquet")


class RegionTablesJob(Job):
    """Make the tables of patch classifiers."""

    input: RegionTablesInput
    output: RegionTables
    study: str


def tabulate_regions(job: RegionTablesJob, running: Running) -> None:
    """Add what each classifier is, write one table after the other."""
    from rightreasons.core.files import read_json
    from rightreasons.tables.regions import region_parts

    running.ready()
    stamp = stamp_of(job.input.provenance)
    records = [read_json(path) for path in job.input.region]
    for name in RegionTables.model_fields:
        files = getattr(job.input, name.removeprefix("region_"))
        parts = region_parts(name, job.study, files, records)
        write_stamped(parts, name, getattr(job.output, name), stamp)
