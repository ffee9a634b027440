"""Deletion: the probability of the class while the most relevant pixels are hidden first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightreasons.probes import PROBES, Probing
from rightreasons.probes._boxes import area, known
from rightreasons.probes._params import CurveParams

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


@PROBES.register(
    "deletion",
    title="Deletion",
    paper="Petsiuk et al. 2018",
    params=CurveParams,
    family="faithfulness",
    better="lower",
    sign="signed",
    needs=("passes",),
    bounds=(0, 1),
    formula=r"\int_0^1 p(x_{\setminus s})\,ds",
    order=1,
    small={"steps": 4},
)
def deletion(given: Probing, params: CurveParams) -> Array:
    """Return the area under the probability of the class explained.

    Small where hiding what is relevant makes the network doubt the class at once.
    """
    from rightreasons.probes._hidden import hidden_curve

    return known(area(given.probability(hidden_curve(given, params))), given.empty)
