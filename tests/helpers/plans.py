"""Plans of studies that tests of plans look at."""

from __future__ import annotations

from typing import Any

from rightreasons.core.job import Group
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from study import tiny


def plan_of(**changes: Any) -> Plan:
    return Plan(load_config({**tiny(), **changes}))


def group_of(plan: Plan, level: float = 0.8) -> Group:
    return plan.grid.group("smiling_by_necktie", "phi", level, 0)
