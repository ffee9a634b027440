"""The mixed model over tasks, levels and seeds, against the analysis of variance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rightreasons.statistics.mixed import COLUMNS, method_effects

METHODS = ("vanilla", "a", "b", "c")
B, S = 6, 3


def frame(of_method: float, of_seed: float, blocks: int = B, seeds: int = S) -> pd.DataFrame:
    """Return runs with effects of block, of seed in block and of method in block."""
    rng = np.random.default_rng(3)
    shape = (len(METHODS), blocks, seeds)
    values = 0.1 * np.arange(len(METHODS))[:, None, None] + rng.normal(size=(1, blocks, 1))
    values = values + of_method * rng.normal(size=(len(METHODS), blocks, 1))
    values = values + of_seed * rng.normal(size=(1, blocks, seeds)) + 0.1 * rng.normal(size=shape)
    m, b, s = np.indices(shape).reshape(3, -1)
    names = np.array(METHODS, object)[m]
    return pd.DataFrame({"value": values.ravel(), "method": names, "block": b, "task": b % 2,
                         "seed": s})  # fmt: skip


def test_effects_of_balanced_runs_are_those_of_the_analysis_of_variance() -> None:
    """Differences of means, held against the mean square of method x block."""
    data = frame(of_method=0.5, of_seed=0.4)
    found = method_effects(data, "vanilla")
    cells = data.pivot_table("value", "block", "method")[list(METHODS)]
    rest = cells.sub(cells.mean(axis=1), axis=0) - cells.mean() + cells.to_numpy().mean()
    df = (B - 1) * (len(METHODS) - 1)
    square = (rest.to_numpy() ** 2).sum() / df  # of means over seeds
    error = np.sqrt(2 * square / B)
    assert found["method"].tolist() == ["a", "b", "c"]
    for row in found.to_dict("records"):
        effect = cells[row["method"]].mean() - cells["vanilla"].mean()
        assert row["effect"] == pytest.approx(effect)
        margin = stats.t.ppf(0.975, df) * error
        assert row["effect_high"] - row["effect"] == pytest.approx(margin, rel=1e-3)
        assert row["effect"] - row["effect_low"] == pytest.approx(margin, rel=1e-3)
        assert row["effect_p"] == pytest.approx(2 * stats.t.sf(abs(effect) / error, df), rel=0.01)
        assert row["effect_model"].endswith(": block, method in block, seed in block")


def test_more_seeds_of_the_same_blocks_do_not_shrink_an_effect_that_differs_by_block() -> None:
    widths = []
    for seeds in (3, 12):
        found = method_effects(frame(of_method=0.5, of_seed=0.1, seeds=seeds), "vanilla")
        widths.append((found["effect_high"] - found["effect_low"]).iloc[0])
    assert widths[1] > 0.7 * widths[0]  # half as wide were seeds blocks


def test_what_is_fitted_follows_from_what_varies() -> None:
    same = method_effects(frame(of_method=0.0, of_seed=0.5), "vanilla")
    one_seed = method_effects(frame(of_method=0.2, of_seed=0.0, seeds=1), "vanilla")
    one_block = method_effects(frame(of_method=0.2, of_seed=0.3, blocks=1), "vanilla")
    assert same["effect_model"].iloc[0].endswith(": block, seed in block")
    assert one_seed["effect_model"].iloc[0].endswith(": block")
    assert one_block["effect_model"].iloc[0].startswith("least squares, errors clustered")
    data = frame(of_method=0.2, of_seed=0.3, blocks=1)
    means = data.groupby("method")["value"].mean()
    expected = [means[m] - means["vanilla"] for m in METHODS[1:]]
    assert one_block["effect"].tolist() == pytest.approx(expected)


def test_without_the_original_or_another_there_is_nothing_to_say() -> None:
    data = frame(0.1, 0.1)
    for kept in (["a", "b"], ["vanilla"]):
        found = method_effects(data[data["method"].isin(kept)], "vanilla")
        assert found.empty
        assert list(found.columns) == COLUMNS
