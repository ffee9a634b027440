"""All probes of all explainers of one network's maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.core.job import Chosen
from rightreasons.core.seeds import derive
from rightreasons.probes import PROBES
from rightreasons.probes._probing import PIXELS, Probing
from rightreasons.runtime.devices import fit_batch
from rightreasons.saliency import EXPLAINERS

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from rightreasons.models.classifier import Classifier

Array = np.ndarray


@dataclass(frozen=True)
class Probed:
    """What is probed: a network, and images with maps.

    Attributes
    ----------
    model
        The network, on `device`, in eval mode.
    fresh
        Returns one of the same architecture that has not been trained.
    images : uint8 (N, H, W, 3)
        The images.
    keys : int (N,)
        A number for each image, which its random numbers are drawn by.
    classes : int64 (N,)
        Whose logits are explained.
    explainers
        Name, kind and parameters of each.
    maps
        The maps (N, H, W) of each, by name.
    """

    model: Classifier
    fresh: Callable[[], Classifier]
    images: Any
    keys: Array
    classes: Array
    explainers: Sequence[Chosen]
    maps: Mapping[str, Array]
    device: torch.device


def probe_values(
    of: Probed, probes: Sequence[Chosen], *, batch_size: int, seed: int, progress: Any
) -> pd.DataFrame:
    """Return the value of every probe for every explainer and image.

    Where a pass does not fit into the device's memory, the probe begins anew with half as many
    images in a pass.

    Parameters
    ----------
    of
        The network, the images and their maps.
    probes
        Name, kind and parameters of each.
    batch_size
        Images that are probed together.
    seed
        Of the random numbers.
    progress
        Wraps an iterable in a progress bar.

    Returns
    -------
    DataFrame
        A row per probe, explainer and image: probe, explainer, control (the explainer sees neither
        network nor class), image (its place), value (NaN where there is none).
    """
    import pandas as pd

    values = np.empty((len(probes), len(of.explainers), len(of.images)))
    starts = range(0, len(of.images), batch_size)
    for start in progress(starts, "probe"):
        part = slice(start, start + batch_size)
        for one, chosen in zip(values, probes, strict=True):
            given = _given(of, part, chosen, derive(seed, "probe", chosen.name))
            for row, explainer in zip(one, of.explainers, strict=True):
                own = given.of(explainer, of.maps[explainer.name][part])
                row[part] = probe_one(chosen, own)
    controls = [EXPLAINERS[e.kind].traits["control"] for e in of.explainers]
    names = [e.name for e in of.explainers]
    n = len(of.images)
    return pd.DataFrame(
        {
            "probe": np.repeat([p.name for p in probes], len(names) * n),
            "explainer": np.tile(np.repeat(names, n), len(probes)),
            "control": np.tile(np.repeat(controls, n), len(probes)),
            "image": np.tile(np.arange(n), len(probes) * len(names)),
            "value": values.ravel(),
        }
    )


def probe_one(chosen: Chosen, given: Probing) -> Array:
    """Return the values (n,) of one probe for one explainer's maps of some images."""
    component = PROBES[chosen.kind]
    params = component.params.model_validate(chosen.params)

    def work(at_once: int) -> Array:
        return np.asarray(component.run(given.passing(at_once), params), np.float64)

    return fit_batch(work, given.at_once, f"probe {chosen.name} of {given.explainer.name}")


def _given(of: Probed, part: slice, probe: Chosen, seed: int) -> Probing:
    """Return some images, still without maps."""
    import torch

    from rightreasons.learning.images import normalise, take

    which = np.arange(len(of.images))[part]
    inputs = normalise(take(of.images, torch.from_numpy(which), of.device), of.device)
    height, width = inputs.shape[2:]
    return Probing(
        model=of.model,
        inputs=inputs,
        classes=torch.from_numpy(of.classes[part].astype(np.int64)).to(of.device),
        maps=np.empty((len(which), height, width)),
        explainer=of.explainers[0],
        keys=tuple(int(key) for key in of.keys[part]),
        seed=seed,
        fresh=of.fresh,
        sign=PROBES[probe.kind].traits["sign"],
        at_once=max(1, PIXELS // (height * width)),
    )
