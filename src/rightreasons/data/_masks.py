"""Masks of images in files of their own: where they are, and reading them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.files import read_json, write_json, write_parquet
from rightreasons.core.registry import Params
from rightreasons.core.telling import tell
from rightreasons.data import _tar
from rightreasons.data._archive import ImageArchive, Images
from rightreasons.data._decode import decode_mask, open_image
from rightreasons.data._names import Found, find, find_prefix
from rightreasons.data._shown import listing

#: Where the masks are, and which file each image's is.
INDEX, FILES, COPY = "masks.json", "mask_{}.parquet", "mask_{}.zip"

Value = Annotated[int, Field(ge=0, le=65535)]


def _or_text(schema: dict[str, Any]) -> None:
    """Say in a source's schema that its place alone will do."""
    schema["type"] = ["object", "string"]


class Owner(Protocol):
    """The dataset whose masks they are."""

    name: str

    def file_of(self, key: str, name: str) -> Path:
        """Return the folder or archive that a parameter names."""

    def members(self, path: Path) -> set[str]:
        """Return the names of all files in an archive or folder."""


class MaskSource(Params):
    """Where one mask of every image is."""

    model_config = ConfigDict(json_schema_extra=_or_text)

    files: str = Field(description="folder, zip or tar with the masks, below `root`")
    ending: str = Field(
        ".png",
        min_length=1,
        description="what a mask's name ends in, in place of its image's suffix",
    )
    values: Annotated[list[Value], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [1, 65535],
        description="lowest and highest value of a mask's pixels that are the object",
    )
    missing: Literal["refused", "empty"] = Field(
        "refused", description="what an image without a file is: an error, or one without the thing"
    )

    @model_validator(mode="before")
    @classmethod
    def _place_alone(cls, given: Any) -> Any:
        return {"files": given} if isinstance(given, str) else given


@dataclass
class MaskReader:
    """Reads one mask of the images.

    Attributes
    ----------
    archive
        Where the files are.
    files
        Image id -> its file; an image that is not there has an empty mask.
    values
        Lowest and highest value that is the object.
    """

    archive: ImageArchive
    files: Mapping[str, str]
    values: list[int]

    def read(self, image_id: str, images: Images, size: int, pad: bool) -> np.ndarray:
        """Return a mask as its image is decoded, bool (size, size); Pillow's errors."""
        if image_id not in self.files:
            return np.zeros((size, size), bool)
        mask = object_of(self.archive.read(self.files[image_id]), self.values)
        return decode_mask(mask, images.read(image_id), size, pad)


def keep_masks(
    dataset: Owner, folder: Path, image_ids: pd.Series, sources: Mapping[str, MaskSource]
) -> None:
    """Find the masks of all images, and write where they are.

    Parameters
    ----------
    dataset
        Whose masks they are.
    folder
        What `fetch` writes to.
    image_ids
        The images' names.
    sources
        Where each mask is, by its name.

    Raises
    ------
    UserError
        Where masks are missing, or two images would share one.
    """
    (folder / INDEX).unlink(missing_ok=True)
    inside, places = common_folder(image_ids), {}
    for number, (name, source) in enumerate(sources.items()):
        path = dataset.file_of("masks", source.files)
        names = image_ids.str.removeprefix(inside).map(lambda one: mask_of(one, source.ending))  # noqa: B023
        if twice := names[names.duplicated()].unique().tolist():
            raise UserError(
                f"dataset {dataset.name}: several images have the mask {listing(twice)}: they "
                "differ in their suffix only. Rename them."
            )
        files = _located(dataset, name, source, path, dict(zip(image_ids, names, strict=True)))
        if _tar.is_tar(path):
            copy = folder / COPY.format(number)
            _tar.to_zip(path, {file: file for file in files.values()}, copy)
            path = copy
        kept = pd.DataFrame(list(files.items()), columns=["image_id", "file"])
        write_parquet(kept, folder / FILES.format(number))
        places[name] = str(path)
    if places:
        write_json(places, folder / INDEX)


def _located(
    dataset: Owner, name: str, source: MaskSource, path: Path, names: dict[str, str]
) -> dict[str, str]:
    """Return the file of each image's mask, by image id."""
    there = dataset.members(path)
    if source.missing == "empty":
        prefix = find_prefix(there, list(names.values())[:20]) or find_prefix(
            there, list(names.values())
        )
        files = {one: prefix + file for one, file in names.items() if prefix + file in there}
        if lacking := len(names) - len(files):
            tell(
                f"dataset {dataset.name}: {lacking} of {len(names)} images have no file of the "
                f"mask {name!r} in {path}: they are taken to be without it."
            )
        if files:
            return files
    found: Found = find(path, there, list(names.values()), noun="masks")
    return {image_id: found.place(file) for image_id, file in names.items()}


def open_masks(folder: Path, sources: Mapping[str, MaskSource]) -> dict[str, MaskReader]:
    """Return what reads the masks that `keep_masks` has found, by name.

    Raises
    ------
    UserError
        Where they were moved.
    """
    places = read_json(folder / INDEX) if sources else {}
    readers = {}
    for number, (name, source) in enumerate(sources.items()):
        path = Path(places[name])
        if not path.exists():
            raise UserError(f"{path} was moved since it was fetched: fetch again.")
        kept = pd.read_parquet(folder / FILES.format(number), use_threads=False)
        files = dict(zip(kept["image_id"], kept["file"], strict=True))
        readers[name] = MaskReader(ImageArchive(path), files, source.values)
    return readers


def object_of(data: bytes, values: list[int]) -> np.ndarray:
    """Return where an encoded mask is the object, bool (H, W); ValueError for colours."""
    with open_image(data) as image:
        pixels = np.asarray(image)
    if pixels.ndim == 3:  # grey, saved as a colour image
        channels = pixels[..., : 3 if pixels.shape[2] > 2 else 1]
        if (channels != channels[..., :1]).any():
            raise ValueError("a mask is grey or has a palette, and this one has colours")
        pixels = channels[..., 0]
    lowest, highest = values
    return (pixels >= lowest) & (pixels <= highest)


def mask_of(image_id: str, ending: str = ".png") -> str:
    """Return the name of an image's mask: the image's, with another ending than its suffix."""
    return PurePosixPath(image_id.replace("\\", "/")).with_suffix("").as_posix() + ending


def common_folder(image_ids: pd.Series) -> str:
    """Return the folder that all images lie in, with a / at its end; empty for none."""
    same = os.path.commonpath([str(PurePosixPath(one).parent) for one in image_ids])
    return f"{same}/" if same else ""
