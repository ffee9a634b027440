"""What jobs share that call a method in a cell: their files, and the method's context."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightreasons.artifacts import modules_of
from rightreasons.core.job import Chosen, Group, Job
from rightreasons.debias import METHODS
from rightreasons.stages.roi import Roi, RoiInput
from rightreasons.stages.train import TrainInput

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from rightreasons.core.job import Progress
    from rightreasons.debias import Context
    from rightreasons.learning.predictions import TaskImages


class CellInput(TrainInput):
    """What `train` has, what it made, and what the method needs beside.

    Attributes
    ----------
    masks, pool
        The dataset's masks and their names, where the method needs masks or the ROI.
    region, confidence, mean
        The fenced maps of the protected attribute, where the method needs regions.
    roi_region, roi_confidence, roi_mean
        The fenced maps that the ROI is the top of, where it is and the method needs it.
    """

    original_model: Path
    original_metadata: Path
    original_predictions: Path
    masks: Path | None = None
    pool: Path | None = None
    region: Path | None = None
    confidence: Path | None = None
    mean: Path | None = None
    roi_region: Path | None = None
    roi_confidence: Path | None = None
    roi_mean: Path | None = None


class CellJob(Job):
    """Call one method in one group.

    Attributes
    ----------
    stream
        The name that its random streams go by: its own, or that of the method it is a control of.
    artifact
        The artifact that is the task's protected attribute, or None.
    watched
        The artifact that the task watches, or None.
    roi
        The task's ROI, where the method needs it.
    """

    input: CellInput
    group: Group
    method: Chosen
    stream: str
    artifact: Chosen | None
    watched: Chosen | None
    roi: Roi | None = None

    def modules(self) -> tuple[str, ...]:
        """Return the modules of the method and of the artifacts."""
        place = self.roi.artifact if self.roi else None
        artifacts = modules_of(self.artifact, self.watched, place)
        return (METHODS[self.method.kind].module, *artifacts)


@dataclass(frozen=True)
class OpenCell:
    """What a method is applied to, and what its results are predicted on.

    Attributes
    ----------
    context
        What the method may use.
    pool
        The group's images, and their twins if there are any.
    split
        The group's split.
    predictions
        The original's, of all roles.
    original
        The original's metadata.
    """

    context: Context
    pool: TaskImages
    split: pd.DataFrame
    predictions: pd.DataFrame
    original: dict[str, Any]

    @classmethod
    def of(cls, job: CellJob, progress: Progress) -> OpenCell:
        """Open a job's files.

        Raises UserError where attribution maps were made with images that the split holds out.
        """
        import pandas as pd

        from rightreasons.artifacts.injected import open_task
        from rightreasons.core.files import read_json

        original = read_json(job.input.original_metadata)
        split = pd.read_parquet(job.input.split)
        pool = open_task(
            job.input.images,
            split,
            artifact=job.artifact,
            watched=job.watched,
            twins=job.input.twins,
            watched_twins=job.input.watched_twins,
        )
        predictions = pd.read_parquet(job.input.original_predictions)
        context = _context(job, pool, split, predictions, original, progress)
        return cls(context, pool, split, predictions, original)


def _context(
    job: CellJob,
    pool: TaskImages,
    split: pd.DataFrame,
    predictions: pd.DataFrame,
    original: dict[str, Any],
    progress: Progress,
) -> Context:
    """Return what the job's method may use: the method says what it needs."""
    import numpy as np

    from rightreasons.debias import open_context
    from rightreasons.regions.fence import check_fenced

    for maps in (job.input.confidence, job.input.roi_confidence):
        if maps is not None:
            check_fenced(np.load(maps, mmap_mode="r"), split, maps.parent)
    needs, images = METHODS[job.method.kind].traits["needs"], pool.images
    return open_context(
        vanilla_file=job.input.original_model,
        vanilla=original,
        predictions=predictions,
        images=images,
        split=split,
        seed=job.group.seed,
        key=(*job.group.stream, job.stream),
        progress=progress,
        regions=job.input.confidence.parent if job.input.confidence else None,
        masks=_masks(job.input, images.shape[1:3]) if "masks" in needs else None,
        roi=_roi(job, images.shape[1:3]) if "roi" in needs else None,
        twins=pool.twins if "twins" in needs else None,
    )


def labels_of(job: CellJob, given: dict[str, Any], split: pd.DataFrame) -> dict[str, int | bool]:
    """Return how many labels the job's method used, as `learning.records.labels_used` has it.

    given: the parameters that it ran with, which tuning may have chosen.
    """
    from rightreasons.core.files import read_json
    from rightreasons.debias import places
    from rightreasons.learning.records import labels_used

    method = METHODS[job.method.kind]
    params = method.params.model_validate(given)
    protected = places(method, params, "uses_protected")
    maps = {file for file in (job.input.region, job.input.roi_region) if file is not None}
    return labels_used(
        split,
        places(method, params, "uses_target"),
        (*protected, "regions") if maps and "regions" not in protected else protected,
        method.traits["needs"],
        sum(read_json(file)["n_train"] for file in maps),
    )


def _masks(files: CellInput, shape: tuple[int, ...]) -> Any:
    """Return the function that gives a mask of a name for rows of the pool."""

    def masks(rows: np.ndarray, name: str) -> Any:
        import numpy as np

        from rightreasons.core.files import read_json
        from rightreasons.regions.rois import task_roi

        assert files.masks
        assert files.pool
        stored, names = np.load(files.masks, mmap_mode="r"), read_json(files.pool)["mask_names"]
        return task_roi({"mask": name}, stored, names, rows, shape)

    return masks


def _roi(job: CellJob, shape: tuple[int, ...]) -> Any:
    """Return the function that gives the ROI, as masks, for rows of the pool."""

    def roi(rows: np.ndarray) -> Any:
        import numpy as np

        from rightreasons.regions.rois import as_masks

        files = job.input
        assert job.roi
        assert files.masks
        assert files.pool
        read = RoiInput(
            images=files.images,
            masks=files.masks,
            pool=files.pool,
            region=files.roi_region,
            confidence=files.roi_confidence,
            mean=files.roi_mean,
        )
        found = as_masks(job.roi.of(read, rows, shape), shape)
        return np.broadcast_to(found, (len(rows), *shape))

    return roi
