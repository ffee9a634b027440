"""Aggregates over runs and tasks, with stratified bootstrap intervals.

The functions of Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical
precipice": interquartile mean, probability of improvement, performance profiles. A run is one seed
in one block (a task at a level). All of them take `counts`, how often each run is counted: once
for the estimate, as often as it was drawn for a bootstrap sample.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def draw_runs(
    known: Array, tasks: Array, *, rng: np.random.Generator, replicates: int
) -> Array | None:
    """Return how often each run is counted in bootstrap samples, drawn within tasks.

    Drawn are the seeds of a task, with replacement and one fewer than it has: the sample's variance
    is then that of a mean of so many seeds, which with as many draws as seeds it falls short of
    (by a third for three seeds). All blocks of the task and all methods have the same draw: models
    of one seed share splits, images and the model that they start from, so that they are no
    independent runs.

    Parameters
    ----------
    known : bool (B, S)
        Which block has a run with which seed.
    tasks : (B,)
        The task of each block: the stratum.
    rng
        Draws the samples.
    replicates
        R.

    Returns
    -------
    ndarray or None
        int64 (R, B, S); None where a task has one seed only, so that nothing can be drawn.

    References
    ----------
    Agarwal et al. 2021, section 4.1 (strata); Rao and Wu 1988 (one draw fewer).
    """
    counts = np.zeros((replicates, *known.shape), np.int64)
    for task in np.unique(tasks):
        blocks = np.flatnonzero(tasks == task)
        seeds = np.flatnonzero(known[blocks].any(axis=0))
        if len(seeds) < 2:
            return None
        shares = np.full(len(seeds), 1 / len(seeds))
        drawn = rng.multinomial(len(seeds) - 1, shares, size=replicates)
        counts[np.ix_(np.arange(replicates), blocks, seeds)] = drawn[:, None, :]
    return counts * known


def interquartile_mean(values: Array, counts: Array) -> Array:
    """Return the mean of the middle half of all runs: 25 % are cut off at each end.

    Parameters
    ----------
    values : (B, S)
        A number per run; where `counts` is 0 it may be missing.
    counts : int (..., B, S)
        How often each run is counted.

    Returns
    -------
    ndarray
        float64 (...). As `scipy.stats.trim_mean` has it, a quarter that is not whole is rounded
        down. Missing without runs.

    References
    ----------
    Agarwal et al. 2021, section 4.3.
    """
    known = np.flatnonzero(~np.isnan(values.ravel()))
    order = known[np.argsort(values.ravel()[known], kind="stable")]
    drawn = counts.reshape(*counts.shape[:-2], -1)[..., order]
    upto = drawn.cumsum(axis=-1)
    total = drawn.sum(axis=-1, keepdims=True)
    cut = total // 4
    kept = np.minimum(upto, total - cut) - np.maximum(upto - drawn, cut)
    sums = (kept.clip(0) * values.ravel()[order]).sum(axis=-1)
    return _ratio(sums, (total - 2 * cut)[..., 0])


def improvement(values: Array, counts: Array, *, lower: bool) -> Array:
    r"""Return how probably a run of one method is better than one of another, for all pairs.

    The mean over blocks of :math:`P(X > Y) + \tfrac{1}{2} P(X = Y)`, X a run of the first method
    and Y one of the second in the same block, over all pairs of their runs.

    Parameters
    ----------
    values : (M, B, S)
        A number per method and run; where `counts` is 0 it may be missing.
    counts : int (R, B, S)
        How often each run is counted, the same for all methods.
    lower
        Whether lower is better.

    Returns
    -------
    ndarray
        float64 (R, M, M), first method, second; a method against itself has 0.5. Blocks without
        runs in a sample are left out of it.

    References
    ----------
    Agarwal et al. 2021, section 4.3; Mann and Whitney 1947.
    """
    methods = len(values)
    better = -values if lower else values
    x, y = better[:, None, :, :, None], better[None, :, :, None, :]
    wins = np.nan_to_num((x > y) + 0.5 * (x == y)).reshape(methods * methods, -1)
    n = counts.sum(axis=-1)
    shares = _ratio(counts, n[..., None], empty=0.0)
    pairs = (shares[..., :, None] * shares[..., None, :]).reshape(len(counts), -1)
    sums = (pairs @ wins.T).reshape(-1, methods, methods)
    return _ratio(sums, (n > 0).sum(axis=-1)[:, None, None])


def profile(values: Array, counts: Array, thresholds: Array, *, lower: bool) -> Array:
    r"""Return the share of runs that are better than each threshold.

    :math:`\hat F(\tau)`: the share of all runs above :math:`\tau`, or below it where lower is
    better.

    Parameters
    ----------
    values : (B, S)
        A number per run; where `counts` is 0 it may be missing.
    counts : int (R, B, S)
        How often each run is counted.
    thresholds : (T,)
        In the values' unit.
    lower
        Whether lower is better.

    Returns
    -------
    ndarray
        float64 (R, T) in [0, 1].

    References
    ----------
    Agarwal et al. 2021, section 4.2; Dolan and Moré 2002.
    """
    flat = values.ravel()[:, None]
    better = (flat < thresholds) if lower else (flat > thresholds)
    drawn = counts.reshape(len(counts), -1)
    return _ratio(drawn @ better.astype(np.float64), drawn.sum(axis=-1, keepdims=True))


def _ratio(part: Array, whole: Array, empty: float = np.nan) -> Array:
    """Return part / whole, `empty` where whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), whole)
    return np.divide(part, whole, out=np.full(part.shape, empty), where=whole > 0)
