"""Max sensitivity: how far a map moves when the image hardly does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.metrics._intensity import ratio
from rightreasons.probes import PROBES, Probing

if TYPE_CHECKING:
    import torch

    from rightreasons.probes._probing import Array


class MaxSensitivityParams(Params):
    """Parameters of max sensitivity."""

    samples: int = Field(8, ge=1, description="Changed copies of each image.")
    radius: float = Field(
        0.1,
        gt=0,
        description="Most that a value of the normalised image changes by (1 is about 57 of 255 "
        "grey levels).",
    )


@PROBES.register(
    "max_sensitivity",
    title="Max sensitivity",
    paper="Yeh et al. 2019",
    params=MaxSensitivityParams,
    family="robustness",
    better="lower",
    sign="signed",
    needs=("maps",),
    bounds=(0, float("inf")),
    formula=r"\max_{\|\delta\|_\infty \le r} \frac{\|R(x + \delta) - R(x)\|}{\|R(x)\|}",
    order=10,
    small={"samples": 2},
)
def max_sensitivity(given: Probing, params: MaxSensitivityParams) -> Array:
    """Return the largest relative change of the map over some uniform changes of the image.

    Every copy is explained with random numbers of its own: what an explainer's own chance does to
    its maps counts as well.
    """
    size = np.linalg.norm(given.maps, axis=(1, 2))
    largest = np.zeros(len(size))
    for sample in range(params.samples):
        again = given.explain(_moved(given, params.radius, sample), stream=f"sample {sample}")
        largest = np.maximum(largest, np.linalg.norm(again - given.maps, axis=(1, 2)))
    return ratio(largest, size)


def _moved(given: Probing, radius: float, sample: int) -> torch.Tensor:
    """Return the images with uniform noise in [-radius, radius]."""
    import torch

    shape = given.inputs.shape[1:]
    noise = [given.rng(i, "noise", sample).uniform(-radius, radius, shape) for i in
             range(len(given.inputs))]  # fmt: skip
    return given.inputs + torch.from_numpy(np.stack(noise)).to(given.inputs)
