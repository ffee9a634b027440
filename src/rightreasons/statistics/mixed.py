"""What methods change over tasks, levels and seeds: a mixed-effects model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.statistics.student import t_quantile, t_statistic

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["method", "effect", "effect_low", "effect_high", "effect_p", "effect_model"]
#: What can vary beside the block, the richest first, and how it is said.
VARYING = {
    ("seed", "method"): "block, seed in block and method in block",
    ("method",): "block and method in block",
    ("seed",): "block and seed in block",
    (): "block",
}


def method_effects(frame: pd.DataFrame, original: str) -> pd.DataFrame:
    """Return how far each method's numbers are from the original's, over all runs.

    Fitted is a mixed model: a fixed effect per method, random intercepts of the block, of the seed
    in the block (its models share split and images) and of the method in the block (a method does
    not do the same everywhere). Where a variance is zero, its part is left out. Intervals are
    Student's with (blocks - 1) (methods - 1) degrees of freedom: more seeds make no more blocks.
    Where no mixed model can be fitted, as with one block: least squares with an intercept per
    block and errors robust to the clusters task x seed.

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
        effect_low, effect_high, effect_p, and effect_model, which says what was fitted. No rows
        without runs of the original and of another method.
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
    effect, error = fit.params[terms].to_numpy(), fit.bse[terms].to_numpy()
    margin = error * t_quantile(df)
    p = [t_statistic(float(e), float(s), df, "two-sided")[1] for e, s in zip(effect, error)]  # noqa: B905
    columns = (others, effect, effect - margin, effect + margin, p, model)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _mixed_model(data: pd.DataFrame) -> tuple[Any, str, int] | None:
    """Return fit, description and degrees of freedom of the richest model that is identified."""
    import statsmodels.formula.api as smf

    blocks, seeds = data["block"].nunique(), data.groupby("block")["seed"].nunique().max()
    if blocks < 2:
        return None
    df = (blocks - 1) * (data["code"].nunique() - 1)
    for parts, varying in VARYING.items():
        if parts and seeds < 2:
            continue  # one seed: it is the block, and a method in it is the residual
        model = smf.mixedlm(
            "value ~ C(code)",
            data,
            groups="block",
            re_formula="1",
            vc_formula={name: f"0 + C({_COLUMN[name]})" for name in parts} or None,
        )
        if (fit := _fitted(model)) is not None:
            return fit, f"mixed model, random intercepts of {varying}", df
    return None


_COLUMN = {"seed": "seed", "method": "code"}


def _fitted(model: Any) -> Any:
    """Return a fit that converged with all variances above zero, else None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit()
        except (np.linalg.LinAlgError, ValueError):
            return None
        variances = [*np.diag(fit.cov_re), *fit.vcomp]
        sound = fit.converged and np.isfinite(fit.bse_fe).all()
    return fit if sound and min(variances) > 1e-6 * fit.scale else None


def _least_squares(data: pd.DataFrame) -> tuple[Any, str, int]:
    import statsmodels.formula.api as smf

    several = data["block"].nunique() > 1
    model = smf.ols("value ~ C(code)" + (" + C(block, Sum)" if several else ""), data)
    what = "least squares, intercept per block" if several else "least squares"
    clusters = data.groupby(["task", "seed"]).ngroup().to_numpy()
    count = len(np.unique(clusters))
    if count < 2:
        fit = model.fit(cov_type="HC3", use_t=True)
        return fit, f"{what}, errors HC3", int(fit.df_resid)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    return fit, f"{what}, errors clustered by task and seed", count - 1
