"""Making saliency maps of one model: which images, which class, all explainers of a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rightreasons.core.job import Chosen
from rightreasons.core.seeds import generator_of, numpy_rng
from rightreasons.runtime.devices import fit_batch
from rightreasons.saliency import EXPLAINERS

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


def sample_images(
    test: pd.DataFrame, n_images: int | str, seed: int, task: str, pool: int | None = None
) -> pd.DataFrame:
    """Return the test images that get maps: all, or as many from each target x protected cell.

    The draw depends on the seed and the task alone, so every method of a cell and every level
    with the same test images shares it.

    Parameters
    ----------
    test
        The rows of a split with the role test.
    n_images
        "all", or a number that is divided by four and rounded down; a cell that has fewer gives
        all. Of more than four cells it is divided by their number, but each gives one at least.
    seed, task
        Of the cell.
    pool
        The number of the pool's images where each is there without and with an artifact (rows r and
        r + pool): both versions are then drawn together.

    Returns
    -------
    DataFrame
        Rows of `test`, in their order.
    """
    if n_images == "all":
        return test.reset_index(drop=True)
    rng = numpy_rng(seed, "explain", task)
    source = test["row"].to_numpy() if pool is None else test["row"].to_numpy() % pool
    order = rng.permutation(np.unique(source))
    rank = pd.Series(np.arange(len(order)), index=order)
    drawn = test.assign(_rank=rank.loc[source].to_numpy()).sort_values("_rank")
    cells = drawn.groupby(["target", "protected"])
    chosen = cells.head(max(int(n_images) // max(cells.ngroups, 4), 1))
    return test.loc[chosen.index.sort_values()].reset_index(drop=True)


def explain(
    model: Classifier,
    images: Any,
    classes: torch.Tensor,
    explainers: Sequence[Chosen],
    *,
    device: torch.device,
    batch_size: int,
    seed_of: Callable[[str], int],
    progress: Callable[..., Any],
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of some images by some explainers.

    Where a batch does not fit into the device's memory, the explainer begins anew with half of it:
    the maps are the same up to rounding, those of explainers that draw random numbers up to the
    draw.

    Parameters
    ----------
    model
        The network, on `device`, in eval mode.
    images : uint8 (N, H, W, 3)
        What is explained.
    classes : int64 (N,)
        The class whose logit is explained, for each image.
    explainers
        The E explainers of a set: name -> kind and parameters.
    device
        Where to compute.
    batch_size
        Images at a time.
    seed_of
        The seed of an explainer's random stream, by its name.
    progress
        Wraps an iterable in a progress bar.
    out : float32 (E, N, H, W)
        Where the maps go, batch by batch, such as a memory-mapped array.

    Returns
    -------
    maps : float32 (E, N, H, W)
        Signed, summed over channels; `out` where it is given.
    errors : float32 (E, N)
        Of the explainers' self-checks, NaN where an explainer promises no sum.
    """
    shape = (len(explainers), *images.shape[:3])
    maps = np.empty(shape, np.float32) if out is None else out
    errors = np.empty(shape[:2], np.float32)
    for chosen, of_images, of_error in zip(explainers, maps, errors, strict=True):
        one = _One(model, images, classes, chosen, device, seed_of(chosen.name), progress)
        fit_batch(partial(one.fill, of_images, of_error), batch_size, f"explain {chosen.name}")
    return maps, errors


@dataclass(frozen=True)
class _One:
    """One explainer, and what it explains."""

    model: Classifier
    images: Any
    classes: torch.Tensor
    chosen: Chosen
    device: torch.device
    seed: int
    progress: Callable[..., Any]

    def fill(self, maps: np.ndarray, errors: np.ndarray, batch_size: int) -> None:
        """Write the maps (N, H, W) and errors (N,), batch by batch."""
        import torch

        from rightreasons.learning.images import normalise, take

        component = EXPLAINERS[self.chosen.kind]
        params = component.params.model_validate(self.chosen.params)
        generator = generator_of(self.seed)
        order = torch.arange(len(self.images))
        with component.run(self.model, params, generator) as attribute:
            starts = range(0, len(self.images), batch_size)
            for start in self.progress(starts, component.name):
                part = slice(start, start + batch_size)
                batch = take(self.images, order[part], self.device)
                made = attribute(normalise(batch, self.device), self.classes[part].to(self.device))
                maps[part] = made.maps.float().cpu().numpy()
                errors[part] = made.error.float().cpu().numpy()


def map_index(
    images: pd.DataFrame,
    classes: np.ndarray,
    logits: np.ndarray,
    explainers: Sequence[Chosen],
    errors: np.ndarray,
) -> pd.DataFrame:
    """Return one row per (explainer, image), in the order of the maps' first two axes.

    Parameters
    ----------
    images
        The images that have maps: image_id, row, target, protected, and watched where an attribute
        is.
    classes : (N,)
        The class that was explained.
    logits : (N, 2)
        The network's.
    explainers
        The E explainers of a set: name -> kind and parameters.
    errors : (E, N)
        Of their self-checks.

    Returns
    -------
    DataFrame
        explainer, image_id, row, target, protected, watched (if it is given), explained_class,
        logit (of that class), check (what the explainer promises: conservation, completeness or
        nothing), check_error.
    """
    known = [
        "image_id",
        "row",
        "target",
        "protected",
        *(["watched"] if "watched" in images else []),
    ]
    base = images[known].assign(
        explained_class=classes.astype(np.int8),
        logit=logits[np.arange(len(classes)), classes.astype(np.int64)],
    )
    parts = [
        base.assign(
            explainer=chosen.name,
            check=EXPLAINERS[chosen.kind].traits["check"],
            check_error=of_error.astype(np.float64),
        )
        for chosen, of_error in zip(explainers, errors, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
