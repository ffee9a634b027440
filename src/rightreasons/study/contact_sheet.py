"""Pictures to look at before a study is run: images without and with what a task is about.

    rightreasons contact-sheet studies/accessories_celeba.yaml smiling_by_hat --out sheet.png

Of each image there are three: without the protected attribute, with it, and with the outline of the
task's region. Where a dataset cannot make twins there are two: the image, and the region in it. The
dataset must be in the study's results. Photographs of people are for your eyes: do not
publish them.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.plan import Plan
from rightreasons.study.section_tasks import AttributionRoi

if TYPE_CHECKING:
    import numpy as np

#: Images are enlarged by a whole number to this many pixels or a little less.
SIDE = 192
#: Pixels between images, and images (of two or three pictures) in a row.
GAP = 6
IN_A_ROW = 3
OUTLINE = (255, 0, 255)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a contact sheet and return the exit code."""
    parser = argparse.ArgumentParser(
        "rightreasons contact-sheet", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("config", type=Path, help="the study's config")
    parser.add_argument("task", help="one of its tasks")
    parser.add_argument("--out", type=Path, required=True, help="where the picture is written, PNG")
    parser.add_argument("--images", type=int, default=12, help="how many images")
    parser.add_argument("--seed", type=int, default=0, help="which images")
    chosen = parser.parse_args(arguments)
    try:
        plan = Plan(load_config(read_yaml(chosen.config), [chosen.config.parent]))
        pictures = pictures_of(plan, chosen.task, chosen.images, chosen.seed)
        write_sheet(pictures, chosen.out)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.out}: {len(pictures)} images, {pictures.shape[1]} pictures of each")
    return 0


def pictures_of(plan: Plan, task: str, count: int, seed: int) -> np.ndarray:
    """Return pictures of some images of a task.

    Parameters
    ----------
    plan
        The study's.
    task
        One of its tasks.
    count
        How many images, at least 1; fewer where there are fewer.
    seed
        Which images.

    Returns
    -------
    ndarray
        uint8 (count, k, H, W, 3): without the protected attribute, with it, and with the region's
        outline; without the first where the attribute cannot be switched.

    Raises
    ------
    UserError
        For an unknown task, and where the dataset's images (or twins) are not there yet.
    """
    import numpy as np

    if task not in plan.study.tasks:
        raise UserError(
            f"{plan.study.study} has no task {task!r}{suggestion(task, plan.study.tasks)} "
            f"Allowed: {', '.join(plan.study.tasks)}."
        )
    if count < 1:
        raise UserError(f"--images {count}: at least 1.")
    without, carrying, rows = _versions(plan, task, count, seed)
    outlined = _outlined(carrying, _regions(plan, task, rows, carrying.shape[1:3]))
    versions = [carrying, outlined] if without is None else [without, carrying, outlined]
    return np.stack(versions, axis=1)


def write_sheet(pictures: np.ndarray, path: Path) -> None:
    """Write pictures (N, k, H, W, 3) on one sheet, the k of an image side by side."""
    from PIL import Image

    count, versions, side = pictures.shape[:3]
    scale = max(1, SIDE // side)
    across, down = min(count, IN_A_ROW), math.ceil(count / IN_A_ROW)
    wide = versions * side * scale
    size = (across * (wide + GAP) + GAP, down * (side * scale + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    for i, of_image in enumerate(pictures):
        y, x = divmod(i, IN_A_ROW)
        strip = Image.fromarray(of_image.swapaxes(0, 1).reshape(side, versions * side, 3))
        strip = strip.resize((wide, side * scale), Image.Resampling.NEAREST)
        sheet.paste(strip, (GAP + x * (wide + GAP), GAP + y * (side * scale + GAP)))
    sheet.save(path, "PNG")


def _versions(
    plan: Plan, task: str, count: int, seed: int
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return images without (if known) and with the attribute, and the latter's rows."""
    import numpy as np
    import pandas as pd

    from rightreasons.artifacts.injected import open_task
    from rightreasons.core.seeds import numpy_rng

    dataset, attribute = plan.grid.dataset(task), plan.grid.twins(task)
    pool = plan.pool(dataset).output
    twins = plan.twins_file(task)
    for path in (pool.images, *filter(None, [twins])):
        _check_made(plan, path)
    artifact = plan.grid.chosen_artifact(plan.grid.artifact(task))
    whole = open_task(
        pool.images, None, artifact=artifact, watched=None, twins=twins, watched_twins=None
    )
    images, switched = whole.images, whole.twins
    if attribute:
        able = np.flatnonzero(pd.read_parquet(pool.index, columns=[attribute])[attribute] == 1)
    else:
        able = np.arange(len(images))[len(images) // 2 if plan.grid.artifact(task) else 0 :]
    rng = numpy_rng(seed, "contact sheet", task)
    rows = np.sort(rng.choice(able, min(count, len(able)), replace=False))
    return None if switched is None else switched[rows], np.asarray(images[rows]), rows


def _check_made(plan: Plan, path: Path) -> None:
    if not path.exists():
        raise UserError(
            f"{path} is not there. Make it first: snakemake --cores 2 --configfile CONFIG {path} "
            f"(CONFIG is the file of the study {plan.study.study})."
        )


def _regions(plan: Plan, task: str, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the task's region in each image, bool (N, H, W) or (H, W); None if it is learnt."""
    from rightreasons.regions.rois import as_masks
    from rightreasons.stages.roi import RoiInput

    if isinstance(plan.study.tasks[task].roi, AttributionRoi):
        return None
    pool = plan.pool(plan.grid.dataset(task)).output
    files = RoiInput(images=pool.images, masks=pool.masks, pool=pool.pool)
    return as_masks(plan.roi(task).of(files, rows, shape), shape)


def _outlined(images: np.ndarray, regions: np.ndarray | None) -> np.ndarray:
    """Return images with the pixels just around a region painted."""
    import numpy as np

    from rightreasons.regions.rois import widened

    if regions is None:
        return images
    masks = np.ascontiguousarray(np.broadcast_to(regions, images.shape[:3]))
    wider = widened(masks, 1 / images.shape[1], images.shape[1:3])
    around = np.asarray(wider) & ~masks
    out = images.copy()
    out[around] = OUTLINE
    return out
