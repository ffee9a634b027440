"""The stage `region`: from a pool and an attribute to calibration tables and attribution maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import numpy_rng, torch_generator
from rightreasons.regions.calibration import by_position, ece, reliability

if TYPE_CHECKING:
    from rightreasons.regions.networks import PatchNetwork
    from rightreasons.regions.params import RegionParams

#: A control: a label that is thrown for each image and so is nowhere in it.
COIN_FLIP = "coin_flip"
CHUNK = 256


@dataclass(frozen=True)
class Labels:
    """The classes of a pool's images, and which of them train and validate.

    Parameters
    ----------
    codes : int64 (N,)
        The class of each image, 0 to C - 1.
    names
        Of the C classes.
    train, validation
        Rows of the pool, disjoint.
    image_ids
        Of all N images.
    """

    codes: np.ndarray
    names: list[str]
    train: np.ndarray
    validation: np.ndarray
    image_ids: list[str]

    @property
    def chance(self) -> float:
        """The share of the largest class among the validation images."""
        return float(np.bincount(self.codes[self.validation]).max() / len(self.validation))


def labels(index: pd.DataFrame, attribute: str, params: RegionParams, seed: int) -> Labels:
    """Return the classes of an attribute and a random split that keeps identities together.

    Parameters
    ----------
    index
        The pool's index.
    attribute
        An attribute or an expression of `index`, or `coin_flip`, which is drawn.
    params
        The patch classifier's parameters.
    seed
        Of the study's regions.

    Raises
    ------
    UserError
        As `rightreasons.data.attributes.classes` does, and where fewer than two classes are left to
        train on, or no image to validate.
    """
    from rightreasons.data.attributes import classes

    rng = numpy_rng(seed, "region", attribute)
    if attribute == COIN_FLIP and attribute not in index:
        codes, names = rng.integers(0, 2, len(index)), ["heads", "tails"]
    else:
        codes, names = classes(attribute, index)
    who = index["identity"].where(index["identity"].notna(), "image " + index["image_id"])
    person, people = pd.factorize(who)
    drawn = rng.permutation(len(people))
    share = np.cumsum(np.bincount(person)[drawn]) / len(index)
    held_out = np.isin(person, drawn[share <= params.validation])
    train, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if params.max_images is not None and len(train) > params.max_images:
        train = np.sort(rng.choice(train, params.max_images, replace=False))
    if params.balance:
        train = _balanced(train, codes, len(train) // max(len(names), 1), rng)
        rarest = np.bincount(codes[validation], minlength=len(names)).min(initial=len(index))
        validation = _balanced(validation, codes, int(rarest), rng)
    if len(np.unique(codes[train])) < 2 or len(validation) == 0:
        raise UserError(
            f"regions: {len(train)} images train and {len(validation)} validate the patch "
            f"classifier of {attribute!r}; both need images, and training two classes. Use a "
            "larger dataset or another `regions.classifier.validation`."
        )
    return Labels(codes.astype(np.int64), names, train, validation, index["image_id"].tolist())


def _balanced(
    rows: np.ndarray, codes: np.ndarray, each: int, rng: np.random.Generator
) -> np.ndarray:
    """Return `each` rows of every class among `rows`, sorted; rare classes' rows are repeated."""
    classes = [rng.permutation(rows[codes[rows] == code]) for code in np.unique(codes[rows])]
    return np.sort(np.concatenate([np.resize(members, each) for members in classes]))


def train(
    images: np.ndarray,
    data: Labels,
    params: RegionParams,
    attribute: str,
    seed: int,
    progress: Callable[..., Any],
) -> tuple[PatchNetwork, dict[str, Any]]:
    """Train a patch classifier, with smaller batches where its own do not fit.

    Parameters
    ----------
    images : uint8 (N, I, I, 3)
        The pool.
    data
        The classes, and which rows train.
    params
        The patch classifier's parameters.
    attribute
        What it is trained on, a part of the random streams' key.
    seed
        Of the study's regions.
    progress
        Wraps an iterable in a progress bar.

    Returns
    -------
    network : PatchNetwork
        In eval mode.
    record : dict
        What is worth keeping, ready for JSON: sizes, versions, classes, loss and accuracy by epoch.
    """
    from rightreasons.core.seeds import derive
    from rightreasons.learning.images import Rows
    from rightreasons.learning.records import provenance
    from rightreasons.regions.networks import build_patch_network
    from rightreasons.regions.training import train_patch_classifier
    from rightreasons.runtime.devices import fit_batch, pick_device

    device = pick_device()
    shape = {"size": images.shape[1], "patch": params.patch, "positions": params.positions}

    def fit(batch_size: int) -> tuple[PatchNetwork, list[dict[str, float]]]:
        network = build_patch_network(
            params.network,
            n_classes=len(data.names),
            embedding=params.embedding,
            seed=derive(seed, "region-init", attribute),
            **shape,
        )
        history = train_patch_classifier(
            network,
            Rows(images, data.train),
            data.codes[data.train],
            params.model_copy(update={"batch_size": batch_size}),
            generator=torch_generator(seed, "region-train", attribute),
            device=device,
            progress=progress,
        )
        return network, history

    network, history = fit_batch(fit, params.batch_size, f"regions.{attribute}", least=2)
    return network, {
        **shape,
        **provenance(device),
        "network": params.network,
        "confidence": params.confidence,
        "classes": data.names,
        "n_train": len(data.train),
        "n_validation": len(data.validation),
        "history": history,
    }


