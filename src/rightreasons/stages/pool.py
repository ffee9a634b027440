"""Decode every image of a dataset once, and make its twins."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Running
from rightreasons.stages.fetch import DatasetJob
from rightreasons.stages.files import Fetched, Pool


class PoolJob(DatasetJob):
    """Decode one dataset."""

    input: Fetched
    output: Pool


class TwinsInput(Files):
    """What was fetched, and which of it is in the pool."""

    attributes: Path
    index: Path


class Twins(Files):
    """The twins of a pool's images, uint8 (N, H, W, 3)."""

    twins: Path


class TwinsJob(DatasetJob):
    """Switch one attribute of a dataset, with nothing else changed."""

    input: TwinsInput
    output: Twins
    attribute: str


def pool(job: PoolJob, running: Running) -> None:
    """Build the pool with as many workers as there are threads."""
    from rightreasons.data import create
    from rightreasons.data.pool import build_pool

    dataset = create(job.kind, job.params, name=job.dataset, data_dir=job.data)
    fetched, folder = job.input.attributes.parent, job.output.pool.parent
    build_pool(dataset, fetched, folder, workers=running.threads, progress=running.progress)


def twins(job: TwinsJob, running: Running) -> None:
    """Build the twins with as many workers as there are threads."""
    from rightreasons.data import create
    from rightreasons.data.pool import build_twins

    dataset = create(job.kind, job.params, name=job.dataset, data_dir=job.data)
    fetched, folder = job.input.attributes.parent, job.output.twins.parent
    build_twins(
        dataset,
        fetched,
        folder,
        job.attribute,
        workers=running.threads,
        progress=running.progress,
    )
