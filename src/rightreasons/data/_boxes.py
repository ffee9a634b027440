"""Boxes in images, from the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Params
from rightreasons.data._archive import Images
from rightreasons.data._decode import decode_boxes
from rightreasons.data._shown import listing

#: A row per box: image_id, name, and its edges.
BOXES = "boxes.parquet"
EDGES = ["x0", "y0", "x1", "y1"]


def _or_columns(schema: dict[str, Any]) -> None:
    """Say in a source's schema that its columns alone will do."""
    schema["type"] = ["object", "array", "string"]


class BoxSource(Params):
    """Which columns hold a box, and how."""

    model_config = ConfigDict(json_schema_extra=_or_columns)

    columns: Annotated[list[str], Field(min_length=1, max_length=4)] = Field(
        description="four columns, or one column of a Parquet file with lists of four numbers, or "
        "of such lists where an image has several boxes"
    )
    form: Literal["corners", "size", "centre"] = Field(
        "corners",
        description="corners: left, upper, right, lower edge; size: left, upper edge, width, "
        "height; centre: the middle's x and y, width, height",
    )
    unit: Literal["pixels", "fractions"] = Field(
        "pixels", description="of the upright image: its pixels, or fractions of width and height"
    )

    @model_validator(mode="before")
    @classmethod
    def _columns_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"columns": [given]}
        if isinstance(given, dict) and isinstance(given.get("columns"), str):
            return {**given, "columns": [given["columns"]]}
        return {"columns": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _one_or_four(self) -> BoxSource:
        if len(self.columns) not in (1, 4):
            raise ValueError(f"columns: a box has four columns, or one with lists: {self.columns}")
        return self


@dataclass
class BoxReader:
    """Draws the boxes of one name.

    Attributes
    ----------
    boxes
        Image id -> float (k, 4); an image that is not there has none.
    fractions
        Whether the edges are fractions of the image, not pixels.
    """

    boxes: Mapping[str, np.ndarray]
    fractions: bool

    def read(self, image_id: str, images: Images, size: int, pad: bool) -> np.ndarray:
        """Return where the boxes are as their image is decoded, bool (size, size)."""
        if image_id not in self.boxes:
            return np.zeros((size, size), bool)
        return decode_boxes(self.boxes[image_id], self.fractions, images.read(image_id), size, pad)


def box_table(table: pd.DataFrame, sources: Mapping[str, BoxSource], where: str) -> pd.DataFrame:
    """Return all boxes of a table, a row each.

    Parameters
    ----------
    table
        image_id and the columns that the sources name.
    sources
        By the boxes' names.
    where
        The table's place, for errors.

    Returns
    -------
    DataFrame
        image_id, name, x0, y0, x1, y1 in the source's unit. Where all four numbers are missing
        there is no box.

    Raises
    ------
    UserError
        For what is no number, numbers of which some are missing, boxes without area, and a unit
        that cannot be meant.
    """
    parts = [_boxes(table, name, source, where) for name, source in sources.items()]
    empty = pd.DataFrame(columns=["image_id", "name", *EDGES])
    return pd.concat(parts, ignore_index=True) if parts else empty


def read_boxes(path: Path, sources: Mapping[str, BoxSource]) -> dict[str, BoxReader]:
    """Return what draws the boxes that were kept, by name."""
    if not sources:
        return {}
    kept = pd.read_parquet(path, use_threads=False)  # this runs in forked workers
    readers = {}
    for name, source in sources.items():
        mine = kept[kept["name"] == name]
        boxes = {str(one): rows[EDGES].to_numpy() for one, rows in mine.groupby("image_id")}
        readers[name] = BoxReader(boxes, source.unit == "fractions")
    return readers


def _boxes(table: pd.DataFrame, name: str, source: BoxSource, where: str) -> pd.DataFrame:
    if len(source.columns) == 4:
        rows, numbers = _of_columns(table, source, f"{where}, box {name!r}")
    else:
        rows, numbers = _of_lists(table, source.columns[0], f"{where}, box {name!r}")
    first, second = numbers[:, :2], numbers[:, 2:]
    if source.form == "size":
        second = first + second
    elif source.form == "centre":
        first, second = first - second / 2, first + second / 2
    ids = table["image_id"].to_numpy()[rows]
    if (wrong := ~(second > first).all(axis=1)).any():
        raise UserError(
            f"{where}, box {name!r}: no area for {listing(dict.fromkeys(ids[wrong]))}. The right "
            f"edge must exceed the left, the lower the upper one; the form is {source.form!r}."
        )
    edges = np.concatenate([first, second], axis=1)
    _check_unit(edges, source.unit, f"{where}, box {name!r}")
    frame = pd.DataFrame(edges, columns=EDGES)
    frame.insert(0, "name", name)
    frame.insert(0, "image_id", ids)
    return frame


def _of_columns(
    table: pd.DataFrame, source: BoxSource, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that have a box, and its four numbers."""
    try:
        numbers = table[source.columns].apply(pd.to_numeric).to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {', '.join(source.columns)} must be numbers: {error}.") from None
    missing = np.isnan(numbers)
    if (some := missing.any(axis=1) & ~missing.all(axis=1)).any():
        ids = table["image_id"].to_numpy()[some]
        raise UserError(f"{where}: some of the four numbers are missing for {listing(ids)}.")
    rows = np.flatnonzero(~missing.any(axis=1))
    return rows, numbers[rows]


def _of_lists(table: pd.DataFrame, column: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a row for every box in a column of lists, and its four numbers."""
    rows, boxes = [], []
    for row, value in enumerate(table[column]):
        if value is None or (isinstance(value, float) and np.isnan(value)):
            continue
        try:
            found = np.array([np.asarray(one, np.float64) for one in value])
            found = found.reshape(-1, 4) if found.size else np.zeros((0, 4))
            if not np.isfinite(found).all():
                raise ValueError
        except (ValueError, TypeError):
            one = table["image_id"].iloc[row]
            raise UserError(
                f"{where}: {column} must hold lists of four numbers; not so for {listing([one])}."
            ) from None
        rows += [row] * len(found)
        boxes.append(found)
    return np.array(rows, np.int64), np.concatenate([np.zeros((0, 4)), *boxes])


def _check_unit(edges: np.ndarray, unit: str, where: str) -> None:
    if not len(edges):
        return
    if unit == "fractions" and (edges.max() > 1.5 or edges.min() < -0.5):
        raise UserError(
            f"{where}: edges from {edges.min():g} to {edges.max():g} are no fractions of an image. "
            "Set unit: pixels."
        )
    if unit == "pixels" and edges.max() <= 1:
        raise UserError(
            f"{where}: no edge is above 1, which cannot be pixels. Set unit: fractions."
        )
