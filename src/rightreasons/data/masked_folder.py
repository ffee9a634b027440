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

Value = Annotated[int, Field(ge=0, le=65535)]


class MaskedFolderParams(FolderParams):
    """Parameters of `masked_folder`."""

    masks: str = Field(
        "masks",
        description="folder or zip with the masks, below `root`; each is called as its image, but "
        "ends in .png",
    )
    object_values: Annotated[list[Value], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [1, 65535],
        description="lowest and highest value of a mask's pixels that are the object",
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
    """A `folder` with a mask for each image: grey, or a palette's numbers, and of its size.

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
        masks = self._files_of("masks")
        inside = common_folder(table["image_id"])
        named = table["image_id"].str.removeprefix(inside).map(mask_of)
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
        place = {"path": str(masks), "prefix": prefix, "images_inside": inside}
        write_json(place, folder / INDEX)

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Decode some images and their masks; an image with an unreadable mask is corrupt."""
        batch = super().load(folder, rows)
        batch.masks = np.zeros(batch.images.shape[:3], np.uint8)
        images, (masks, inside) = self._archive(folder), self._masks(folder)
        for position, image_id in enumerate(rows["image_id"]):
            if position in batch.corrupt:
                continue
            try:
                mask = self._object(masks.read(mask_of(image_id.removeprefix(inside))))
                batch.masks[position] = decode_mask(
                    mask, images.read(image_id), self.params.size, self.params.pad
                )
            except Exception as error:  # as in FileDataset.load
                batch.images[position] = 0
                batch.corrupt[position] = f"its mask: {type(error).__name__}: {error}"
        return batch

    def _masks(self, folder: Path) -> tuple[ImageArchive, str]:
        """Return the opened masks, and the folder of all images that their names lack."""
        key = (folder / INDEX, os.getpid())
        place = json.loads(key[0].read_text())
        if key not in self._opened:
            if not Path(place["path"]).exists():
                raise UserError(f"{place['path']} was moved since it was fetched: fetch again.")
            self._opened[key] = ImageArchive(Path(place["path"]), place["prefix"])
        return self._opened[key], place["images_inside"]

    def _object(self, data: bytes) -> np.ndarray:
        """Return where an encoded mask is the object, bool (H, W)."""
        with open_image(data) as image:
            values = np.asarray(image)
        if values.ndim == 3:  # grey, saved as a colour image
            channels = values[..., : 3 if values.shape[2] > 2 else 1]
            if (channels != channels[..., :1]).any():
                raise ValueError("a mask is grey or has a palette, and this one has colours")
            values = channels[..., 0]
        lowest, highest = self.params.object_values
        return (values >= lowest) & (values <= highest)


def mask_of(image_id: str) -> str:
    """Return the name of an image's mask: the image's, with .png in place of its suffix."""
    return PurePosixPath(image_id).with_suffix(".png").as_posix()


def common_folder(image_ids: pd.Series) -> str:
    """Return the folder that all images lie in, with a / at its end; empty for none."""
    same = os.path.commonpath([str(PurePosixPath(one).parent) for one in image_ids])
    return f"{same}/" if same else ""
