"""Foregrounds cut out of their images and laid over backgrounds of two classes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.files import write_parquet
from rightreasons.core.registry import suggestion
from rightreasons.core.seeds import numpy_rng
from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams, create
from rightreasons.data._archive import listing
from rightreasons.data._files import provenance, write_fetched

#: The attribute: which class of background an image has.
BACKGROUND = "background"
#: Folders in that of `fetch` with what the parts have fetched, and which of them belong together.
FOREGROUNDS, BACKGROUNDS, PAIRS = "foregrounds", "backgrounds", "pairs.parquet"
#: Keys of a dataset that the whole has, not its foregrounds.
OURS = ("size", "tolerate_corrupt")

Folders = str | Annotated[list[str], Field(min_length=1)]


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
    backgrounds: str = Field(
        "backgrounds",
        description="folder or zip with a folder of images per class, below the data folder's one "
        "of the dataset's name, or a path from the root",
    )
    classes: Annotated[list[Folders], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="the folders of backgrounds that are 0 and 1 of the attribute `background`, "
        "each a name or a list of names; none: there are two, in the order of the alphabet",
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
    def _filled(cls, foreground: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the foreground with its `kind` and all its parameters but those that are ours."""
        given = {key: value for key, value in foreground.items() if key != "kind"}
        kind = foreground.get("kind")
        able = [one.name for one in DATASETS if one.traits["masks"] and not one.traits["both"]]
        if kind not in able:
            raise ValueError(
                f"kind: {kind!r} is no dataset with masks{suggestion(str(kind), able)} "
                f"Allowed: {', '.join(able)}"
            )
        if ours := [key for key in OURS if key in given]:
            raise ValueError(f"{' and '.join(ours)} is for the whole dataset: not in `foreground`")
        try:
            params = DATASETS[str(kind)].params(**given).model_dump(mode="json", exclude=set(OURS))
        except ValidationError as error:
            told = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ValueError("; ".join(told)) from None
        return {"kind": kind, **params}

    @model_validator(mode="after")
    def _consistent(self) -> CompositeParams:
        kind = str(self.foreground["kind"])
        masks = DATASETS[kind].traits["masks"]
        if self.mask is None and len(masks) > 1:
            raise ValueError(f"mask: {kind} has several: choose one of {', '.join(masks)}")
        if self.mask is not None and self.mask not in masks:
            raise ValueError(
                f"mask: {kind} has no mask {self.mask!r}{suggestion(self.mask, masks)} "
                f"Allowed: {', '.join(masks)}"
            )
        if twice := sorted(set.intersection(*map(set, self.folders or ([], [])))):
            raise ValueError(f"classes: {', '.join(twice)} is in both")
        return self

    @property
    def folders(self) -> tuple[list[str], list[str]] | None:
        """The names of the backgrounds' folders by class, None where they are not named."""
        if self.classes is None:
            return None
        first, second = ([one] if isinstance(one, str) else one for one in self.classes)
        return first, second


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
        chosen = {key: value for key, value in params.foreground.items() if key != "kind"}
        if "tolerate_corrupt" in DATASETS[kind := str(params.foreground["kind"])].params.model_fields:
            chosen["tolerate_corrupt"] = 0
        self._foregrounds = create(
            kind, {**chosen, "size": params.size}, name=name, data_dir=str(data_dir)
        )
        places = Path(params.backgrounds).expanduser()
        self._backgrounds = create(
            "folder",
            {
                "root": str(self.data_dir / name),
                "images": str(places),
                "attributes": None,
                "label": "folder",
                "pad": False,
                "size": params.size,
            },
            name=name,
        )
        self._tables: dict[Path, tuple[pd.DataFrame, pd.DataFrame]] = {}

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any]:
        """Write six foregrounds with masks, and six backgrounds of either class."""
        from PIL import Image

        foreground = {**DATASETS["masked_folder"].run.sample(folder), "kind": "masked_folder"}
        rng = np.random.default_rng(0)
        for kind in ("land", "water"):
            (folder / "places" / kind).mkdir(parents=True)
            for number in range(6):
                noise = rng.integers(0, 256, (18, 14, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / "places" / kind / f"{number}.png")
        size = foreground.pop("size")
        return {"foreground": foreground, "backgrounds": str(folder / "places"), "size": size}

    def fetch(self, folder: Path) -> None:
        """Let both parts fetch; give every foreground a background of each class.

        Raises
        ------
        UserError
            As the parts do; for classes that there are not, for too few backgrounds, and where the
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
        classes = self._classes(known)
        pairs = pd.DataFrame({"image_id": table["image_id"]})
        for value, names in enumerate(classes):
            of_class = known.loc[known["folder"].isin(names), "image_id"].tolist()
            pairs[_column(value)] = self._drawn(of_class, len(table), value, names)
        write_parquet(pairs, folder / PAIRS)
        source = {"classes": classes, **provenance(self.kind)}
        write_fetched(folder, _both(table), source)

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

    def _classes(self, known: pd.DataFrame) -> tuple[list[str], list[str]]:
        """Return the names of the folders of both classes, all of which there are."""
        there = sorted(known["folder"].unique())
        chosen = self.params.folders
        if chosen is None:
            if len(there) != 2:
                raise UserError(
                    f"dataset {self.name}: {self._place} has {len(there)} folders, {listing(there)}."
                    " Say in `classes` which of them are 0 and which are 1 of `background`."
                )
            return [there[0]], [there[1]]
        for name in (*chosen[0], *chosen[1]):
            if name not in there:
                raise UserError(
                    f"dataset {self.name}: classes: {self._place} has no folder {name!r}"
                    f"{suggestion(name, there)} Folders: {listing(there)}."
                )
        return chosen

    def _drawn(self, of_class: list[str], count: int, value: int, names: list[str]) -> list[str]:
        """Return a background image for each foreground, none more often than `reuse` says."""
        if len(of_class) * self.params.reuse < count:
            needed = -(-count // len(of_class))
            raise UserError(
                f"dataset {self.name}: {count} foregrounds need as many backgrounds of each class, "
                f"and {', '.join(names)} has {len(of_class)} images, each used "
                f"{self.params.reuse} times at most. Add images, use fewer foregrounds, or set "
                f"reuse: {needed}."
            )
        rng = numpy_rng(self.params.seed, BACKGROUND, str(value))
        rounds = [rng.permutation(len(of_class)) for _ in range(-(-count // len(of_class)))]
        return [of_class[k] for k in np.concatenate(rounds)[:count]]

    @property
    def _place(self) -> Path:
        return Path(self.data_dir / self.name / Path(self.params.backgrounds).expanduser())


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


def _both(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of foregrounds twice: on backgrounds of class 0, then of class 1."""
    identity = table["identity"].where(table["identity"].notna(), "image " + table["image_id"])
    first = table.assign(identity=identity, **{BACKGROUND: np.int8(0)})
    ids = first["image_id"] + f"+{BACKGROUND}"
    second = first.assign(image_id=ids, **{BACKGROUND: np.int8(1)})
    return pd.concat([first, second], ignore_index=True)


def _sources(ids: pd.Series, carries: np.ndarray) -> list[str]:
    """Return the foregrounds' ids of some images."""
    end = f"+{BACKGROUND}"
    return [one.removesuffix(end) if c else one for one, c in zip(ids, carries, strict=True)]


def _column(value: int) -> str:
    return f"{BACKGROUND}_{value}"
