"""Specific mask: training images grey where each shows the attribute."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._input import (
    MASK_SEARCH,
    PAPER,
    MaskParams,
    mask,
    retrain,
    specific_region,
)


@METHODS.register(
    "mask_specific",
    title="Specific mask",
    paper=PAPER,
    params=MaskParams,
    needs=("regions",),
    uses_target=("train",),
    uses_protected=("regions",),
    scheme="Specific Mask",
    hides="quantile",
    presets={"published": {"epochs": 10}},
    search=MASK_SEARCH,
)
def mask_specific(context: Context, params: MaskParams) -> Debiased:
    """Return vanilla trained anew, on images that are grey where their own map is high."""
    change = mask(specific_region(context, params.quantile))
    return retrain(context, context.train(), params, "mask_specific", change)
