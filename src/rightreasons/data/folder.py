"""Any folder or zip of images, with a table of attributes or sorted into folders by class."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.files import write_parquet
from rightreasons.core.registry import suggestion
from rightreasons.core.telling import tell
from rightreasons.core.user_paths import expanded
from rightreasons.data import DATASETS, KEYS, Batch
from rightreasons.data._archive import archives_in, is_system
from rightreasons.data._boxes import BOXES, BoxSource, box_table, read_boxes
from rightreasons.data._files import FileDataset, FileParams
from rightreasons.data._masks import INDEX, MaskSource, keep_masks, open_masks
from rightreasons.data._names import SUFFIXES
from rightreasons.data._shown import listing, shown
from rightreasons.data._tables import read_table


class OwnParams(FileParams):
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
    id_column: str = Field(
        "image_id", description="its column with the images' paths inside `images`"
    )
    identity_column: str | None = Field(
        None, description="its column with who is shown; images of one identity stay in one split"
    )
    partition_column: str | None = Field(
        None, description="its column with a split of your own, which designs can keep to"
    )
    boxes: dict[str, BoxSource] = Field(
        default_factory=dict,
        description="boxes in the images, by name: the columns with their left, upper, right and "
        "lower edges in pixels, or `columns`, `form` and `unit`; each is a mask of that name",
    )

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of masks and boxes, in the order of their bits."""
        return tuple(self.boxes)

    @model_validator(mode="after")
    def _one_source(self) -> OwnParams:
        columns = self.identity_column or self.partition_column or next(iter(self.boxes), None)
        if self.attributes is None and columns:
            raise ValueError(f"`attributes: null` leaves no table with a column {columns!r}")
        if self.label in KEYS:
            raise ValueError(f"label: the names {', '.join(KEYS)} are reserved")
        names = self.mask_names
        if len(names) > 8 or len(set(names)) < len(names):
            raise ValueError(f"at most eight masks and boxes, each with its own name, not {names}")
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
class Folder(FileDataset):
    """Images of your own, as a folder or an archive, with a CSV or Parquet table of attributes.

    Every further column is an attribute. Two-valued ones (0/1, -1/1, true/false) become 0/1, text
    is a category, other numbers stay. An empty field is missing, which is an error only where a
    task uses it. Without a table (`attributes: null`) there is one attribute, the name of the
    folder that an image lies in. Masks in files and boxes in columns can be declared.
    """

    kind = "folder"

    @property
    def home(self) -> Path:
        """The folder that paths are relative to: `root`, or <data folder>/<name>."""
        root = self.params.root
        return Path(expanded(root, "root")) if root else self.data_dir / self.name

    @classmethod
    def masks_of(cls, params: Any) -> tuple[str, ...]:
        """Return the names of declared masks and boxes."""
        return tuple(params.mask_names)

    def __init__(self, params: Any, name: str, data_dir: str | Path = "data") -> None:
        super().__init__(params, name, data_dir)
        self._boxes = pd.DataFrame({"image_id": []})
        self._masks: dict[tuple[Path, int], dict[str, Any]] = {}

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

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the table with the names of the key columns, attributes and boxes."""
        if not files:
            images, _ = self.locate()
            return class_folders(images, self.members(images), self.params.label)
        path = files[0]
        chosen = {
            "image_id": self.params.id_column,
            "identity": self.params.identity_column,
            "partition": self.params.partition_column,
        }
        named = [name for name in chosen.values() if name]
        boxes = [c for source in self.params.boxes.values() for c in source.columns]
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
        return table.drop(columns=list(dict.fromkeys(boxes)))

    def keep(self, folder: Path, files: list[Path], table: pd.DataFrame) -> pd.DataFrame:
        """Write where masks and boxes are."""
        sources = self.mask_sources()
        keep_masks(self, folder, table["image_id"], sources)
        (folder / BOXES).unlink(missing_ok=True)
        if self.params.boxes:
            mine = self._boxes["image_id"].isin(table["image_id"])
            write_parquet(self._boxes[mine], folder / BOXES)
        return table

    def mask_sources(self) -> dict[str, MaskSource]:
        """Return where the masks are, by name."""
        sources: dict[str, MaskSource] = self.params.masks
        return sources

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Decode some images with their masks and boxes; one with an unreadable mask is corrupt."""
        batch = super().load(folder, rows)
        if not self.masks:
            return batch
        batch.masks = np.zeros(batch.images.shape[:3], np.uint8)
        readers = self._readers(folder)
        images, size, pad = self._archive(folder), self.params.size, self.params.pad
        for position, image_id in enumerate(rows["image_id"]):
            for bit, name in enumerate(self.masks):
                if position in batch.corrupt:
                    continue
                try:
                    found = readers[name].read(image_id, images, size, pad)
                    batch.masks[position] |= np.where(found, np.uint8(1 << bit), np.uint8(0))
                except Exception as error:  # as in FileDataset.load
                    batch.images[position], batch.masks[position] = 0, 0
                    batch.corrupt[position] = f"its mask {name}: {type(error).__name__}: {error}"
        return batch

    def _readers(self, folder: Path) -> dict[str, Any]:
        """Return what reads the masks and boxes, opened once in a process."""
        key = (folder / INDEX, os.getpid())
        if key not in self._masks:
            boxes = read_boxes(folder / BOXES, self.params.boxes)
            self._masks[key] = {**open_masks(folder, self.mask_sources()), **boxes}
        return self._masks[key]


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
    ids = sorted(name for name in names if _is_image(name))
    _tell_left_out(path, names, ids)
    classes = [PurePosixPath(name).parent.name for name in ids]
    wanted = f"With attributes: null, {path} needs a folder per class (cats/1.jpg, dogs/1.jpg)"
    if not ids:
        inner = archives_in(set(names))
        why = f" It holds archives, which are not opened: {listing(inner)}." if inner else ""
        raise UserError(f"{wanted}; it holds no image.{why}")
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


def key_column(table: pd.DataFrame, name: str | None, path: Path) -> pd.Series | None:
    """Return a column as text, None for none; a UserError names the columns that there are."""
    if name is None:
        return None
    if name not in table:
        known = [str(column) for column in table.columns]
        hint = " The columns of a CSV are separated by commas." if len(known) == 1 else ""
        raise UserError(
            f"{path} has no column {name!r}{suggestion(name, known)} "
            f"Columns: {', '.join(map(shown, known))}.{hint}"
        )
    return table[name].astype("string")
