"""FairFace: faces balanced over race, gender and age (Kärkkäinen and Joo 2021)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, field_validator

from rightreasons.core.errors import UserError
from rightreasons.core.telling import tell
from rightreasons.data import DATASETS
from rightreasons.data._files import Download, OfficialDataset, OfficialParams
from rightreasons.data._shown import listing
from rightreasons.data._tables import read_table

COLUMNS = ("file", "age", "gender", "race", "service_test")

VALUES = {
    "age": ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"],
    "gender": ["Female", "Male"],
    "race": [
        *("Black", "East Asian", "Indian", "Latino_Hispanic"),
        *("Middle Eastern", "Southeast Asian", "White"),
    ],
    "service_test": ["0", "1"],
}
# The publishers give no checksums.
DOWNLOADS = {
    "fairface-img-margin025-trainval.zip": Download("1Z1RqRo0_JiavaZw2yzZG6WETdZQ8qX86"),
    "fairface-img-margin125-trainval.zip": Download("1g7qNOZz9wC7OfOhcPqH1EZ5bk1UFGmlL"),
    "fairface_label_train.csv": Download("1i1L3Yqwaio7YSOCj7ftgk8ZZchPG7dmH"),
    "fairface_label_val.csv": Download("1wOdja-ezstMEp81tX1a-EYkFebev4h7D"),
}


class FairFaceParams(OfficialParams):
    """Parameters of `fairface`."""

    margin: Literal["0.25", "1.25"] = Field(
        "0.25", description="margin around the face, as a fraction of it"
    )

    @field_validator("margin", mode="before")
    @classmethod
    def _text(cls, margin: object) -> object:
        return f"{margin:g}" if isinstance(margin, float) else margin


@DATASETS.register(
    "fairface",
    title="FairFace",
    paper="Kärkkäinen and Joo 2021, FairFace: Face Attribute Dataset, arXiv:1908.04913",
    params=FairFaceParams,
    licence="CC BY 4.0",
    page="https://github.com/joojs/fairface",
)
class FairFace(OfficialDataset):
    """The official train and validation images of one margin.

    Attributes: age, gender, race as text ("20-29", "Female", "East Asian", ...) and service_test
    as 0/1, as far as the label files have them; an empty label is an error only where a task uses
    it. image_id is the label file's ("train/1.jpg"); partition is train or val.
    """

    kind = "fairface"

    def known_values(self, attribute: str) -> list[str] | None:
        """Return the values of the official label files."""
        return VALUES.get(attribute)

    def image_places(self) -> tuple[str, ...]:
        """Return the zip of the margin, and the folder that it may be unpacked to."""
        stem = f"fairface-img-margin{self.params.margin.replace('.', '')}-trainval"
        return f"{stem}.zip", stem

    def annotation_names(self) -> tuple[str, ...]:
        """Return the label files."""
        return "fairface_label_train.csv", "fairface_label_val.csv"

    def _images(self) -> Path | None:
        """Return where the images are: also train/ and val/ beside the label files."""
        found = super()._images()
        unpacked = all((self.home / name).is_dir() for name in ("train", "val"))
        return self.home if found is None and unpacked else found

    def downloads(self) -> dict[str, Download]:
        """Return the ids of the official files."""
        return DOWNLOADS

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return both label files as one table, train first."""
        parts = [
            read_labels(path).assign(partition=partition)
            for path, partition in zip(files, ("train", "val"), strict=True)
        ]
        table = pd.concat(parts, ignore_index=True).assign(identity=None)
        if lacking := [name for name in COLUMNS[1:] if name not in table]:
            tell(f"dataset {self.name}: the label files have no {', '.join(lacking)}.")
        return table


def read_labels(path: Path) -> pd.DataFrame:
    """Return one of FairFace's label files.

    Returns
    -------
    DataFrame
        image_id, and of age, gender, race and service_test the columns that there are.

    Raises
    ------
    UserError
        For a file without images or without any of these columns, and for rows without an image.
    """
    table = read_table(path, COLUMNS)
    known = [name for name in COLUMNS[1:] if name in table]
    if "file" not in table or not known:
        raise UserError(
            f"{path} lacks the columns {', '.join(n for n in COLUMNS if n not in table)}; it has "
            f"{', '.join(map(str, table.columns))}."
        )
    if table.empty:
        raise UserError(f"{path} lists no images.")
    if table["file"].isna().any():
        raise UserError(
            f"{path}: no image in the rows "
            f"{listing((table.index[table['file'].isna()] + 1).astype(str))}."
        )
    return table[["file", *known]].rename(columns={"file": "image_id"})
