"""Insertion: the probability of the class while the most relevant pixels are shown first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.probes import PROBES, Probing
from rightreasons.probes._boxes import area, known
from rightreasons.probes._params import StepParams

if TYPE_CHECKING:
    from rightreasons.probes._probing import Array


class InsertionParams(StepParams):
    """Parameters of insertion."""

    blur: float = Field(
        0.05,
        gt=0,
        le=0.3,
        description="Standard deviation of the Gaussian blur that the image begins with, as a "
        "share of its shorter side.",
    )


@PROBES.register(
    "insertion",
    title="Insertion",
    paper="Petsiuk et al. 2018",
    params=InsertionParams,
    family="faithfulness",
    sign="signed",
    needs=("passes",),
    bounds=(0, 1),
    formula=r"\int_0^1 p(\mathrm{blur}(x)_{+ s})\,ds",
    order=2,
    small={"steps": 4},
)
def insertion(given: Probing, params: InsertionParams) -> Array:
    """Return the area under the probability of the class explained.

    Large where a little of what is relevant is enough for the class.
    """
    from rightreasons.probes._hidden import blurred, hidden_curve

    under = given.shared("blurred", lambda: blurred(given.inputs, params.blur))
    logits = hidden_curve(given, params, under=under, shown=True)
    return known(area(given.probability(logits)), given.empty)
