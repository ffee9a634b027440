"""Any folder of images with a mask of what each shows: the same names in another folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from rightreasons.data import DATASETS
from rightreasons.data._masks import MaskSource, Value
from rightreasons.data.folder import Folder, OwnParams


class MaskedFolderParams(OwnParams):
    """Parameters of `masked_folder`."""

    masks: str = Field(
        "masks",
        description="folder, zip or tar with the masks, below `root`; each is called as its image, "
        "but ends in .png",
    )
    object_values: Annotated[list[Value], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [1, 65535],
        description="lowest and highest value of a mask's pixels that are the object",
    )

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of masks and boxes, in the order of their bits."""
        return ("object", *self.boxes)


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

    def mask_sources(self) -> dict[str, MaskSource]:
        """Return where the object's masks are."""
        given = {"files": self.params.masks, "values": self.params.object_values}
        return {"object": MaskSource.model_validate(given)}
