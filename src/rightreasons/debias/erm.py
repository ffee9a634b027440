"""ERM, a control: vanilla trained again, with a budget of its own."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, trained_fresh


@METHODS.register(
    "erm",
    title="Vanilla, trained again",
    paper="control: empirical risk minimisation",
    params=FreshParams,
    search=BUDGET,
    style=("#808080", "o", LINE),
)
def erm(context: Context, params: FreshParams) -> Debiased:
    """Return the untrained vanilla network trained with cross-entropy and nothing else."""
    return trained_fresh(context, params, "erm")
