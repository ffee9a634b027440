"""Find or download the official files of a dataset, check them, list their attributes."""

from __future__ import annotations

from pydantic import JsonValue

from rightreasons.core.job import Files, Job, Running
from rightreasons.data import DATASETS
from rightreasons.stages.files import Fetched


class DatasetJob(Job):
    """A job about one dataset.

    Attributes
    ----------
    dataset
        Its name in the study.
    kind
        Its name in the registry.
    params
        Those of its parameters that the stage uses, so that a new image size fetches nothing.
    data
        The folder with one folder of official files per dataset.
    """

    dataset: str
    kind: str
    params: dict[str, JsonValue]
    data: str

    def modules(self) -> tuple[str, ...]:
        """Return the module of the dataset, and those of datasets that it is made of."""
        parts = (value for value in self.params.values() if isinstance(value, dict))
        kinds = [self.kind, *(str(part["kind"]) for part in parts if "kind" in part)]
        return tuple(DATASETS[kind].module for kind in kinds)


class FetchJob(DatasetJob):
    """Fetch one dataset."""

    input: Files
    output: Fetched


def fetch(job: FetchJob, running: Running) -> None:
    """Create the dataset and let it fetch."""
    from rightreasons.data import create

    running.ready()
    dataset = create(job.kind, job.params, name=job.dataset, data_dir=job.data)
    dataset.fetch(job.output.attributes.parent)
