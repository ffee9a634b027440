"""General mask: training images grey where the attribute is on average."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._input import MASK_SEARCH, PAPER, MaskParams, general_region, mask, retrain


@METHODS.register(
    "mask_general",
    title="General mask",
    paper=PAPER,
    params=MaskParams,
    needs=("regions",),
    uses_target=("train",),
    uses_protected=("regions",),
    scheme="General Mask",
    hides="quantile",
    presets={"published": {"epochs": 10}},
    search=MASK_SEARCH,
)
def mask_general(context: Context, params: MaskParams) -> Debiased:
    """Return vanilla trained anew, on images that are grey where the general map is high."""
    change = mask(general_region(context, params.quantile))
    return retrain(context, context.train(), params, "mask_general", change)
