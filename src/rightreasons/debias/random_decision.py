"""Random decision, a control: a coin that comes up 1 as often as vanilla decides it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.learning.decisions import ALWAYS, NEVER, Decision, GroupDecision


class RandomDecisionParams(Params):
    """What of the coin is measured."""

    lottery: Literal["expected", "draw"] = Field(
        "draw",
        description="what is measured: how often 1 is decided, or the decisions of one draw",
    )


@METHODS.register(
    "random_decision",
    title="Random decision",
    paper="control",
    params=RandomDecisionParams,
    changes="decision",
    noise=True,
    style=("#999999", "x", ":"),
)
def random_decision(context: Context, params: RandomDecisionParams) -> Debiased:
    """Return vanilla decided by a coin, the same for all, which never looks at the image."""
    score = context.predictions["score"].to_numpy()
    share = float(Decision().decide(score, score, []).mean())
    rule = GroupDecision(
        thresholds=((ALWAYS, NEVER), (ALWAYS, NEVER)),
        weights=((share, 1 - share), (share, 1 - share)),
        seed=context.seed_of("random_decision") % 2**31,
        lottery=params.lottery,
    )
    return Debiased(decision=rule, notes={"share": share})
