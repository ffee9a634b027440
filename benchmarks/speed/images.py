"""JPEG files to read, as a user has them: CelebA's where they are, rendered faces elsewhere."""

from __future__ import annotations

import itertools
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import v2

from rightreasons.data import Dataset, create
from rightreasons.data.pool import Pool, build_pool
from rightreasons.learning.images import IMAGENET_MEAN, IMAGENET_STD, LabelledImages, Rows

from .options import Options, quiet

DISTINCT = 200  # rendered faces; more files than these are copies of them


@dataclass(frozen=True)
class Files:
    """A temporary folder with JPEG files and attributes.csv; `name` says where they come from."""

    folder: Path
    paths: list[Path]
    labels: np.ndarray
    name: str

    def dataset(self, size: int) -> Dataset:
        """Return them as the suite's dataset `folder`, padded to squares of `size` pixels."""
        return create("folder", {"root": str(self.folder), "size": size, "pad": True})

    def fetched(self, size: int) -> Path:
        """Return the folder that `fetch` writes."""
        place = self.folder / "fetched"
        if not place.exists():
            self.dataset(size).fetch(place)
        return place

    def pool(self, size: int) -> LabelledImages:
        """Return the images in a pool on disk, with labels, as training gets them."""
        place = self.folder / f"pool-{size}"
        if not place.exists():
            build_pool(self.dataset(size), self.fetched(size), place, progress=quiet)
        images = Rows(Pool.open(place).images, np.arange(len(self.paths)))
        labels = torch.from_numpy(self.labels)
        return LabelledImages(images, labels, labels, [path.name for path in self.paths])


@contextmanager
def jpeg_files(options: Options, count: int) -> Iterator[Files]:
    """Give `count` JPEG files, gone when the context ends."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "images").mkdir()
        official = (options.root / "celeba/img_align_celeba.zip").exists()
        sources = celeba(options.root, count) if official else rendered(options, count)
        paths = []
        for i, data in enumerate(sources):
            paths.append(folder / "images" / f"{i:06}.jpg")
            paths[-1].write_bytes(data)
        labels = np.arange(len(paths)) % 2
        table = pd.DataFrame({"image_id": [path.name for path in paths], "label": labels})
        table.to_csv(folder / "attributes.csv", index=False)
        name = "CelebA" if official else "rendered faces"
        yield Files(folder, paths, labels.astype(np.int64), name)


def celeba(root: Path, count: int) -> Iterator[bytes]:
    """Yield the files of `count` of CelebA's images, evenly spaced."""
    dataset = create("celeba", {"root": str(root / "celeba"), "max_images": count})
    with tempfile.TemporaryDirectory() as place:
        dataset.fetch(Path(place))
        ids = pd.read_parquet(Path(place) / "attributes.parquet")["image_id"]
        source = json.loads((Path(place) / "source.json").read_text())["images"]
    with zipfile.ZipFile(source["path"]) as archive:
        for image_id in ids:
            yield archive.read(source["prefix"] + image_id)


def rendered(options: Options, count: int) -> Iterator[bytes]:
    """Yield `count` JPEG files of synthfaces, 224 px, in CelebA's shape of 178 x 218 pixels."""
    from io import BytesIO

    from rightreasons.data.synthfaces import render, sample_latents

    images, _ = render(sample_latents(min(count, options.pick(DISTINCT, 8)), seed=0), 224)
    for image in itertools.islice(itertools.cycle(images), count):
        buffer = BytesIO()
        Image.fromarray(image[3:221, 23:201]).save(buffer, "JPEG", quality=90)
        yield buffer.getvalue()


class ImageFiles(TorchDataset):
    """What a plain PyTorch script has: each file decoded and transformed whenever it is asked for.

    The images are padded and resized as in the suite's pool. raw: they stay uint8.
    """

    def __init__(self, files: Files, size: int, raw: bool = False) -> None:
        self.files, self.size = files, size
        scale = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
        self.transform = v2.Compose([v2.ToImage(), *([] if raw else scale)])

    def __len__(self) -> int:
        return len(self.files.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self.files.paths[index]).convert("RGB")
        square = ImageOps.pad(image, (self.size, self.size), Image.Resampling.BILINEAR)
        return self.transform(square), int(self.files.labels[index])


def loader(files: Files, size: int, batch: int, workers: int, raw: bool = False) -> DataLoader:
    """Return a shuffling DataLoader over the files."""
    return DataLoader(
        ImageFiles(files, size, raw),
        batch_size=batch,
        shuffle=not raw,
        num_workers=workers,
        multiprocessing_context="fork",
    )
