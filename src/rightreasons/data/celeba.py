"""CelebA: celebrity faces with 40 binary attributes and identities (Liu et al. 2015)."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd

from rightreasons.core.errors import UserError, reason
from rightreasons.core.telling import tell
from rightreasons.data import DATASETS
from rightreasons.data._files import Download, OfficialDataset, OfficialParams
from rightreasons.data._shown import listing
from rightreasons.data._tables import first_lines, read_text

LISTS = ("list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt")
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
    """The aligned images, as the official zip or unpacked, with the official lists or Kaggle's.

    They are found in the layouts of the publishers' Drive, of torchvision and of Kaggle. Attributes
    are 0/1; identity and partition (train, val, test) are known where their lists are there. The
    attribute list may be restricted to a subset; the other two lists may be longer than it.
    """

    kind = "celeba"

    def known_values(self, attribute: str) -> list[str]:
        """Return 0 and 1: every attribute is a yes or no."""
        return ["0", "1"]

    def image_places(self) -> tuple[str, ...]:
        """Return the zip, and the folders that it and its lossless version unpack to."""
        return "img_align_celeba.zip", "img_align_celeba", "img_align_celeba_png"

    def annotation_names(self) -> tuple[str, ...]:
        """Return the lists of attributes, identities and partitions."""
        return LISTS

    def other_names(self, name: str) -> tuple[str, ...]:
        """Return the name of a list in Kaggle's copy."""
        return (f"{Path(name).stem}.csv",)

    def is_needed(self, name: str, found: dict[str, Path]) -> bool:
        """Return whether a list must be there: not identities in Kaggle's copy, nor partitions."""
        attributes, identities, _ = LISTS
        kaggle = attributes in found and found[attributes].suffix == ".csv"
        return name == attributes or (name == identities and not kaggle) or not self.params.root

    def downloads(self) -> dict[str, Download]:
        """Return torchvision's table of the official files and their checksums."""
        from torchvision.datasets import CelebA as Official

        return {name: Download(drive_id, md5) for drive_id, md5, name in Official.file_list}

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the lists as one table; what a list that is not there says is unknown."""
        by_name = {path.stem: path for path in files}
        attributes, identities, partitions = (by_name.get(Path(name).stem) for name in LISTS)
        assert attributes is not None
        table = read_attributes(attributes)
        ids = table["image_id"]
        table["identity"] = lookup(ids, identities) if identities else None
        table["partition"] = lookup(ids, partitions) if partitions else None
        if identities is None:
            tell(
                f"dataset {self.name}: {self.home} has no {LISTS[1]}, as Kaggle's copy: images of "
                "one person can be in train and in test."
            )
        if partitions is None:
            tell(f"dataset {self.name}: {self.home} has no {LISTS[2]}: partitions are unknown.")
            return table
        try:
            table["partition"] = [PARTITIONS[int(code)] for code in table["partition"]]
        except (KeyError, ValueError) as error:
            raise UserError(f"{partitions}: a partition is 0, 1 or 2, not {error}.") from error
        return table


def read_attributes(path: Path) -> pd.DataFrame:
    """Return CelebA's attribute list, the official one or Kaggle's.

    The official list's first line is the number of images, its second the attributes, then one line
    per image with -1 or 1 per attribute. Kaggle's begins with `image_id` and the attributes.
    Fields are separated by blanks or commas. Byte order marks and Windows line ends are accepted.

    Returns
    -------
    DataFrame
        image_id, and a column of int8 0/1 for each attribute.

    Raises
    ------
    UserError
        Where the file has another layout, another number of rows than it says, or other values.
    """
    text = read_text(path).lstrip()
    first, _, rest = text.partition("\n")
    counted = first.strip().isdigit()
    header, _, body = rest.partition("\n") if counted else (first, "", rest)
    names = _fields(header)
    has_key = names[:1] == ["image_id"]
    names = ["image_id", *names[has_key:]]
    row = body.partition("\n")[0]
    if not (row.strip() and (counted or has_key)):
        raise UserError(_layout(path))
    if (fields := len(_fields(row))) != len(names):
        raise UserError(
            f"{_layout(path)} Its first row has {fields} fields, where an image and "
            f"{len(names) - 1} attributes are {len(names)}: {row.strip()[:100]!r}."
        )
    try:
        table = pd.read_csv(
            StringIO(body),
            sep="," if "," in row else r"\s+",
            names=names,
            index_col=False,
            dtype={"image_id": str},
            skipinitialspace=True,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{_layout(path)} ({reason(error)})") from error
    if counted and int(first) != len(table):
        raise UserError(
            f"{path} says it lists {int(first)} images, but has {len(table)} rows: it was cut off, "
            "or its first line was not changed with its rows."
        )
    bad = ~table.drop(columns="image_id").isin([-1, 1]).all(axis=1)
    if bad.any():
        raise UserError(
            f"{path}: an attribute is -1 or 1; not so for {listing(table['image_id'][bad])}."
        )
    return table.assign(**{name: (table[name] == 1).astype("int8") for name in names[1:]})


def lookup(image_ids: pd.Series, path: Path) -> list[str]:
    """Return what a list with one 'image value' per line says of each image.

    Raises
    ------
    UserError
        For lines of another form, images that are listed twice, and images that it lacks.
    """
    pairs = [_fields(line) for line in read_text(path).splitlines() if line.strip()]
    if pairs and pairs[0][0] == "image_id":  # Kaggle's header
        pairs = pairs[1:]
    if broken := [number for number, pair in enumerate(pairs, 1) if len(pair) != 2]:
        raise UserError(
            f"{path}, line {broken[0]}: expected an image and one value. "
            f"{first_lines(path, '000001.jpg 2880')}."
        )
    known = dict(pairs)
    if len(known) < len(pairs):
        names = pd.Series([name for name, _ in pairs])
        twice = names[names.duplicated()].unique()
        raise UserError(f"{path} lists images more than once: {listing(twice)}. Keep one row each.")
    if missing := [image_id for image_id in image_ids if image_id not in known]:
        raise UserError(f"{path} lacks {len(missing)} images: {listing(missing)}.")
    return [known[image_id] for image_id in image_ids]


def _fields(line: str) -> list[str]:
    """Return the fields of a line, which are separated by commas or blanks."""
    if "," in line:
        return [field.strip() for field in line.split(",")]
    return line.split()


def _layout(path: Path) -> str:
    expected = (
        "the number of images, then a line with the attributes' names, then a line per image "
        "(000001.jpg -1 1 ...); or Kaggle's header image_id,5_o_Clock_Shadow,..."
    )
    return f"{path} has not the layout of {LISTS[0]}. {first_lines(path, expected)}."
