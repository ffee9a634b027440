"""Specific noise: training images noisy where each shows the attribute."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._input import (
    NOISE_SEARCH,
    PAPER,
    NoiseParams,
    noise,
    noise_generator,
    retrain,
    specific_region,
)


@METHODS.register(
    "noise_specific",
    title="Specific noise",
    paper=PAPER,
    params=NoiseParams,
    needs=("regions",),
    uses_target=("train",),
    uses_protected=("regions",),
    scheme="Specific Noise",
    hides="quantile",
    presets={"published": {"epochs": 20}},
    search=NOISE_SEARCH,
    knob="sigma",
)
def noise_specific(context: Context, params: NoiseParams) -> Debiased:
    """Return vanilla trained anew, on images that are noisy where their own map is high."""
    region = specific_region(context, params.quantile)
    change = noise(region, params.sigma, noise_generator(context, "noise_specific"))
    return retrain(context, context.train(), params, "noise_specific", change)
