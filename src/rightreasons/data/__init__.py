"""Datasets, one file each: `DATASETS` finds them all.

A dataset is a subclass of `Dataset`, registered with

- `twins`: the attributes that it can switch in an image with nothing else changed,
- `both`: the one of these of which its pool holds both versions of each image, empty for none:
  rows 0 to N - 1 where it is 0, rows N to 2N - 1 where it is 1, in the same order, of the same
  identities; ids of the second half end in `+<attribute>`,
- `masks`: the names of its pixel masks, at most eight,
- `licence`: the terms of its images, and `page`: where its official files are,
- `shows_images`: True where figures and pages may show single images unless the config says
  otherwise: made images, never photos of people.

Files whose names begin with an underscore are shared helpers, not datasets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Params, Registry

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

DATASETS = Registry(
    "rightreasons.data",
    "dataset",
    traits={"twins": (), "both": "", "masks": (), "licence": "", "page": "", "shows_images": False},
    group="rightreasons.datasets",
)

#: Columns of an index that are no attributes.
KEYS = ("row", "image_id", "identity", "partition")


class DatasetParams(Params):
    """What the stage `pool` uses of a dataset's parameters; all others belong to `fetch`."""

    size: int = Field(64, ge=8, le=1024, description="side of the pool's square images in pixels")


@dataclass
class Batch:
    """Some decoded images.

    Parameters
    ----------
    images : uint8 (n, size, size, 3)
        The images, RGB; those in `corrupt` are black.
    masks : uint8 (n, size, size)
        Bit k is the dataset's k-th mask; None where the dataset has no masks.
    corrupt
        Position in the batch -> why it has no image.
    """

    images: np.ndarray
    masks: np.ndarray | None = None
    corrupt: dict[int, str] = field(default_factory=dict)


class Dataset(ABC):
    """Images with attributes.

    `fetch` runs once and needs files or network; all else needs only what `fetch` left behind:
    `attributes.parquet` (image_id and identity as text, partition, then one column per attribute;
    identity and partition missing where unknown) and `source.json` (where the images lie).

    Parameters
    ----------
    params
        An instance of the registered class of parameters.
    name
        What the dataset is called in the study.
    data_dir
        The folder with one folder of official files per dataset.
    """

    kind: ClassVar[str]

    def __init__(self, params: Any, name: str, data_dir: str | Path = "data") -> None:
        self.params = params
        self.name = name
        self.data_dir = Path(data_dir)

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any] | None:
        """Return parameters of a dataset in miniature, for its contract test.

        Parameters
        ----------
        folder
            Empty folder, for a few files in the layout of the real ones.

        Returns
        -------
        dict or None
            Parameters with which `fetch` and `load` give at least four images; None where the test
            has to do without images.
        """
        return None

    @classmethod
    def masks_of(cls, params: Any) -> tuple[str, ...]:
        """Return the names of the masks that a dataset with these parameters has.

        By default the registered `masks`; a dataset whose parameters declare masks returns theirs.
        """
        return tuple(DATASETS[cls.kind].traits["masks"])

    @property
    def masks(self) -> tuple[str, ...]:
        """The names of the masks, in the order of their bits."""
        return self.masks_of(self.params)

    def known_values(self, attribute: str) -> list[str] | None:
        """Return the values of an attribute, where they are known before `fetch`.

        A study is planned by them: how many groups or classes a bare attribute makes.

        Parameters
        ----------
        attribute
            The name of an attribute.

        Returns
        -------
        list of str or None
            As expressions name them; None where they are not known, as by default.
        """
        return None

    @abstractmethod
    def fetch(self, folder: Path) -> None:
        """Find, check and describe the data: write attributes.parquet and source.json.

        Parameters
        ----------
        folder
            Where to; it is made if it is missing.

        Raises
        ------
        UserError
            Where a file is missing, broken or inconsistent.
        """

    @abstractmethod
    def load(self, folder: Path, rows: pd.DataFrame) -> Batch:
        """Return some images, decoded.

        Parameters
        ----------
        folder
            What `fetch` wrote.
        rows
            Some rows of its attributes.parquet.

        Returns
        -------
        Batch
            The images, in the order of the rows.
        """

    def twins(self, folder: Path, rows: pd.DataFrame, attribute: str) -> np.ndarray:
        """Return some images with one attribute switched, all else equal.

        Parameters
        ----------
        folder
            What `fetch` wrote.
        rows
            Some rows of its attributes.parquet.
        attribute
            One of the registered `twins`.

        Returns
        -------
        ndarray
            uint8 (n, size, size, 3), in the order of the rows.

        Raises
        ------
        UserError
            For an attribute that the dataset cannot switch; by default that is every one.
        """
        able = DATASETS[self.kind].traits["twins"]
        raise UserError(
            f"the dataset {self.name!r} has no twins for {attribute!r}. "
            f"It can switch: {', '.join(able) or 'nothing'}."
        )


def create(
    kind: str, params: Mapping[str, Any] | None = None, *, name: str = "", data_dir: str = "data"
) -> Dataset:
    """Return the dataset of a registered kind.

    Parameters
    ----------
    kind
        The name that it is registered under.
    params
        Its parameters; defaults for those that are missing.
    name
        What it is called in the study; by default its kind.
    data_dir
        The folder with one folder of official files per dataset.

    Returns
    -------
    Dataset
        The dataset. Nothing is read yet.

    Raises
    ------
    UserError
        For an unknown kind.
    pydantic.ValidationError
        For bad parameters.
    """
    component = DATASETS[kind]
    return component.run(component.params(**(params or {})), name or kind, data_dir)


def mask_names(kind: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a dataset's masks, those that its parameters declare among them.

    Parameters
    ----------
    kind
        The name that the dataset is registered under.
    params
        Its parameters; a key `kind` is passed over.

    Returns
    -------
    tuple of str
        In the order of their bits.
    """
    component = DATASETS[kind]
    known = {key: value for key, value in params.items() if key != "kind"}
    run: Any = component.run
    names: tuple[str, ...] = run.masks_of(component.params(**known))
    return names


def stage_params(kind: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a dataset's parameters by stage, so that a new size fetches nothing.

    Parameters
    ----------
    kind
        The name that the dataset is registered under.
    params
        Its parameters; a key `kind` is passed over.

    Returns
    -------
    tuple of dict
        `fetch`'s parameters, and `pool`'s: size, pad, tolerate_corrupt.
    """
    pool = set(DATASETS[kind].params.model_fields) & {"size", "pad", "tolerate_corrupt"}
    known = {key: value for key, value in params.items() if key != "kind"}
    fetch = {key: value for key, value in known.items() if key not in pool}
    return fetch, {key: value for key, value in known.items() if key in pool}
