"""Where a task's region of interest is, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from rightreasons.core.job import Chosen, Files
from rightreasons.core.sections import Section

if TYPE_CHECKING:
    import numpy as np

#: As in the config: a rectangle, or a mask, an attribution map or an artifact by name.
Region = list[float] | dict[str, JsonValue]


class RoiInput(Files):
    """What regions are read from.

    Attributes
    ----------
    images, masks, pool
        The pool.
    region, confidence, mean
        The maps that the ROI is the top of, or None where it was drawn.
    """

    images: Path
    masks: Path
    pool: Path
    region: Path | None = None
    confidence: Path | None = None
    mean: Path | None = None


class Roi(Section):
    """A task's ROI.

    Attributes
    ----------
    region
        As in the config.
    artifact
        The artifact whose place it is, or None.
    """

    region: Region
    artifact: Chosen | None = None

    def of(
        self, files: RoiInput, rows: np.ndarray, shape: tuple[int, ...]
    ) -> Sequence[float] | np.ndarray:
        """Return the ROI of the pool's images `rows`, at the maps' size `shape` (H, W).

        It is what `regions.rois.task_roi` gives: a rectangle, or bool masks (N, H, W).
        """
        import numpy as np

        from rightreasons.artifacts.injected import open_images
        from rightreasons.data._pool_files import check_pool, read_meta
        from rightreasons.regions.rois import task_roi

        check_pool(files.pool.parent)
        masks = np.load(files.masks, mmap_mode="r")
        names = read_meta(files.pool.parent)["mask_names"]
        maps_of_roi = files.mean.parent if files.mean else None
        place = open_images(files.images, self.artifact) if self.artifact else None
        return task_roi(self.region, masks, names, rows, shape, maps_of_roi, place)
