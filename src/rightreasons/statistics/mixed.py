"""What methods change over tasks, levels and seeds: a mixed-effects model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.statistics.student import t_quantile, t_statistic

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["method", "effect", "effect_low", "effect_high", "effect_p", "effect_model"]


def method_effects(frame: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return how far each method's numbers are from the original's, over all runs.

    Fitted is a mixed model: a fixed effect per method, random intercepts of the block, of the seed
    in the block (its models share split and images) and of the method in the block (a method does
    not do the same everywhere); their variances by restricted likelihood, some of which may be 0.
    Intervals are Student's with (blocks - 1) (methods - 1) degrees of freedom: more seeds make no
    more blocks. With one block: least squares with errors robust to the clusters task x seed.

    Parameters
    ----------
    frame
        A row per run with value, method, block, task, seed; rows with a missing number are left
        out.
    original
        The method that the others are held against.

    Returns
    -------
    pandas.DataFrame
        A row per other method, in their order: method, effect (its mean minus the original's),
        effect_low, effect_high, effect_p, and effect_model, which says what was fitted. Interval
        and p are missing where nothing says how far the effect can be trusted. No rows without
        runs of the original and of another method.
    """
    import pandas as pd

    data = frame.dropna(subset=["value"]).reset_index(drop=True)
    others = [method for method in dict.fromkeys(data["method"]) if method != original]
    if original not in set(data["method"]) or not others:
        return pd.DataFrame(columns=COLUMNS)
    codes = {method: i for i, method in enumerate([original, *others])}
    data = data.assign(code=data["method"].map(codes))
    fit, model, df = _mixed_model(data) or _least_squares(data)
    terms = [f"C(code)[T.{codes[method]}]" for method in others]
    effect = fit.params[terms].to_numpy()
    errors = fit.bse[terms].to_numpy() if df > 0 else np.full(len(others), np.nan)
    error = np.where(np.isfinite(errors) & (errors > 0), errors, np.nan)
    margin = error * t_quantile(df)
    pairs = zip(effect.tolist(), error.tolist(), strict=True)
    p = [t_statistic(value, own, df, "two-sided")[1] for value, own in pairs]
    columns = (others, effect, effect - margin, effect + margin, p, model)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _mixed_model(data: pd.DataFrame) -> tuple[Any, str, int] | None:
    """Return fit, description and degrees of freedom; None with one block, or without a fit.

    With one seed the seed in the block is the block, and a method in the block is the residual.
    Powell's search is the one of statsmodels' that finds variances of 0.
    """
    import statsmodels.formula.api as smf

    blocks, methods = data["block"].nunique(), data["code"].nunique()
    if blocks < 2:
        return None
    seeds = data.groupby("block")["seed"].nunique().max()
    parts = {"method": "0 + C(code)", "seed": "0 + C(seed)"} if seeds > 1 else None
    model = smf.mixedlm("value ~ C(code)", data, groups="block", re_formula="1", vc_formula=parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit(method=["powell"])
        except (np.linalg.LinAlgError, ValueError):
            return None
    if not (fit.converged and np.isfinite(fit.bse_fe).all()):
        return None
    variances = {"block": fit.cov_re.iloc[0, 0]}
    variances |= {f"{n} in block": v for n, v in zip(model.exog_vc.names, fit.vcomp, strict=True)}
    varying = [name for name, variance in variances.items() if variance > 1e-6 * fit.scale]
    what = f"mixed model, random intercepts: {', '.join(varying) or 'none above 0'}"
    return fit, what, (blocks - 1) * (methods - 1)


def _least_squares(data: pd.DataFrame) -> tuple[Any, str, int]:
    """Return fit, description and degrees of freedom, 0 where there is no error to estimate."""
    import statsmodels.formula.api as smf

    several = data["block"].nunique() > 1
    model = smf.ols("value ~ C(code)" + (" + C(block, Sum)" if several else ""), data)
    what = "least squares, intercept per block" if several else "least squares"
    clusters = data.groupby(["task", "seed"]).ngroup().to_numpy()
    count = len(np.unique(clusters))
    if model.df_resid < 1:
        return model.fit(), what, 0
    if count < 2:
        return model.fit(cov_type="HC3", use_t=True), f"{what}, errors HC3", int(model.df_resid)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    return fit, f"{what}, errors clustered by task and seed", count - 1
