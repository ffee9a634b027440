"""ThrOpt by group: randomised thresholds that equalise odds exactly on the debias split."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.core.search import Choice
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._thresholds import equalized_odds_rule


class ThroptGroupParams(Params):
    """What the rule maximises."""

    objective: Literal["accuracy", "balanced_accuracy"] = Field(
        "balanced_accuracy", description="what is maximised among the rules with equal odds"
    )
    lottery: Literal["expected", "draw"] = Field(
        "expected",
        description="what is measured: how often 1 is decided, or the decisions of one draw",
    )


@METHODS.register(
    "thropt_group",
    title="ThrOpt by group",
    paper="Hardt, Price, Srebro 2016",
    params=ThroptGroupParams,
    changes="decision",
    uses_protected=("fit", "decision"),
    style=("#0072B2", "v", ":"),
    presets={"published": {"objective": "accuracy"}},
    search={"objective": Choice(("accuracy", "balanced_accuracy"))},
    all_cells=True,
)
def thropt_group(context: Context, params: ThroptGroupParams) -> Debiased:
    """Return vanilla with the best rule of equal odds on the debias split."""
    known = context.predictions
    rule, (fpr, tpr) = equalized_odds_rule(
        known["score"].to_numpy(),
        known["target"].to_numpy(),
        known["protected"].to_numpy(),
        params.objective,
        seed=context.seed_of("thropt_group") % 2**31,
        what="methods.thropt_group",
    )
    rule = replace(rule, lottery=params.lottery)
    return Debiased(decision=rule, notes={"fpr": fpr, "tpr": tpr})
