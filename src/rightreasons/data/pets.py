"""Oxford-IIIT Pet: cats and dogs of 37 breeds, with trimaps (Parkhi et al. 2012)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.data import DATASETS, Batch, _tar
from rightreasons.data._archive import ImageArchive, Images, members
from rightreasons.data._decode import decode_mask, open_image
from rightreasons.data._files import Download, OfficialDataset, OfficialParams
from rightreasons.data._names import find, find_prefix
from rightreasons.data._shown import listing

PAGE = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
DOWNLOADS = {
    "images.tar.gz": Download(f"{PAGE}data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    "annotations.tar.gz": Download(
        f"{PAGE}data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"
    ),
}
PARTITIONS = ("trainval", "test")
SPECIES = {"1": "cat", "2": "dog"}
FOREGROUND = 1  # of a trimap; 2 is background, 3 the outline and what an animal wears
TRIMAPS = "trimaps.zip"


class PetsParams(OfficialParams):
    """Parameters of `pets`."""


@DATASETS.register(
    "pets",
    title="Oxford-IIIT Pet",
    paper="Parkhi et al. 2012, Cats and Dogs, CVPR",
    params=PetsParams,
    masks=("animal",),
    licence="CC BY-SA 4.0",
    page=PAGE,
)
class Pets(OfficialDataset):
    """The listed images, as the official tar or unpacked, with the official annotations.

    Attributes: species (cat, dog) and breed as text ("Egyptian Mau"); partition is trainval or
    test. The mask `animal` is the foreground of the trimaps. A tar can only be read in order,
    so `fetch` copies the images that are used into a zip in its own folder.
    """

    kind = "pets"

    def known_values(self, attribute: str) -> list[str] | None:
        """Return the two species; the breeds are known when the lists are."""
        return sorted(SPECIES.values()) if attribute == "species" else None

    def image_places(self) -> tuple[str, ...]:
        """Return the tar, and the folder that it unpacks to."""
        return "images.tar.gz", "images"

    def annotation_names(self) -> tuple[str, ...]:
        """Return the tar with the lists and the trimaps."""
        return ("annotations.tar.gz",)

    def downloads(self) -> dict[str, Download]:
        """Return the official addresses and checksums."""
        return DOWNLOADS

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return both lists as one table, trainval first."""
        lists = read_lists(files[0])
        parts = [read_list(lists[p], f"{files[0]}, {p}.txt", p) for p in PARTITIONS]
        return pd.concat(parts, ignore_index=True).assign(identity=None)

    def keep(self, folder: Path, files: list[Path], table: pd.DataFrame) -> pd.DataFrame:
        """Copy the images' trimaps into a zip."""
        names = [_trimap(image_id) for image_id in table["image_id"]]
        wanted = [f"trimaps/{name}" for name in names]
        found = find(files[0], self.members(files[0]), wanted, noun="trimaps")
        inside = {found.place(f"trimaps/{name}"): name for name in names}
        _tar.to_zip(files[0], inside, folder / TRIMAPS)
        return table

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Decode some images and their masks; an image with an unreadable trimap is corrupt."""
        batch = super().load(folder, rows)
        batch.masks = np.zeros(batch.images.shape[:3], np.uint8)
        images, trimaps = self._archive(folder), self._trimaps(folder)
        for position, image_id in enumerate(rows["image_id"]):
            if position in batch.corrupt:
                continue
            try:
                trimap = read_trimap(trimaps.read(_trimap(image_id)))
                batch.masks[position] = decode_mask(
                    trimap == FOREGROUND, images.read(image_id), self.params.size, self.params.pad
                )
            except Exception as error:  # as in FileDataset.load
                batch.images[position] = 0
                batch.corrupt[position] = f"its trimap: {type(error).__name__}: {error}"
        return batch

    def _trimaps(self, folder: Path) -> Images:
        key = (folder / TRIMAPS, os.getpid())
        if key not in self._opened:
            self._opened[key] = ImageArchive(key[0])
        return self._opened[key]


def read_lists(path: Path) -> dict[str, str]:
    """Return the official lists from annotations.tar.gz: partition -> text.

    Raises
    ------
    UserError
        Where the file lacks one of them.
    """
    names = members(path)
    wanted = {f"{partition}.txt": partition for partition in PARTITIONS}
    prefix = find_prefix(names, list(wanted))
    if missing := [name for name in wanted if prefix + name not in names]:
        raise UserError(f"{path} lacks {', '.join(missing)}: it is not the official file.")
    texts = _tar.read(path, {prefix + name for name in wanted})
    return {
        wanted[name.removeprefix(prefix)]: content.decode("utf-8-sig", "replace")
        for name, content in texts
    }


def read_list(text: str, where: str, partition: str) -> pd.DataFrame:
    """Return one of the official lists as a table.

    Parameters
    ----------
    text
        Lines of name, number of the breed, species (1 or 2), number in it; # begins a comment.
    where
        What an error calls the list.
    partition
        What the column of that name says.

    Returns
    -------
    DataFrame
        image_id, partition, species ("cat", "dog"), breed ("Egyptian Mau").

    Raises
    ------
    UserError
        For lines of another form, and for a list without images.
    """
    lines = {number: line.split() for number, line in enumerate(text.splitlines(), 1)}
    rows = {number: line for number, line in lines.items() if line and not line[0].startswith("#")}
    if bad := [n for n, row in rows.items() if len(row) != 4 or row[2] not in SPECIES]:
        raise UserError(
            f"{where}, lines {listing(map(str, bad))}: expected an image, the number of its breed, "
            "1 (cat) or 2 (dog), and one more number."
        )
    if not rows:
        raise UserError(f"{where} lists no images.")
    return pd.DataFrame(
        {
            "image_id": [f"{row[0]}.jpg" for row in rows.values()],
            "partition": partition,
            "species": [SPECIES[row[2]] for row in rows.values()],
            "breed": [breed(row[0]) for row in rows.values()],
        }
    )


def breed(name: str) -> str:
    """Return the breed in an image's name as torchvision writes it: Egyptian Mau."""
    return name.rpartition("_")[0].replace("_", " ").title()


def read_trimap(data: bytes) -> np.ndarray:
    """Return a trimap's values, uint8 (H, W).

    Raises
    ------
    ValueError
        For an image with more than one channel, or what is no image.
    """
    with open_image(data) as image:
        values = np.asarray(image)
    if values.ndim != 2:
        raise ValueError(f"a trimap has one channel, not {image.mode}")
    return values


def _trimap(image_id: str) -> str:
    return f"{Path(image_id).stem}.png"