def calibrate(
    network: PatchNetwork,
    images: np.ndarray,
    data: Labels,
    params: RegionParams,
    progress: Callable[..., Any],
) -> dict[str, pd.DataFrame]:
    """Return the tables calibration, reliability and positions, over all validation patches.

    Parameters
    ----------
    network
        The trained patch classifier.
    images : uint8 (N, I, I, 3)
        The pool.
    data
        The classes, and which rows validate.
    params
        The patch classifier's parameters.
    progress
        Wraps an iterable in a progress bar.

    Returns
    -------
    dict of DataFrame
        `calibration` (one row), `reliability` (a row per bin), `positions` (a row per position).
    """
    from rightreasons.learning.images import Rows
    from rightreasons.regions.maps import validate
    from rightreasons.runtime.devices import pick_device

    confidence, correct = validate(
        network,
        Rows(images, data.validation),
        data.codes[data.validation],
        device=pick_device(),
        progress=progress,
    )
    summary = {
        "network": params.network,
        "n_classes": len(data.names),
        "n_train": len(data.train),
        "n_validation": len(data.validation),
        "patches": confidence.size,
        "bins": params.bins,
        "confidence": float(confidence.mean()),
        "accuracy": float(correct.mean()),
        "ece": ece(confidence, correct, params.bins),
        "chance": data.chance,
    }
    return {
        "calibration": pd.DataFrame([summary]),
        "reliability": reliability(confidence, correct, params.bins),
        "positions": by_position(confidence, correct, params.bins),
    }


def map_images(
    network: PatchNetwork,
    images: np.ndarray,
    params: RegionParams,
    path: Path,
    progress: Callable[..., Any],
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Write the confidences of images to a file.

    Parameters
    ----------
    network
        The trained patch classifier.
    images : uint8 (N, I, I, 3)
        The pool.
    params
        The patch classifier's parameters.
    path
        The .npy file.
    progress
        Wraps an iterable in a progress bar.
    rows : int64 (n,)
        The rows of the pool that are mapped, and alone looked at; None for all.

    Returns
    -------
    memmap
        float16 (N, g, g), what was written: NaN for the rows that are not mapped.
    """
    from rightreasons.core.arrays import mapped
    from rightreasons.learning.images import Rows
    from rightreasons.regions.maps import confidence_maps
    from rightreasons.runtime.devices import pick_device

    grid = network.grid
    chosen = np.arange(len(images)) if rows is None else rows
    with mapped(path, np.float16, (len(images), grid, grid)) as out:
        if rows is not None:
            out[:] = np.nan
        confidence_maps(
            network,
            Rows(images, chosen),
            params.confidence,
            device=pick_device(),
            progress=progress,
            out=_Placed(out, chosen),
        )
    return np.load(path, mmap_mode="r")


class _Placed:
    """Rows of an array, in a given order, to be written a slice at a time."""

    def __init__(self, out: np.ndarray, rows: np.ndarray) -> None:
        self.out = out
        self.rows = rows

    def __setitem__(self, part: slice, values: np.ndarray) -> None:
        self.out[self.rows[part]] = values


def mean_map(confidence: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the mean of some images' confidences.

    Parameters
    ----------
    confidence : (N, g, g)
        Of all images.
    rows : int64 (n,)
        Whose mean it is; None for all.

    Returns
    -------
    ndarray
        float32 (g, g), summed in float64.
    """
    chosen = np.arange(len(confidence)) if rows is None else rows
    total = np.zeros(confidence.shape[1:])
    for start in range(0, len(chosen), CHUNK):
        part = chosen[start : start + CHUNK]
        total += confidence[part].sum(axis=0, dtype=np.float64)
    return (total / len(chosen)).astype(np.float32)


def lifted(data: Labels, rows: np.ndarray, count: int) -> Labels:
    """Return labels of some images of a pool as labels of the pool.

    Parameters
    ----------
    data
        Labels of the images `rows` alone, in this order.
    rows : int64 (n,)
        Their rows in the pool.
    count
        N, the images of the pool.

    Returns
    -------
    Labels
        Codes are -1 for images that `data` does not have. Image ids stay those of `rows`.
    """
    codes = np.full(count, -1, np.int64)
    codes[rows] = data.codes
    return Labels(codes, data.names, rows[data.train], rows[data.validation], data.image_ids)
