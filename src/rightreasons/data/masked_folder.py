"""Any folder of images with a mask of what each shows: the same names in another folder."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.files import write_json
from rightreasons.data import DATASETS, Batch, _tar
from rightreasons.data._archive import ImageArchive, listing, prefix_of
from rightreasons.data._decode import decode_mask, open_image
from rightreasons.data.folder import Folder, FolderParams

#: Which masks belong to the images, and where a copy of a tar's is.
INDEX, COPY = "masks.json", "masks.zip"

Grey = Annotated[int, Field(ge=0, le=255)]


class MaskedFolderParams(FolderParams):
    """Parameters of `masked_folder`."""

    masks: str = Field(
        "masks",
        description="folder or zip with the masks, below `root`; each is called as its image, but "
        "ends in .png",
    )
    object_values: list[Grey] | None = Field(
        None,
        min_length=1,
        description="values of a mask's pixels that are the object; none: all but 0",
    )


@DATASETS.register(
    "masked_folder",
    title="A folder of images with masks",
    paper="your own data",
    params=MaskedFolderParams,
    masks=("object",),
    licence="yours to state",
    page="docs/datasets.md",
)
class MaskedFolder(Folder):
    """A `folder` with a mask for each image, in grey or palette colours and of its size.

    The mask `object` gets the padding, cropping and turning of its image.
    """

    kind = "masked_folder"

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any]:
        """Write six images and their masks, sorted into two folders."""
        from PIL import Image

        for number in range(6):
            name = f"{'cats' if number % 2 else 'dogs'}/{number}"
            picture = np.full((20, 24, 3), 30 * number + 20, np.uint8)
            mask = np.zeros((20, 24), np.uint8)
            mask[4 : 10 + number, 6:15] = 255
            for array, place in ((picture, f"images/{name}.jpg"), (mask, f"masks/{name}.png")):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / place)
        return {"root": str(folder), "attributes": None, "size": 16}

    def keep(self, folder: Path, files: list[Path], table: pd.DataFrame) -> None:
        """Check that every image has a mask; write where they are.

        Raises
        ------
        UserError
            Where masks are missing, or two images would share one.
        """
        masks = self._masks_path()
        named = table["image_id"].map(mask_of)
        if twice := named[named.duplicated()].unique().tolist():
            raise UserError(
                f"dataset {self.name}: several images have the mask {listing(twice)}: they differ "
                "in their suffix only. Rename them."
            )
        names = named.tolist()
        prefix = prefix_of(masks, names)
        if _tar.is_tar(masks):
            _tar.to_zip(masks, {prefix + name: name for name in names}, folder / COPY)
            masks, prefix = folder / COPY, ""
        write_json({"path": str(masks), "prefix": prefix}, folder / INDEX)

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Decode some images and their masks; an image with an unreadable mask is corrupt."""
        batch = super().load(folder, rows)
        batch.masks = np.zeros(batch.images.shape[:3], np.uint8)
        images, masks = self._archive(folder), self._masks(folder)
        for position, image_id in enumerate(rows["image_id"]):
            if position in batch.corrupt:
                continue
            try:
                inside = self._object(masks.read(mask_of(image_id)))
                batch.masks[position] = decode_mask(
                    inside, images.read(image_id), self.params.size, self.params.pad
                )
            except Exception as error:  # as in FileDataset.load
                batch.images[position] = 0
                batch.corrupt[position] = f"its mask: {type(error).__name__}: {error}"
        return batch

    def _masks_path(self) -> Path:
        masks = self.home / self.params.masks
        if not masks.exists() and masks.with_name(masks.name + ".zip").is_file():
            masks = masks.with_name(masks.name + ".zip")
        self._must_exist(masks, "masks", masks.exists(), ".")
        return masks

    def _masks(self, folder: Path) -> ImageArchive:
        key = (folder / INDEX, os.getpid())
        if key not in self._opened:
            place = json.loads(key[0].read_text())
            if not Path(place["path"]).exists():
                raise UserError(f"{place['path']} was moved since it was fetched: fetch again.")
            self._opened[key] = ImageArchive(Path(place["path"]), place["prefix"])
        return self._opened[key]

    def _object(self, data: bytes) -> np.ndarray:
        """Return where an encoded mask is the object, bool (H, W)."""
        with open_image(data) as image:
            values = np.asarray(image)
        if values.ndim != 2:
            raise ValueError(f"a mask has one channel, not {image.mode}")
        if self.params.object_values is None:
            return values != 0
        return np.isin(values, self.params.object_values)


def mask_of(image_id: str) -> str:
    """Return the name of an image's mask: the image's, with .png in place of its suffix."""
    return PurePosixPath(image_id).with_suffix(".png").as_posix()
