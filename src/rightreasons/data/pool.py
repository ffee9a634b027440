"""The pool: every image of a dataset decoded once, to be read by memory map ever after.

A pool is a folder with

- `images.npy`: uint8 (N, H, W, 3);
- `masks.npy`: uint8 (N, H, W), bit k is the mask `mask_names[k]`; (0, H, W) without masks;
- `index.parquet`: row (0 to N - 1), image_id, identity, partition, and the attributes;
- `pool.json`: size, mask_names, n_images, corrupt images, channel mean and deviation, dataset;
- `twins_<attribute>.npy`: uint8 (N, H, W, 3), the images with that attribute switched.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from rightreasons.core.arrays import reserved
from rightreasons.core.errors import UserError
from rightreasons.core.files import whole, write_json, write_parquet
from rightreasons.data import KEYS, Dataset
from rightreasons.data._pool_files import check_fetched, check_pool, read_meta
from rightreasons.data._shown import shown
from rightreasons.runtime.lifeline import end_with, this_process

#: Images per task of a worker: enough that passing tasks around costs nothing.
CHUNK = 64
#: How many corrupt images an error names.
NAMED = 1000

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


def progress_bar(iterable: Iterable[Any], description: str) -> Iterable[Any]:
    """Wrap an iterable in tqdm's bar."""
    return tqdm(iterable, desc=description, unit_scale=CHUNK, unit=" images", leave=False)


@dataclass
class _Done:
    """What a worker reports of its rows: corrupt ones, and exact sums per channel of the rest."""

    corrupt: dict[int, str] = field(default_factory=dict)
    total: np.ndarray = field(default_factory=lambda: np.zeros(3, np.int64))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(3, np.int64))


