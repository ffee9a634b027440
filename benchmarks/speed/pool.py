"""Building a pool, against what else decodes, pads and resizes the same files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from PIL import Image, ImageOps

from rightreasons.data.pool import build_pool

from .images import Files, jpeg_files, loader
from .measure import Comparison
from .options import Options, quiet

SIZE, BATCH = 96, 64


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield a pool of one process against Pillow, and of all cores against a DataLoader."""
    count = options.pick(3000, 24)
    with jpeg_files(options, count) as files:
        files.fetched(SIZE)
        data = f"{count} JPEG files ({files.name}) to {SIZE} px"
        yield Comparison(
            group="pool",
            what="build a pool, 1 process",
            data=data,
            unit="images",
            units=count,
            ours=partial(build, files, 1),
            other=partial(one_by_one, files),
            against="Pillow, one by one, nothing kept",
            aim=0.9,
        )
        yield Comparison(
            group="pool",
            what=f"build a pool, {options.cores} processes",
            data=data,
            unit="images",
            units=count,
            ours=partial(build, files, options.cores),
            other=partial(through_loader, files, options.cores),
            against=f"torchvision and a DataLoader, {options.cores} workers, nothing kept",
            aim=1.0,
            threads=options.cores,
        )


def build(files: Files, workers: int) -> None:
    """Decode the files into a pool."""
    place = files.folder / "pool"
    build_pool(files.dataset(SIZE), files.fetched(SIZE), place, workers, quiet)


def one_by_one(files: Files) -> None:
    """Decode the files as a plain script would."""
    for path in files.paths:
        image = Image.open(path).convert("RGB")
        np.asarray(ImageOps.pad(image, (SIZE, SIZE), Image.Resampling.BILINEAR))


def through_loader(files: Files, workers: int) -> None:
    """Decode the files in the workers of a DataLoader."""
    for _ in loader(files, SIZE, BATCH, workers, raw=True):
        pass
