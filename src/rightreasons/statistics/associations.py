"""Association of two quantities over cells: rank correlation, and the mixed-effects regression."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.statistics.bootstrap import Interval, chunks, percentile_interval

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray


def rank_correlation(
    x: Array, y: Array, *, rng: np.random.Generator, replicates: int = 1000
) -> Interval:
    """Return Spearman's correlation with a bootstrap interval over pairs.

    Parameters
    ----------
    x, y : (N,)
        Pairs with a missing number are left out.
    rng
        Draws the replicates.
    replicates
        Number of bootstrap samples.

    Returns
    -------
    Interval
        In [-1, 1]; missing for fewer than three pairs and for a constant.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    if len(x) < 3:
        return Interval(np.nan, np.nan, np.nan, len(x))
    samples = []
    for size in chunks(replicates, len(x)):
        drawn = rng.integers(0, len(x), (size, len(x)))
        samples.append(_spearman(x[drawn], y[drawn]))
    value = float(_spearman(x[None], y[None])[0])
    return percentile_interval(value, np.concatenate(samples), n=len(x))


def fairness_saliency_regression(frame: pd.DataFrame) -> pd.DataFrame:
    """Regress the change of an outcome on the shift of saliency, over cells.

    Fitted is a mixed model with a random intercept per task and, in it, per seed (one seed's models
    in two tasks share nothing but the number). Where that cannot be fitted (one task, one seed, a
    variance of zero): least squares with an intercept per task and errors robust to the clusters
    task x seed.

    Parameters
    ----------
    frame
        A row per cell with change, shift, task, seed; rows with a missing number are left out.

    Returns
    -------
    pandas.DataFrame
        Two rows, Intercept (the mean over tasks) and shift, with term, estimate, std_error, ci_low,
        ci_high, p_value, n and `model`, which says what was fitted. Fewer than four cells, or a
        constant shift: one row of missing numbers.
    """
    import pandas as pd

    columns = ["change", "shift", "task", "seed"]
    data = frame[columns].dropna().reset_index(drop=True)
    if len(data) < 4 or data["shift"].nunique() < 2:
        empty = dict.fromkeys(["estimate", "std_error", "ci_low", "ci_high", "p_value"], np.nan)
        return pd.DataFrame(
            [{"term": "shift", **empty, "n": len(data), "model": "none: too few cells"}]
        )
    fit, model = _mixed_model(data) or _least_squares(data)
    terms = ["Intercept", "shift"]
    bounds = fit.conf_int().loc[terms]
    return pd.DataFrame(
        {
            "term": terms,
            "estimate": fit.params[terms].to_numpy(),
            "std_error": fit.bse[terms].to_numpy(),
            "ci_low": bounds[0].to_numpy(),
            "ci_high": bounds[1].to_numpy(),
            "p_value": fit.pvalues[terms].to_numpy(),
            "n": len(data),
            "model": model,
        }
    )


def _mixed_model(data: pd.DataFrame) -> tuple[Any, str] | None:
    """Return the fitted mixed model and its description, or None where it is not identified."""
    import statsmodels.formula.api as smf

    if data["task"].nunique() < 2 or data["seed"].nunique() < 2:
        return None
    model = smf.mixedlm(
        "change ~ shift",
        data,
        groups="task",
        vc_formula={"seed": "0 + C(seed)"},
        re_formula="1",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit()
        except (np.linalg.LinAlgError, ValueError):
            return None
    variances = [*np.diag(fit.cov_re), *fit.vcomp]
    sound = fit.converged and np.isfinite(fit.bse_fe).all() and min(variances) > 1e-6 * fit.scale
    return (fit, "mixed model, random intercepts of task and of seed in task") if sound else None


def _least_squares(data: pd.DataFrame) -> tuple[Any, str]:
    import statsmodels.formula.api as smf

    tasks = " + C(task, Sum)" if data["task"].nunique() > 1 else ""
    model = smf.ols(f"change ~ shift{tasks}", data)
    clusters = data.groupby(["task", "seed"]).ngroup().to_numpy()
    what = "least squares, intercept per task" if tasks else "least squares"
    if len(np.unique(clusters)) < 2:
        return model.fit(cov_type="HC3", use_t=True), f"{what}, errors HC3"
    robust = model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    return robust, f"{what}, errors clustered by task and seed"


def _spearman(x: Array, y: Array) -> Array:
    """Return the correlations of ranks (B,) of x and y (B, N), ties at their mean rank."""
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (x, y))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    out = np.full(len(a), np.nan)
    return np.divide((a * b).sum(axis=1), scale, out=out, where=scale > 0)
