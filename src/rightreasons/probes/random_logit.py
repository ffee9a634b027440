"""Random logit: how alike the maps of two classes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightreasons.core.registry import Params
from rightreasons.metrics._similarity import KINDS
from rightreasons.probes import PROBES, Probing

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


@PROBES.register(
    "random_logit",
    title="Random logit",
    paper="Sixt et al. 2020",
    family="randomisation",
    better="lower",
    sign="signed",
    needs=("maps",),
    bounds=(-1, 1),
    formula=r"\rho(R_c, R_{1 - c})",
    order=32,
)
def random_logit(given: Probing, params: Params) -> Array:
    """Return Spearman's correlation over pixels with the map of the other class, signed.

    The explainer draws the same random numbers for both. NaN where a map is constant.
    """
    own, other = given.explain(), given.explain(classes=1 - given.classes)
    return KINDS["spearman"](own, other).clip(-1, 1)
