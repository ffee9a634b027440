"""Any folder or zip of images, with a table of attributes or sorted into folders by class."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path, PurePosixPath

import pandas as pd
from pydantic import Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.telling import tell
from rightreasons.core.user_paths import expanded
from rightreasons.data import DATASETS, KEYS
from rightreasons.data._archive import archives_in, is_system
from rightreasons.data._boxes import box_table
from rightreasons.data._labels import clean
from rightreasons.data._masked import MaskedDataset, MaskedParams
from rightreasons.data._masks import MaskSource, keep_masks
from rightreasons.data._name_patterns import fields_of, table_of_names
from rightreasons.data._names import SUFFIXES
from rightreasons.data._shown import listing
from rightreasons.data._tables import key_column, read_table
from rightreasons.data.attributes import values_of


class OwnParams(MaskedParams):
    """Parameters of datasets of one's own: where images and table are."""

    images: str = Field("images", description="folder, zip or tar with the images, below `root`")
    attributes: str | None = Field(
        "attributes.csv",
        description="CSV or Parquet file with one row per image, or a folder of Parquet files, "
        "below `root`; none: the images are sorted into folders by class",
    )
    label: str = Field(
        "label",
        min_length=1,
        description="with `attributes: null`, the attribute that is the name of an image's folder",
    )
    name_pattern: str | None = Field(
        None,
        description="with `attributes: null`, attributes that names say: {age}_{gender}_{race}_{}; "
        "none: the folder is the class",
    )
    id_column: str = Field(
        "image_id", description="its column with the images' paths inside `images`"
    )
    identity_column: str | None = Field(
        None, description="its column with who is shown; images of one identity stay in one split"
    )
    partition_column: str | None = Field(
        None, description="its column with a split of your own, which designs can keep to"
    )

    @model_validator(mode="after")
    def _one_source(self) -> OwnParams:
        columns = self.identity_column or self.partition_column or next(iter(self.boxes), None)
        if self.attributes is None and columns:
            raise ValueError(f"`attributes: null` leaves no table with a column {columns!r}")
        if self.attributes is not None and self.name_pattern is not None:
            raise ValueError("`name_pattern` is for `attributes: null`: names or a table say more")
        fields = fields_of(self.name_pattern) if self.name_pattern is not None else []
        if taken := {"row", "image_id"}.intersection(fields):
            raise ValueError(f"name_pattern: the names {', '.join(taken)} are reserved")
        if self.label in KEYS:
            raise ValueError(f"label: the names {', '.join(KEYS)} are reserved")
        return self


