"""After debiasing, which map can be believed? The table `yardstick_debiased`."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from rightreasons.tables.claims import CLAIM, GROUP, is_pair
from rightreasons.tables.yardstick_tasks import by_task, numbers_over_tasks


def yardstick_debiased(
    rows: pd.DataFrame, original: str, copies: Collection[str] = ()
) -> pd.DataFrame:
    """Return how far maps tell debiased models that still rely on the attribute from others.

    Debiased models are those of other methods than the original, in groups (levels above 0) whose
    original relies on the attribute. They are ranked within a task and level: nothing but the
    method and the seed differs.

    Parameters
    ----------
    rows
        What `tables.yardstick_tasks.held` returns of the table `reliance`.
    original
        The method that others start from.
    copies
        Methods whose maps are the original's: no map can tell what they do. With them there is a
        second row each.

    Returns
    -------
    pandas.DataFrame
        A row per CLAIM, truth and maps (`own`: methods with maps of their own; `any`: all). Means
        over tasks as in the table `yardstick`, of numbers that are means over a task's levels; how
        often a claim that is made is true (true_if_made), and one that is not made is untrue
        (untrue_if_not). No rows without debiased models.
    """
    debiased = _debiased(rows, original)
    own = debiased[~debiased["method"].isin(list(copies))]
    kinds = {"own": own, "any": debiased} if len(own) < len(debiased) else {"own": own}
    made = [_of(part).assign(maps=maps) for maps, part in kinds.items() if len(part)]
    if not made:
        return pd.DataFrame({"study": []})
    table = pd.concat(made, ignore_index=True)
    seen = (table["truth"] == "flips") & (table["shown"] != "without") & (table["maps"] == "own")
    ranked = table["within"].where(seen & table["area_within"].notna())
    table["rank"] = ranked.rank(ascending=False, method="min").astype("Int64")
    return table.sort_values(["maps", "truth", "rank", *CLAIM], ignore_index=True)


def _debiased(rows: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return the rows of other methods in groups whose original relies on the attribute."""
    first = rows[(rows["method"] == original) & ~is_pair(rows["metric"])]
    relied = first[first["reliant"].astype(bool)][GROUP].drop_duplicates()
    return rows[rows["method"] != original].merge(relied, on=GROUP)


def _of(rows: pd.DataFrame) -> pd.DataFrame:
    tasks = by_task(rows, ("level",))
    if tasks.empty:
        return tasks
    made = []
    groups = rows[rows["place"]].groupby(CLAIM, observed=True)
    judged = dict(list(groups))
    for key, part in tasks.groupby([*CLAIM, "truth"], sort=False, observed=True):
        counts = {name: int(part[name].sum()) for name in ("models", "n_reliant", "n_not_reliant")}
        names = dict(zip([*CLAIM, "truth"], key, strict=True))
        numbers = {**numbers_over_tasks(part), **counts, **_believed(judged[key[:-1]])}
        made.append({**names, **numbers})
    return pd.DataFrame(made)


def _believed(rows: pd.DataFrame) -> dict[str, float]:
    """Return how often claims that are made are true, and those that are not are untrue."""
    judged = rows[rows["called"].notna()]
    made, true = judged["called"].astype(bool), judged["reliant"].astype(bool)
    return {
        "hit_rate": _share(made[true]),
        "false_alarm_rate": _share(made[~true]),
        "true_if_made": _share(true[made]),
        "untrue_if_not": _share(~true[~made]),
        "n_made": int(made.sum()),
        "n_not_made": int((~made).sum()),
    }


def _share(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else np.nan