class Pool:
    """A pool opened for reading; images, masks and twins stay on disk until they are indexed.

    Parameters
    ----------
    folder
        Where it lies; see `open`.
    meta
        The content of its pool.json.
    """

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        self.folder = folder
        self.meta = meta
        self.images: np.ndarray = np.load(folder / "images.npy", mmap_mode="r")

    @classmethod
    def open(cls, folder: str | Path) -> Pool:
        """Open a pool.

        Raises
        ------
        UserError
            If `folder` holds none, or one whose files do not belong together.
        """
        folder = Path(folder)
        if not (folder / "pool.json").exists():
            raise UserError(f"{folder} holds no pool: it has no pool.json.")
        check_pool(folder)
        return cls(folder, read_meta(folder))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """The side of the images in pixels."""
        return int(self.meta["size"])

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of the masks, in the order of their bits."""
        return tuple(self.meta["mask_names"])

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per image: row, image_id, identity, partition, attributes."""
        return pd.read_parquet(self.folder / "index.parquet")

    @cached_property
    def masks(self) -> np.ndarray:
        """The bit field of masks, uint8 (N, H, W); (0, H, W) where the dataset has none."""
        return np.load(self.folder / "masks.npy", mmap_mode="r")

    def mask(self, name: str, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return one mask of some images.

        Parameters
        ----------
        name
            One of `mask_names`.
        rows
            Which rows of the pool; by default all.

        Returns
        -------
        ndarray
            bool (n, H, W), all False where an image does not show the thing.

        Raises
        ------
        UserError
            For a mask that the dataset does not have.
        """
        if name not in self.mask_names:
            raise UserError(
                f"the dataset {self.meta['dataset']!r} has no mask {name!r}. "
                f"Masks: {', '.join(self.mask_names) or 'none'}."
            )
        return (self.masks[rows] >> self.mask_names.index(name)) & 1 == 1

    def twins(self, attribute: str) -> np.ndarray:
        """Return the images with `attribute` switched.

        Returns
        -------
        ndarray
            uint8 (N, H, W, 3), memory-mapped.

        Raises
        ------
        UserError
            Where these twins have not been built.
        """
        path = self.folder / twins_file(attribute)
        if not path.exists():
            raise UserError(f"{self.folder} has no twins for {attribute!r}: build them first.")
        return np.load(path, mmap_mode="r")


def twins_file(attribute: str) -> str:
    """Return the name of the file with an attribute's twins."""
    return f"twins_{attribute}.npy"


def build_pool(
    dataset: Dataset,
    fetched: str | Path,
    folder: str | Path,
    workers: int = 1,
    progress: Progress = progress_bar,
) -> None:
    """Decode a fetched dataset into a pool.

    Every output appears whole or not at all, pool.json last. Numbers do not depend on `workers`.

    Parameters
    ----------
    dataset
        What is decoded.
    fetched
        The folder that `dataset.fetch` wrote.
    folder
        The pool's, made if it is missing.
    workers
        Number of processes.
    progress
        Wraps an iterable in a progress bar.

    Raises
    ------
    UserError
        With the names of the corrupt images, if there are more than the dataset's
        `tolerate_corrupt`. Otherwise they are left out and listed in pool.json.
    """
    fetched, folder = Path(fetched), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.read_parquet(fetched / "attributes.parquet")
    check_fetched(fetched, len(table))
    size = dataset.params.size
    masked = len(table) if dataset.masks else 0
    with whole(folder / "images.npy") as images, whole(folder / "masks.npy") as masks:
        reserved(images, np.uint8, (len(table), size, size, 3))
        reserved(masks, np.uint8, (masked, size, size))
        job = _Job(dataset, fetched, table, images, masks)
        done = _merge(_run(_decode_rows, job, workers, progress, f"pool {dataset.name}"))
        tolerance = getattr(dataset.params, "tolerate_corrupt", 0)
        _refuse_corrupt(dataset.name, table, done.corrupt, tolerance)
        keep = np.setdiff1d(np.arange(len(table)), list(done.corrupt))
        for path in (images, masks):
            _keep_rows(path, keep)
    index = table.iloc[keep].reset_index(drop=True)
    index.insert(0, "row", np.arange(len(index)))
    write_parquet(index, folder / "index.parquet")
    _write_meta(dataset, folder, index, table["image_id"], done)


def build_twins(
    dataset: Dataset,
    fetched: str | Path,
    folder: str | Path,
    attribute: str,
    workers: int = 1,
    progress: Progress = progress_bar,
) -> None:
    """Add twins_<attribute>.npy to a pool: every image with one attribute switched.

    Parameters
    ----------
    dataset
        What the pool was made from.
    fetched
        The folder that `dataset.fetch` wrote.
    folder
        The pool's.
    attribute
        What is switched.
    workers
        Number of processes.
    progress
        Wraps an iterable in a progress bar.

    Raises
    ------
    UserError
        If there is no pool, or the dataset cannot switch the attribute.
    """
    pool = Pool.open(folder)
    with whole(pool.folder / twins_file(attribute)) as path:
        reserved(path, np.uint8, pool.images.shape)
        job = _Job(dataset, Path(fetched), pool.index, path, path, attribute)
        for _ in _run(_render_twins, job, workers, progress, f"twins {attribute}"):
            pass


@dataclass(frozen=True)
class _Job:
    """What a worker needs: the table's rows go to the same rows of the arrays."""

    dataset: Dataset
    fetched: Path
    table: pd.DataFrame
    images: Path
    masks: Path
    attribute: str = ""


def _decode_rows(job: _Job, start: int, stop: int) -> _Done:
    batch = job.dataset.load(job.fetched, job.table.iloc[start:stop])
    np.load(job.images, mmap_mode="r+")[start:stop] = batch.images
    if batch.masks is not None:
        np.load(job.masks, mmap_mode="r+")[start:stop] = batch.masks
    corrupt = {start + position: reason for position, reason in batch.corrupt.items()}
    done = _Done(corrupt)
    for image in batch.images:  # one by one, in the cache; corrupt ones are black and add nothing
        planes = np.ascontiguousarray(image.reshape(-1, 3).T).astype(np.int32)
        done.total += planes.sum(axis=1, dtype=np.int64)
        done.squares += np.einsum("cp,cp->c", planes, planes, dtype=np.int64)
    return done


def _render_twins(job: _Job, start: int, stop: int) -> _Done:
    rows = job.table.iloc[start:stop]
    images = job.dataset.twins(job.fetched, rows, job.attribute)
    np.load(job.images, mmap_mode="r+")[start:stop] = images
    return _Done()


def _run(
    work: Callable[[_Job, int, int], _Done],
    job: _Job,
    workers: int,
    progress: Progress,
    description: str,
) -> Iterator[_Done]:
    """Yield the reports on all chunks of the job's rows, in order."""
    starts = range(0, len(job.table), CHUNK)
    if workers <= 1:
        for start in progress(starts, description):
            yield work(job, start, start + CHUNK)
        return
    with _executor(workers, work, job) as executor:
        reports = [executor.submit(_chunk, start) for start in starts]
        try:
            for report in progress(reports, description):
                yield report.result()
        except BrokenExecutor as error:
            raise UserError(
                f"{description}: a worker process was killed, most often because memory ran out. "
                "Give the job fewer cores (each has a worker) or more memory, and start again."
            ) from error
        except BaseException:
            _cancel(reports)
            raise


def _executor(workers: int, work: Callable[..., _Done], job: _Job) -> Executor:
    """Return forked processes on Linux, threads elsewhere.

    Processes are faster, but without fork they would run a script's module again.
    """
    if sys.platform != "linux":
        return ThreadPoolExecutor(workers, initializer=_start, initargs=(work, job))
    context = multiprocessing.get_context("fork")
    mine = (work, job, this_process())
    return ProcessPoolExecutor(workers, context, initializer=_start, initargs=mine)


_current: list[Any] = []


def _start(work: Callable[..., _Done], job: _Job, parent: str | None = None) -> None:
    if parent is not None:  # a process of its own, which would else outlive a job that is killed
        end_with(parent)
    _current[:] = [work, job]


def _chunk(start: int) -> _Done:
    work, job = _current
    return work(job, start, start + CHUNK)


def _cancel(reports: list[Future[_Done]]) -> None:
    for report in reports:
        report.cancel()


def _merge(reports: Iterable[_Done]) -> _Done:
    merged = _Done()
    for report in reports:
        merged.corrupt.update(report.corrupt)
        merged.total += report.total
        merged.squares += report.squares
    return merged


def _refuse_corrupt(
    name: str, table: pd.DataFrame, corrupt: dict[int, str], tolerance: int
) -> None:
    if len(corrupt) <= min(tolerance, len(table) - 1):
        return
    ids = table["image_id"]
    named = [f"{shown(ids[row])} ({reason})" for row, reason in list(corrupt.items())[:NAMED]]
    more = f"; and {len(corrupt) - NAMED} more" if len(corrupt) > NAMED else ""
    raise UserError(
        f"dataset {name}: {len(corrupt)} of {len(table)} images cannot be read, {tolerance} "
        f"tolerated: {'; '.join(named)}{more}. Replace the files, or raise tolerate_corrupt to "
        "leave these images out."
    )


def _keep_rows(path: Path, keep: np.ndarray) -> None:
    """Leave only some rows of an array file, in place of it."""
    array = np.load(path, mmap_mode="r")
    if len(array) in (0, len(keep)):
        return
    other = path.with_name(f"{path.name}.kept")
    kept = reserved(other, np.uint8, (len(keep), *array.shape[1:]))
    for start in range(0, len(keep), CHUNK):
        kept[start : start + CHUNK] = array[keep[start : start + CHUNK]]
    kept.flush()
    os.replace(other, path)


def _write_meta(
    dataset: Dataset, folder: Path, index: pd.DataFrame, ids: pd.Series, done: _Done
) -> None:
    """Write pool.json: mean and deviation per channel are those of the pixels scaled to [0, 1]."""
    pixels = max(len(index), 1) * dataset.params.size**2
    mean = done.total / pixels
    variance = np.maximum(done.squares / pixels - mean**2, 0)
    meta = {
        "dataset": dataset.name,
        "kind": dataset.kind,
        "size": dataset.params.size,
        "n_images": len(index),
        "mask_names": list(dataset.masks),
        "attributes": [name for name in index if name not in KEYS],
        "mean": (mean / 255).tolist(),
        "std": (np.sqrt(variance) / 255).tolist(),
        "corrupt": {str(ids[row]): reason for row, reason in done.corrupt.items()},
    }
    write_json(meta, folder / "pool.json")
