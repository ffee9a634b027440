"""Pixel flipping: how far the logit falls while the most relevant pixels are hidden first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightreasons.probes import PROBES, Probing
from rightreasons.probes._boxes import area, known
from rightreasons.probes._params import CurveParams

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


@PROBES.register(
    "pixel_flipping",
    title="Pixel flipping",
    paper="Bach et al. 2015; area: Samek et al. 2017",
    params=CurveParams,
    family="faithfulness",
    sign="signed",
    needs=("passes",),
    formula=r"f(x) - \int_0^1 f(x_{\setminus s})\,ds",
    order=0,
    small={"steps": 4},
)
def pixel_flipping(given: Probing, params: CurveParams) -> Array:
    """Return the mean fall of the logit along the curve.

    x without its share s of most relevant boxes, which get the baseline's colour. In logits; above
    0 where hiding what is relevant takes the class's evidence away.
    """
    from rightreasons.probes._hidden import hidden_curve

    curve = given.asked(hidden_curve(given, params))
    return known(curve[:, 0] - area(curve), given.empty | np.isnan(curve).any(axis=1))
