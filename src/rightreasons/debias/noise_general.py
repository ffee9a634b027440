"""General noise: training images noisy where the attribute is on average."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._input import (
    NOISE_SEARCH,
    PAPER,
    NoiseParams,
    general_region,
    noise,
    noise_generator,
    retrain,
)


@METHODS.register(
    "noise_general",
    title="General noise",
    paper=PAPER,
    params=NoiseParams,
    needs=("regions",),
    uses_target=("train",),
    uses_protected=("regions",),
    scheme="General Noise",
    hides="quantile",
    presets={"published": {"epochs": 20}},
    search=NOISE_SEARCH,
    knob="sigma",
)
def noise_general(context: Context, params: NoiseParams) -> Debiased:
    """Return vanilla trained anew, on images that are noisy where the general map is high."""
    region = general_region(context, params.quantile)
    change = noise(region, params.sigma, noise_generator(context, "noise_general"))
    return retrain(context, context.train(), params, "noise_general", change)
