"""A pool whose images exist twice: as they are, and with an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.artifacts import ARTIFACTS, ArtifactParams, Stamp, stamps_of
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen
from rightreasons.core.seeds import numpy_rng
from rightreasons.data._pool_files import check_pool
from rightreasons.data.versions import twice
from rightreasons.learning.predictions import TaskImages


class Injected:
    """Images of a pool without (rows 0 to N - 1) and with an artifact (rows N to 2N - 1).

    Indexed with rows, it gives uint8 images (n, H, W, 3) as an array does; the artifact is laid
    over them on reading. Which of its stamps an image gets, and where it lies, depends on the
    artifact's name and the image's row alone.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        The pool.
    stamps
        What is laid over them, at least one: each image gets one of them.
    name
        The artifact's name, from which its stamps and places are drawn.
    jitter : in [0, 0.5]
        How far it moves from image to image, as a share of the side.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, images: np.ndarray, stamps: Sequence[Stamp], name: str, jitter: float = 0.0
    ) -> None:
        self.images = images
        self.stamps = stamps
        self.variants = _variants(len(stamps), name, len(images))
        self.corners = _corners(stamps, self.variants, name, jitter, images.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """(2N, H, W, 3)."""
        return (2 * len(self.images), *self.images.shape[1:])

    def __len__(self) -> int:
        return 2 * len(self.images)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        rows = np.arange(len(self))[which]
        out = np.array(self.images[rows % len(self.images)])
        for i in np.flatnonzero(rows >= len(self.images)):
            image = rows[i] - len(self.images)
            lay(out[i], self.stamps[self.variants[image]], *self.corners[image])
        return out

    def masks(self, rows: np.ndarray) -> np.ndarray:
        """Return where the artifact is in each image, or would be without it: bool (n, H, W)."""
        masks = np.zeros((len(rows), *self.images.shape[1:3]), bool)
        for mask, image in zip(masks, rows % len(self.images), strict=True):
            alpha = self.stamps[self.variants[image]].alpha
            (y, x), (h, w) = self.corners[image], alpha.shape
            mask[y : y + h, x : x + w] = alpha > 0
        return masks


class Switched:
    """The twins of a pool with both versions of each image: row i is the other one of image i."""

    def __init__(self, pool: np.ndarray | Injected) -> None:
        self.pool = pool
        self.shape: tuple[int, ...] = pool.shape

    def __len__(self) -> int:
        return len(self.pool)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        rows = np.arange(len(self))[which]
        return self.pool[(rows + len(self) // 2) % len(self)]


class Carried:
    """A pool's images, some of which carry an artifact: a shortcut that a study watches.

    It has the pool's rows, and everything that takes a pool takes it, `inject` too: a watched
    artifact lies below the protected one.

    Parameters
    ----------
    pool
        The images without and with the artifact.
    carries : bool (N,)
        Which of them carry it.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, pool: Injected, carries: np.ndarray) -> None:
        self.pool = pool
        self.carries = carries
        self.shape: tuple[int, ...] = pool.images.shape

    def __len__(self) -> int:
        return len(self.carries)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        rows = np.arange(len(self))[which]
        return self.pool[rows + len(self) * self.carries[rows]]


Images = np.ndarray | Injected | Switched | Carried


def lay(image: np.ndarray, stamp: Stamp, y: int, x: int) -> None:
    """Lay a stamp over an image, in place.

    Parameters
    ----------
    image : uint8 (H, W, 3)
        Changed where the stamp's alpha is above 0, rounded to 8 bits.
    stamp
        What is laid over it; it must lie inside the image.
    y, x
        Its upper left corner in pixels, in place of the stamp's own.
    """
    h, w = stamp.alpha.shape
    under = image[y : y + h, x : x + w]
    alpha = stamp.alpha[..., None]
    under[:] = np.rint(under * (1 - alpha) + stamp.colour * alpha).astype(np.uint8)


def inject(images: Any, artifact: Chosen) -> Injected:
    """Return a pool's images without and with an artifact.

    Parameters
    ----------
    images : uint8 (N, H, W, 3)
        The pool.
    artifact
        What is laid over them.

    Raises
    ------
    UserError
        For an unknown kind, and as the artifact does.
    """
    component = ARTIFACTS[artifact.kind]
    params = component.params.model_validate(artifact.params)
    assert isinstance(params, ArtifactParams)
    stamps = stamps_of(component.run(images.shape[1], params))
    return Injected(images, stamps, artifact.name, params.jitter)


def open_images(
    path: str | Path,
    artifact: Chosen | None = None,
    watched: Chosen | None = None,
    split: pd.DataFrame | None = None,
) -> Any:
    """Return a pool's images by memory map.

    Parameters
    ----------
    path
        The pool's images.npy.
    artifact
        As for `inject`; None for the images as they are.
    watched
        The artifact that a task watches beside, laid over the images that `split` says.
    split
        row and watched (0 or 1), where an artifact is watched: a group's split, or some of it.

    Returns
    -------
    ndarray, Carried or Injected
        uint8 (N, H, W, 3), or twice as many rows with an artifact.

    Raises
    ------
    UserError
        Where the files of the pool do not belong together.
    """
    if (Path(path).parent / "pool.json").exists():
        check_pool(Path(path).parent)
    images: Any = np.load(path, mmap_mode="r")
    if watched is not None:
        assert split is not None
        images = Carried(inject(images, watched), carriers(split, len(images)))
    return images if artifact is None else inject(images, artifact)


def carriers(split: pd.DataFrame, count: int) -> np.ndarray:
    """Return which images of a pool of `count` carry a watched artifact, bool (count,).

    Parameters
    ----------
    split
        row and watched (0 or 1). Rows from `count` on are the same images with the protected
        artifact. Images that are not in it carry nothing.
    count
        The number of the pool's images.
    """
    carries = np.zeros(count, bool)
    carries[split["row"].to_numpy() % count] = split["watched"].to_numpy() == 1
    return carries


def open_task(
    images: str | Path,
    split: pd.DataFrame | None,
    *,
    artifact: Chosen | None,
    watched: Chosen | None,
    twins: str | Path | None,
    watched_twins: str | Path | None,
) -> TaskImages:
    """Return the images of a group and the twins that there are.

    Parameters
    ----------
    images
        The pool's images.npy.
    split
        The group's split, with the column watched where an attribute is watched; not needed
        elsewhere.
    artifact, watched
        The artifacts that are the protected and the watched attribute, or None.
    twins, watched_twins
        The files of the twins that the dataset makes of the protected and of the watched
        attribute, or None. The pool's own file says that it holds both versions of each image, as
        `Injected` does.
    """
    mine = open_images(images, artifact, watched, split)
    switched = None
    if artifact is not None or (twins is not None and Path(twins) == Path(images)):
        switched = Switched(mine)
    elif twins is not None:
        switched = open_images(twins, None, watched, split)
    other = None
    if watched is not None:
        assert split is not None
        other = open_images(images, artifact, watched, split.assign(watched=1 - split["watched"]))
    elif watched_twins is not None:
        other = open_images(watched_twins, artifact)
    return TaskImages(mine, switched, other)


def single(images: Any, *, both: bool) -> int | None:
    """Return N where a task's images are there twice, else None.

    They are with an artifact, and where the pool itself holds `both` versions.
    """
    return len(images) // 2 if both or isinstance(images, Injected) else None


def both_versions(index: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a pool's index for `Injected`: N rows without and N with the artifact.

    Parameters
    ----------
    index
        The pool's index.
    name
        The artifact's name.

    Returns
    -------
    DataFrame
        With a 0/1 column called `name`. Image ids with the artifact end in `+name`; both versions
        have one identity, so that no split parts them.

    Raises
    ------
    UserError
        Where the dataset has an attribute of that name.
    """
    if name in index:
        raise UserError(
            f"artifacts.{name}: the dataset has an attribute {name!r} already. Give the artifact "
            "another name."
        )
    both = twice(index, name)
    return both.assign(row=both["row"] + len(index) * both[name].astype(np.int64))


def _variants(stamps: int, name: str, count: int) -> np.ndarray:
    """Return which of the stamps every image gets, int64 (count,)."""
    if stamps == 1:
        return np.zeros(count, np.int64)
    return numpy_rng(0, "artifact", name, "variant").integers(0, stamps, count)


def _corners(
    stamps: Sequence[Stamp], variants: np.ndarray, name: str, jitter: float, size: int
) -> np.ndarray:
    """Return the corner (y, x) of its stamp in every image, int64 (count, 2)."""
    reach = round(jitter * size)
    moved = numpy_rng(0, "artifact", name).integers(-reach, reach + 1, (len(variants), 2))
    own = np.array([(stamp.y, stamp.x) for stamp in stamps])
    room = size - np.array([stamp.alpha.shape for stamp in stamps])
    return np.clip(own[variants] + moved, 0, room[variants])