class FolderParams(OwnParams):
    """Parameters of `folder`."""

    masks: dict[str, MaskSource] = Field(
        default_factory=dict,
        description="masks of the images, by name: the folder, zip or tar with a file for each "
        "image, or `files`, `ending`, `values` and `missing`",
    )

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of masks and boxes, in the order of their bits."""
        return (*self.masks, *self.boxes)


@DATASETS.register(
    "folder",
    title="A folder of images",
    paper="your own data",
    params=FolderParams,
    licence="yours to state",
    page="docs/datasets.md",
)
class Folder(MaskedDataset):
    """Images of your own, as a folder or an archive, with a CSV or Parquet table of attributes.

    Every further column is an attribute. Two-valued ones (0/1, -1/1, true/false) become 0/1, text
    is a category, other numbers stay. An empty field is missing, which is an error only where a
    task uses it. Without a table (`attributes: null`) there is one attribute, the name of the
    folder that an image lies in. Masks in files and boxes in columns can be declared.
    """

    kind = "folder"

    def locate(self) -> tuple[Path, list[Path]]:
        """Return the images and the table, if any; a UserError says where they were expected."""
        images = self.file_of("images", self.params.images)
        if self.params.attributes is None:
            return images, []
        table = self.home / expanded(self.params.attributes, "attributes")
        hint = ". For images in folders by class: attributes: null."
        self._must_exist(table, "attributes", table.exists(), hint)
        return images, [table]

    def file_of(self, key: str, name: str) -> Path:
        """Return the folder or archive that a parameter names; a zip may go without its suffix."""
        path: Path = self.home / expanded(name, key)
        if not path.exists() and path.with_name(path.name + ".zip").is_file():
            path = path.with_name(path.name + ".zip")
        self._must_exist(path, key, path.exists(), ".")
        return path

    def _must_exist(self, path: Path, key: str, exists: bool, end: str) -> None:
        if not exists:
            raise UserError(
                f"dataset {self.name}: {path} does not exist. Put it there, or set `root` "
                f"and `{key}` to where it is{end}"
            )

    def known_values(self, attribute: str) -> list[str] | None:
        """Return the values in the user's table, None where that is not there or cannot be read."""
        try:
            _, files = self.locate()
            column = self.annotations(files).get(attribute)
        except UserError:
            return None  # fetch says why
        return None if column is None else values_of(clean(column).dropna())

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the table with the names of the key columns, attributes and boxes."""
        if not files:
            images, _ = self.locate()
            names = self.members(images)
            if self.params.name_pattern is not None:
                ids = image_names(images, names)
                return table_of_names(images, ids, self.params.name_pattern)
            return class_folders(images, names, self.params.label)
        path = files[0]
        chosen = {
            "image_id": self.params.id_column,
            "identity": self.params.identity_column,
            "partition": self.params.partition_column,
        }
        named = [name for name in chosen.values() if name]
        boxes = self.params.box_columns
        raw = read_table(path, named, boxes)
        keys = {key: key_column(raw, name, path) for key, name in chosen.items()}
        for name in boxes:
            key_column(raw, name, path)
        rest = raw.drop(columns=named)
        if taken := [name for name in rest if name in KEYS]:
            raise UserError(f"{path}: the names {', '.join(taken)} are reserved; rename them.")
        table = pd.DataFrame({**keys, **{str(name): rest[name] for name in rest}})
        if table["image_id"].isna().any():
            rows = (table.index[table["image_id"].isna()] + 1).astype(str)
            raise UserError(f"{path}: no image id in the rows {listing(rows)}.")
        self._boxes = box_table(table, self.params.boxes, str(path))
        return table.drop(columns=boxes)

    def keep(self, folder: Path, files: list[Path], table: pd.DataFrame) -> pd.DataFrame:
        """Write where masks and boxes are."""
        keep_masks(self, folder, table["image_id"], self.mask_sources())
        self.keep_boxes(folder, table["image_id"])
        return table

    def mask_sources(self) -> dict[str, MaskSource]:
        """Return where the masks are, by name."""
        sources: dict[str, MaskSource] = self.params.masks
        return sources


def class_folders(path: Path, names: Set[str], label: str) -> pd.DataFrame:
    """Return a table of all images in an archive, with the name of their folder as attribute.

    Parameters
    ----------
    path
        The archive or folder, for messages.
    names
        All its files. What is hidden, made by a system, or no image by its suffix, is left out,
        which is said.
    label
        The name of the attribute.

    Returns
    -------
    DataFrame
        image_id (sorted), identity and partition (missing), and `label`.

    Raises
    ------
    UserError
        For images in no folder, and for fewer than two folders.
    """
    ids = image_names(path, names)
    classes = [PurePosixPath(name).parent.name for name in ids]
    wanted = f"With attributes: null, {path} needs a folder per class (cats/1.jpg, dogs/1.jpg)"
    if flat := [name for name, kind in zip(ids, classes, strict=True) if not kind]:
        raise UserError(
            f"{wanted}; {len(flat)} of its {len(ids)} images lie in none: {listing(flat)}. Sort "
            "them into folders, or name a table in `attributes`."
        )
    if len(set(classes)) < 2:
        raise UserError(
            f"{wanted}, at least two; all its {len(ids)} images lie in {classes[0]}/. Add the "
            "other classes, or name a table in `attributes`."
        )
    keys = {"image_id": ids, "identity": None, "partition": None}
    return pd.DataFrame({**keys, label: pd.array(classes, dtype="string")})


def image_names(path: Path, names: Set[str]) -> list[str]:
    """Return the images among all files of an archive, sorted; what is left out is told.

    Raises
    ------
    UserError
        Where there is none.
    """
    ids = sorted(name for name in names if _is_image(name))
    _tell_left_out(path, names, ids)
    if not ids:
        inner = archives_in(set(names))
        why = f" It holds archives, which are not opened: {listing(inner)}." if inner else ""
        raise UserError(
            f"With attributes: null, {path} needs a folder per class (cats/1.jpg, dogs/1.jpg), or "
            f"names that say more (`name_pattern`); it holds no image.{why}"
        )
    return ids


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not is_system(name)


def _tell_left_out(path: Path, names: Set[str], ids: Sequence[str]) -> None:
    """Say how many files are no images of class folders, and of which kinds."""
    others = sorted(set(names) - set(ids))
    system = [name for name in others if is_system(name)]
    images = [n for n in system if PurePosixPath(n).suffix.lower() in SUFFIXES]
    if others:
        tell(f"{path}: {len(others)} files are no images and left out: {listing(others)}.")
    if images:
        made = sorted({part for n in images for part in n.split("/") if is_system(part)})
        tell(
            f"{path}: {len(images)} of them are images that are hidden or in folders that a system "
            f"made: {listing(made)}."
        )
