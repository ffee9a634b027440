"""Foregrounds cut out of their images and laid over backgrounds of two classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.files import write_parquet
from rightreasons.core.registry import suggestion
from rightreasons.core.seeds import numpy_rng
from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams, create, mask_names
from rightreasons.data._files import provenance, write_fetched
from rightreasons.data.attributes import binary, parse
from rightreasons.data.masked_folder import MaskedFolder
from rightreasons.data.versions import twice

#: The attribute: which class of background an image has.
BACKGROUND = "background"
#: Folders in that of `fetch` with what the parts have fetched, and which of them belong together.
FOREGROUNDS, BACKGROUNDS, PAIRS = "foregrounds", "backgrounds", "pairs.parquet"
#: Keys of a dataset that the whole has, not its foregrounds.
OURS = ("size", "tolerate_corrupt")


class CompositeParams(DatasetParams):
    """Parameters of `composite`."""

    foreground: dict[str, JsonValue] = Field(
        default_factory=lambda: {"kind": "masked_folder"},
        validate_default=True,
        description="what is laid over backgrounds: a dataset with masks, its `kind` and its "
        "parameters but `size` and `tolerate_corrupt`",
    )
    mask: str | None = Field(
        None, description="which of its masks is cut out; none: the only one that it has"
    )
    fit: float | None = Field(
        None,
        gt=0,
        le=1,
        description="longer side of what is cut out, as a share of the image's side: it is scaled "
        "and moved to the middle; none: it stays as it is, where it is",
    )
    backgrounds: dict[str, JsonValue] = Field(
        default_factory=lambda: {"kind": "folder", "images": "backgrounds", "attributes": None},
        validate_default=True,
        description="what it is laid over: a dataset, in the same way; `pad` is false by default",
    )
    attribute: str = Field(
        "label",
        description="expression of the backgrounds' attributes: `background` is 1 where it holds",
    )
    reuse: int = Field(
        1,
        ge=1,
        description="how many foregrounds may lie on the same background image; with 1 no "
        "background of a test image was in training",
    )
    seed: int = Field(0, ge=0, description="draws the backgrounds, apart from the study's seeds")
    tolerate_corrupt: int = Field(
        0,
        ge=0,
        description="how many images are left out where a file of theirs cannot be read or a mask "
        "is empty; every foreground is two images",
    )

    @field_validator("foreground")
    @classmethod
    def _cut_out(cls, foreground: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return filled(foreground, masked=True)

    @field_validator("backgrounds")
    @classmethod
    def _behind(cls, backgrounds: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return filled(backgrounds, pad=False)

    @field_validator("attribute")
    @classmethod
    def _parsed(cls, attribute: str) -> str:
        try:
            parse(attribute)
        except UserError as error:
            raise ValueError(str(error)) from None
        return attribute

    @model_validator(mode="after")
    def _one_mask(self) -> CompositeParams:
        kind = str(self.foreground["kind"])
        masks = mask_names(kind, self.foreground)
        if not masks:
            raise ValueError(f"foreground: this {kind} has no mask: declare one in `masks`")
        if self.mask is None and len(masks) > 1:
            raise ValueError(f"mask: {kind} has several: choose one of {', '.join(masks)}")
        if self.mask is not None and self.mask not in masks:
            raise ValueError(
                f"mask: {kind} has no mask {self.mask!r}{suggestion(self.mask, masks)} "
                f"Allowed: {', '.join(masks)}"
            )
        return self


def filled(
    given: dict[str, JsonValue], *, masked: bool = False, **defaults: JsonValue
) -> dict[str, JsonValue]:
    """Return a part's `kind` and all its parameters but those that are the whole's.

    Parameters
    ----------
    given
        As a config names them.
    masked
        Whether it has to be a dataset with masks.
    **defaults
        What is used in place of the kind's own defaults, where it has such a parameter.

    Raises
    ------
    ValueError
        For a kind or a parameter that there is not, or that is not for a part.
    """
    able = {
        one.name: one.params
        for one in DATASETS
        if not one.traits["both"]
        and (one.traits["masks"] or not masked or "masks" in one.params.model_fields)
    }
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in able:
        which = " with masks" * masked
        raise ValueError(
            f"kind: {kind!r} is no dataset{which}{suggestion(str(kind), able)} "
            f"Allowed: {', '.join(able)}"
        )
    if ours := [key for key in OURS if key in given]:
        raise ValueError(f"{' and '.join(ours)}: name it for the whole, not for a part")
    named = {key: value for key, value in defaults.items() if key in able[kind].model_fields}
    named |= {key: value for key, value in given.items() if key != "kind"}
    try:
        params = able[kind](**named)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ValueError("; ".join(told)) from None
    return {"kind": kind, **params.model_dump(mode="json", exclude=set(OURS))}


@DATASETS.register(
    "composite",
    title="Foregrounds on backgrounds",
    paper="Sagawa et al. 2020, Distributionally Robust Neural Networks (Waterbirds)",
    params=CompositeParams,
    twins=(BACKGROUND,),
    both=BACKGROUND,
    masks=("foreground", BACKGROUND),
    licence="that of the foregrounds and of the backgrounds",
    page="docs/datasets.md",
)
class Composite(Dataset):
    """Every foreground on a background of the first class, and on one of the second.

    The attributes are those of the foregrounds, and `background`, 0 or 1. Both images of a
    foreground are equal where its mask is; elsewhere each is its background.
    """

    kind = "composite"

    def __init__(self, params: CompositeParams, name: str, data_dir: str | Path = "data") -> None:
        super().__init__(params, name, data_dir)
        self._foregrounds = self._part(params.foreground)
        self._backgrounds = self._part(params.backgrounds)
        self._tables: dict[Path, tuple[pd.DataFrame, pd.DataFrame]] = {}

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any]:
        """Write six foregrounds with masks, for textures behind them."""
        foreground = {**MaskedFolder.sample(folder), "kind": "masked_folder"}
        size = foreground.pop("size")
        backgrounds = {"kind": "textures", "n_images": 12}
        chosen = {"foreground": foreground, "backgrounds": backgrounds, "size": size}
        return {**chosen, "attribute": "texture == waves"}

    def known_values(self, attribute: str) -> list[str] | None:
        """Return 0 and 1 for the background, else what is known of the foregrounds."""
        return ["0", "1"] if attribute == BACKGROUND else self._foregrounds.known_values(attribute)

    def fetch(self, folder: Path) -> None:
        """Let both parts fetch; give every foreground a background of each class.

        Raises
        ------
        UserError
            As the parts and the attribute's expression do; for too few backgrounds, and where the
            foregrounds have an attribute `background`.
        """
        self._foregrounds.fetch(folder / FOREGROUNDS)
        self._backgrounds.fetch(folder / BACKGROUNDS)
        table = pd.read_parquet(folder / FOREGROUNDS / "attributes.parquet")
        if BACKGROUND in table:
            raise UserError(
                f"dataset {self.name}: the foregrounds have an attribute {BACKGROUND!r} of their "
                "own. Rename that column."
            )
        known = pd.read_parquet(folder / BACKGROUNDS / "attributes.parquet")
        holds = binary(self.params.attribute, known)
        pairs = pd.DataFrame({"image_id": table["image_id"]})
        for value in (0, 1):
            of_class = known.loc[holds == value, "image_id"].tolist()
            pairs[_column(value)] = self._drawn(of_class, len(table), value)
        write_parquet(pairs, folder / PAIRS)
        write_fetched(folder, twice(table, BACKGROUND), provenance(self.kind))

    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Lay some foregrounds over the backgrounds that the rows say.

        Where a foreground or one of its two backgrounds cannot be read, or its mask is empty or
        full, both its images are corrupt: a pool has both or none.
        """
        carries = rows[BACKGROUND].to_numpy() == 1
        return self._laid(folder, _sources(rows["image_id"], carries), carries)

    def twins(self, folder: Path, rows: pd.DataFrame, attribute: str) -> np.ndarray:
        """Lay the same foregrounds over their backgrounds of the other class."""
        if attribute != BACKGROUND:
            return super().twins(folder, rows, attribute)
        carries = rows[BACKGROUND].to_numpy() == 1
        return self._laid(folder, _sources(rows["image_id"], carries), ~carries).images

    def _laid(self, folder: Path, sources: list[str], carries: np.ndarray) -> Batch:
        foregrounds, pairs = self._table(folder)
        front = self._foregrounds.load(folder / FOREGROUNDS, foregrounds.loc[sources].reset_index())
        assert front.masks is not None
        names = self._foregrounds.masks
        inside = front.masks >> names.index(self.params.mask or names[0]) & 1 == 1
        corrupt = dict(front.corrupt)
        behind = []
        for value in (0, 1):
            wanted = pd.DataFrame({"image_id": pairs.loc[sources, _column(value)].to_numpy()})
            back = self._backgrounds.load(folder / BACKGROUNDS, wanted)
            behind.append(back.images)
            for position, reason in back.corrupt.items():
                name = wanted["image_id"].iloc[position]
                corrupt.setdefault(position, f"its background {name}: {reason}")
        images = np.where(carries[:, None, None, None], behind[1], behind[0])
        masks = np.zeros(images.shape[:3], np.uint8)
        for position in range(len(sources)):
            image, mask = front.images[position], inside[position]
            if self.params.fit is not None and mask.any():
                image, mask = fitted(image, mask, self.params.fit)
            if position not in corrupt and (mask.all() or not mask.any()):
                corrupt[position] = f"its mask is {'full' if mask.all() else 'empty'}"
            images[position][mask] = image[mask]
            masks[position] = np.where(mask, 1, 2)
        for position in corrupt:
            images[position], masks[position] = 0, 0
        return Batch(images, masks, corrupt)

    def _table(self, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the foregrounds' table and the pairs, by image id."""
        if folder not in self._tables:
            places = (folder / FOREGROUNDS / "attributes.parquet", folder / PAIRS)
            # Without threads: this runs in forked workers.
            one, two = (pd.read_parquet(p, use_threads=False) for p in places)
            self._tables[folder] = one.set_index("image_id"), two.set_index("image_id")
        return self._tables[folder]

    def _drawn(self, of_class: list[str], count: int, value: int) -> list[str]:
        """Return a background image for each foreground, none more often than `reuse` says."""
        if len(of_class) * self.params.reuse < count:
            text = self.params.attribute
            which = text if value else f"not ({text})"
            more = f", or set reuse: {-(-count // len(of_class))}" if of_class else ""
            raise UserError(
                f"dataset {self.name}: each of {count} foregrounds needs a background of either "
                f"class, and there are {len(of_class)} with {which}, each for "
                f"{self.params.reuse} of them (`reuse`). Add backgrounds, use fewer foregrounds"
                f"{more}."
            )
        rng = numpy_rng(self.params.seed, BACKGROUND, str(value))
        rounds = [rng.permutation(len(of_class)) for _ in range(-(-count // len(of_class)))]
        return [of_class[k] for k in np.concatenate(rounds)[:count]]

    def _part(self, chosen: dict[str, JsonValue]) -> Dataset:
        """Return the dataset of the foregrounds or of the backgrounds."""
        given = {key: value for key, value in chosen.items() if key != "kind"}
        size = {"size": self.params.size}
        return create(
            str(chosen["kind"]), {**given, **size}, name=self.name, data_dir=str(self.data_dir)
        )


def fitted(image: np.ndarray, mask: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Scale what a mask shows and move it to the middle of the image.

    Parameters
    ----------
    image : uint8 (H, H, 3)
        The image.
    mask : bool (H, H)
        Where the thing is, at least one pixel.
    share : in (0, 1]
        The longer side of what is cut out, as a share of the image's side.

    Returns
    -------
    image : uint8 (H, H, 3)
        The thing and what is around it in its upright rectangle; black elsewhere.
    mask : bool (H, H)
        Where it covers half of a pixel or more.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size, cut = len(image), np.array(mask[box].shape)
    height, width = np.maximum(1, np.rint(cut * (share * size / cut.max())).astype(int)).tolist()
    y, x = (size - height) // 2, (size - width) // 2
    moved, inside = np.zeros_like(image), np.zeros_like(mask)
    scale = Image.Resampling.BILINEAR
    small = Image.fromarray(image[box]).resize((width, height), scale)
    where = Image.fromarray(mask[box].astype(np.uint8) * 255).resize((width, height), scale)
    moved[y : y + height, x : x + width] = np.asarray(small)
    inside[y : y + height, x : x + width] = np.asarray(where) >= 128
    return moved, inside


def _sources(ids: pd.Series, carries: np.ndarray) -> list[str]:
    """Return the foregrounds' ids of some images."""
    end = f"+{BACKGROUND}"
    return [one.removesuffix(end) if c else one for one, c in zip(ids, carries, strict=True)]


def _column(value: int) -> str:
    return f"{BACKGROUND}_{value}"
