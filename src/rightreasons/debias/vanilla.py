"""Vanilla: the network as trained, decided at 0.5. Every method is compared with it."""

from __future__ import annotations

from rightreasons.core.registry import Params
from rightreasons.debias import METHODS, Context, Debiased


@METHODS.register(
    "vanilla",
    title="Vanilla",
    paper="baseline",
    changes="nothing",
    uses_target=("train",),
    reference=True,
    random=False,
    style=("#000000", "o", "-"),
)
def vanilla(context: Context, params: Params) -> Debiased:
    """Return the network and the decision at 0.5 unchanged."""
    return Debiased()
