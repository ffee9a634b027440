"""CelebA: celebrity faces with 40 binary attributes and identities (Liu et al. 2015)."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.data import DATASETS
from rightreasons.data._archive import listing
from rightreasons.data._files import Download, OfficialDataset, OfficialParams
from rightreasons.data._tables import read_text

PARTITIONS = {0: "train", 1: "val", 2: "test"}


class CelebAParams(OfficialParams):
    """Parameters of `celeba`."""


@DATASETS.register(
    "celeba",
    title="CelebA, aligned and cropped",
    paper="Liu et al. 2015, Deep Learning Face Attributes in the Wild, arXiv:1411.7766",
    params=CelebAParams,
    licence="non-commercial research only",
    page="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
)
class CelebA(OfficialDataset):
    """The aligned images, as the official zip or unpacked, with the official lists beside them.

    Attributes are 0/1; identity and partition (train, val, test) are known for every image. The
    attribute list may be restricted to a subset; the other two lists may be longer than it.
    """

    kind = "celeba"

    def known_values(self, attribute: str) -> list[str]:
        """Return 0 and 1: every attribute is a yes or no."""
        return ["0", "1"]

    def image_places(self) -> tuple[str, ...]:
        """Return the zip, and the folder that it unpacks to."""
        return "img_align_celeba.zip", "img_align_celeba"

    def annotation_names(self) -> tuple[str, ...]:
        """Return the lists of attributes, identities and partitions."""
        return "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"

    def downloads(self) -> dict[str, Download]:
        """Return torchvision's table of the official files and their checksums."""
        from torchvision.datasets import CelebA as Official

        return {name: Download(drive_id, md5) for drive_id, md5, name in Official.file_list}

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the three lists as one table."""
        table = read_attributes(files[0])
        for column, path in zip(("identity", "partition"), files[1:], strict=True):
            table[column] = _lookup(table["image_id"], path)
        try:
            table["partition"] = [PARTITIONS[int(code)] for code in table["partition"]]
        except (KeyError, ValueError) as error:
            raise UserError(f"{files[2]}: a partition is 0, 1 or 2, not {error}.") from error
        return table


def read_attributes(path: Path) -> pd.DataFrame:
    """Return CelebA's attribute list.

    Its first line is the number of images, its second the attributes, then one line per image
    with -1 or 1 per attribute. Byte order marks and Windows line ends are accepted.

    Returns
    -------
    DataFrame
        image_id, and a column of int8 0/1 for each attribute.

    Raises
    ------
    UserError
        Where the file has another layout, another number of rows than it says, or other values.
    """
    first, _, rest = read_text(path).partition("\n")
    header, _, body = rest.partition("\n")
    names = ["image_id", *header.split()]
    try:
        table = pd.read_csv(
            StringIO(body), sep=r"\s+", names=names, dtype={"image_id": str}, index_col=False
        )
        count = int(first)
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path} has not the layout of list_attr_celeba.txt: {error}.") from error
    if count != len(table):
        raise UserError(
            f"{path} says it lists {count} images, but has {len(table)} rows: it was cut off, or "
            "its first line was not changed with its rows."
        )
    bad = ~table.drop(columns="image_id").isin([-1, 1]).all(axis=1)
    if bad.any():
        raise UserError(
            f"{path}: an attribute is -1 or 1; not so for {listing(table['image_id'][bad])}."
        )
    return table.assign(**{name: (table[name] == 1).astype("int8") for name in names[1:]})


def _lookup(image_ids: pd.Series, path: Path) -> list[str]:
    """Return what a list with one 'image value' per line says of each image."""
    pairs = [line.split() for line in read_text(path).splitlines() if line]
    if broken := [number for number, pair in enumerate(pairs, 1) if len(pair) != 2]:
        raise UserError(f"{path}, line {broken[0]}: expected an image and one value.")
    known = dict(pairs)
    if len(known) < len(pairs):
        names = pd.Series([name for name, _ in pairs])
        twice = names[names.duplicated()].unique()
        raise UserError(f"{path} lists images more than once: {listing(twice)}. Keep one row each.")
    if missing := [image_id for image_id in image_ids if image_id not in known]:
        raise UserError(f"{path} lacks {len(missing)} images: {listing(missing)}.")
    return [known[image_id] for image_id in image_ids]
