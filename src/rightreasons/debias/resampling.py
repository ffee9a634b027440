"""Resampling: training on batches in which the cells of target and protected are as likely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.search import Choice, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, trained_fresh

if TYPE_CHECKING:
    from rightreasons.learning.training import Sampler


class ResamplingParams(FreshParams):
    """The budget, and how cells are brought to one size."""

    draw: Literal["over", "under"] = Field(
        "over",
        description="over: images are drawn with replacement, those of small cells more often "
        "(RWG); under: large cells lose images, once for all (SUBG)",
    )
    strength: float = Field(
        1.0, ge=0, le=1, description="0: plain training; 1: all cells are as likely"
    )


@METHODS.register(
    "resampling",
    title="Resampling",
    paper="Idrissi et al. 2022",
    params=ResamplingParams,
    uses_protected=("train",),
    presets={"published": {}, "subg": {"draw": "under"}},
    search={
        **BUDGET,
        "draw": Choice(("over", "under")),
        "strength": Real(0.25, 1.0, zero=0.125),
    },
    knob="strength",
    style=("#56B4E9", "D", LINE),
)
def resampling(context: Context, params: ResamplingParams) -> Debiased:
    """Return vanilla trained anew on as many images per epoch, drawn by their cells."""
    sampler = levelling_sampler(context, params) if params.strength else None
    return trained_fresh(context, params, "resampling", sampler=sampler)


def levelling_sampler(context: Context, params: ResamplingParams) -> Sampler:
    """Return the sampler of an epoch, which has as many images as the train split either way.

    over: an image of a cell of n_c is drawn with a weight n_c^-strength. under: a cell keeps
    round(n_c^(1 - strength) m^strength) random images, with m the size of the smallest that has
    any; the rest is gone through in random order, again and again.

    References
    ----------
    Idrissi, Arjovsky, Pezeshki and Lopez-Paz 2022, "Simple data balancing achieves competitive
    worst-group-accuracy".
    """
    from rightreasons.debias._cells import (
        Drawn,
        Shuffled,
        levelled,
        levelling_weights,
        sizes,
        subset,
    )

    data = context.train()
    if params.draw == "over":
        return Drawn(levelling_weights(data, params.strength))
    kept = levelled(sizes(data), params.strength)
    return Shuffled(subset(data, kept, context.generator("resampling")), len(data))
