"""What datasets of one's own share: masks and boxes that their parameters declare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from rightreasons.core.files import write_parquet
from rightreasons.core.user_paths import expanded
from rightreasons.data import Batch
from rightreasons.data._boxes import BOXES, BoxSource, read_boxes
from rightreasons.data._files import FileDataset, FileParams
from rightreasons.data._masks import MaskSource, open_masks


class MaskedParams(FileParams):
    """Parameters of datasets that may declare masks and boxes."""

    boxes: dict[str, BoxSource] = Field(
        default_factory=dict,
        description="boxes in the images, by name: the columns with their left, upper, right and "
        "lower edges in pixels, or `columns`, `form` and `unit`; each is a mask of that name",
    )

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of masks and boxes, in the order of their bits."""
        return tuple(self.boxes)

    @property
    def box_columns(self) -> list[str]:
        """The columns that hold boxes, each once."""
        return list(dict.fromkeys(c for source in self.boxes.values() for c in source.columns))

    @model_validator(mode="after")
    def _few_names(self) -> MaskedParams:
        names = self.mask_names
        if len(names) > 8 or len(set(names)) < len(names):
            raise ValueError(
                f"at most eight masks and boxes, each with a name of its own, not {names}"
            )
        return self


class MaskedDataset(FileDataset):
    """A dataset in files whose images may have masks in files and boxes in a table."""

    def __init__(self, params: Any, name: str, data_dir: str | Path = "data") -> None:
        super().__init__(params, name, data_dir)
        self._boxes = pd.DataFrame({"image_id": []})
        self._masks: dict[tuple[Path, int], dict[str, Any]] = {}

    @property
    def home(self) -> Path:
        """The folder that paths are relative to: `root`, or <data folder>/<name>."""
        root = self.params.root
        return Path(expanded(root, "root")) if root else self.data_dir / self.name

    @classmethod
    def masks_of(cls, params: Any) -> tuple[str, ...]:
        """Return the names of declared masks and boxes."""
        return tuple(params.mask_names)

    def mask_sources(self) -> Mapping[str, MaskSource]:
        """Return where the masks are, by name; none by default."""
        return {}

    def keep_boxes(self, folder: Path, image_ids: pd.Series) -> None:
        """Write the boxes of some images, of all that the table has."""
        (folder / BOXES).unlink(missing_ok=True)
        if self.params.boxes:
            write_parquet(self._boxes[self._boxes["image_id"].isin(image_ids)], folder / BOXES)

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
        key = (Path(folder), os.getpid())
        if key not in self._masks:
            boxes = read_boxes(key[0] / BOXES, self.params.boxes)
            self._masks[key] = {**open_masks(key[0], self.mask_sources()), **boxes}
        return self._masks[key]
