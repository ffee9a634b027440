"""From the table `cell_metrics` to what the figures show."""

from __future__ import annotations

import pandas as pd

from rightreasons.metrics import playing
from rightreasons.statistics.student import mean_interval

CELL = ["task", "design", "level", "seed", "method"]
# Two seeds make Student's interval nine times as wide as they are apart: of no use in a picture.
STUDENT_SEEDS = 3


def metric_rows(
    cell_metrics: pd.DataFrame, metric: str, explainer: str | None = None
) -> pd.DataFrame:
    """Return a metric's rows: of one explainer, and those that no explainer applies to.

    Parameters
    ----------
    cell_metrics
        The table.
    metric
        Its name.
    explainer
        Without one, only rows that no explainer applies to.
    """
    own = cell_metrics["explainer"].isna()
    if explainer is not None:
        own |= cell_metrics["explainer"] == explainer
    return cell_metrics[(cell_metrics["metric"] == metric) & own]


def collapsed_cells(cell_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the keys (CELL) of the cells whose model is (nearly) a constant classifier."""
    rows = pd.concat([metric_rows(cell_metrics, metric) for metric in playing("collapse")])
    return rows.loc[rows["value"] == 1, CELL].drop_duplicates()


def over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean and 95 % interval over seeds of one metric.

    Parameters
    ----------
    rows
        The metric's rows of the table `cell_metrics`; missing values are left out.

    Returns
    -------
    pandas.DataFrame
        A row per level and method: level, method, mean, low, high, seeds. The interval is Student's
        from STUDENT_SEEDS seeds on; with fewer it is the mean of the cells' own intervals over
        images.
    """
    known = rows.dropna(subset=["value"])
    summaries = [
        {"level": level, "method": method, **_summary(part)}
        for (level, method), part in known.groupby(["level", "method"], sort=True)
    ]
    return pd.DataFrame(summaries, columns=["level", "method", "mean", "low", "high", "seeds"])


def changes(
    cell_metrics: pd.DataFrame, metric: str, original: str, explainer: str | None = None
) -> pd.Series:
    """Return a metric's value minus the original's of the same task, design, level and seed.

    Parameters
    ----------
    cell_metrics
        The table.
    metric
        Its name.
    original
        The method that changes are against.
    explainer
        Of metrics of maps.

    Returns
    -------
    pandas.Series
        Indexed by CELL, without the original; missing where either value is missing.
    """
    values = values_of(cell_metrics, metric, explainer)
    methods = values.index.get_level_values("method")
    of_original = values[methods == original].droplevel("method")
    others = values[methods != original]
    cells = others.index.droplevel("method")  # type: ignore[arg-type]
    return others - of_original.reindex(cells).to_numpy()


def values_of(cell_metrics: pd.DataFrame, metric: str, explainer: str | None = None) -> pd.Series:
    """Return a metric's values, indexed by CELL."""
    return metric_rows(cell_metrics, metric, explainer).set_index(CELL)["value"].sort_index()


def _summary(part: pd.DataFrame) -> dict[str, float]:
    if len(part) < STUDENT_SEEDS:
        mean, low, high = part[["value", "ci_low", "ci_high"]].to_numpy(float).mean(axis=0)
    else:
        interval = mean_interval(part["value"].to_numpy(float))
        mean, low, high = interval.value, interval.low, interval.high
    return {"mean": mean, "low": low, "high": high, "seeds": len(part)}
