"""Images per second of building a pool, against Pillow one by one.

    python benchmarks/pool.py celeba --root FOLDER [--size 96] [--images 3000] [--workers 2]

The baseline reads, decodes, pads and resizes the same images in one plain loop and keeps nothing.
Each line gives the best of three runs.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from rightreasons.data import create
from rightreasons.pool import build_pool


def main() -> None:
    """Print the baseline, then one line per number of workers."""
    options = arguments()
    params = {"size": options.size, "max_images": options.images, "root": options.root}
    dataset = create(options.dataset, params)
    with tempfile.TemporaryDirectory() as place:
        fetched, pool = Path(place) / "fetched", Path(place) / "pool"
        dataset.fetch(fetched)
        table = pd.read_parquet(fetched / "attributes.parquet")
        base = len(table) / best_of_three(partial(one_by_one, fetched, table, options.size))
        print(f"{options.dataset}, {len(table)} images at {options.size} px")
        print(f"Pillow one by one: {base:.0f} images/s")
        for workers in sorted({1, options.workers}):
            seconds = best_of_three(partial(build_pool, dataset, fetched, pool, workers, quiet))
            rate = len(table) / seconds
            print(f"pool, {workers} workers: {rate:.0f} images/s ({rate / base:.2f} times)")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=["celeba", "fairface"])
    parser.add_argument("--root", required=True)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def one_by_one(fetched: Path, table: pd.DataFrame, size: int) -> None:
    """Decode all images of a zip as a plain script would."""
    source = json.loads((fetched / "source.json").read_text())["images"]
    with zipfile.ZipFile(source["path"]) as archive:
        for image_id in table["image_id"]:
            image = Image.open(io.BytesIO(archive.read(source["prefix"] + image_id)))
            square = ImageOps.pad(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
            np.asarray(square)


def best_of_three(work: Callable[[], None]) -> float:
    """Return the fewest seconds that `work` took."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def quiet(iterable: Any, description: str) -> Any:
    """Show no progress: a bar costs time."""
    return iterable


if __name__ == "__main__":
    main()
