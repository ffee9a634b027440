"""How much each image moves a metric of decisions: variances without a bootstrap."""

from __future__ import annotations

import numpy as np

from rightreasons.core.registry import Component, Params
from rightreasons.metrics._groups import cell_of, count_cells

Array = np.ndarray
STEP = 1e-6  # of a rate, for the slope


def influence(
    metric: Component, params: Params, target: Array, protected: Array, chance: Array
) -> tuple[float, Array]:
    r"""Return a metric of counts, and what each image adds to it.

    The metric is a function :math:`f` of the rates :math:`p_c` at which 1 is decided in the
    cells of target and protected attribute, whose sizes :math:`n_c` are given. Image i of cell c
    adds :math:`(\partial f / \partial p_c) (d_i - p_c) / n_c`. The sum of squares is the variance
    of the metric when images are drawn anew within their cells (delta method), a sum of products of
    two models' the covariance of theirs.

    Parameters
    ----------
    metric
        A registered metric that needs counts.
    params
        Its parameters.
    target : (N,)
        0 or 1.
    protected : (N,)
        0 or 1, or the number of the group.
    chance : (N,), in [0, 1]
        How often 1 is decided.

    Returns
    -------
    value : float
        The metric.
    added : float64 (N,)
        Sums to 0 in every cell. Where the metric has a kink (two groups' rates are the same) the
        slope is the mean of both sides', 0 for a gap.

    References
    ----------
    Hampel 1974, "The influence curve and its role in robust estimation".
    """
    counts = count_cells(target, protected, chance)
    size = counts.sum(axis=-1)
    cells = list(np.ndindex(size.shape))
    moved = np.repeat(counts[None], 1 + 2 * len(cells), axis=0)
    for i, cell in enumerate(cells):
        for k, step in ((1 + 2 * i, STEP), (2 + 2 * i, -STEP)):
            moved[(k, *cell)] += step * size[cell] * np.array([-1, 1])
    values = np.asarray(metric.run(moved, params), dtype=np.float64)
    slope = (values[1::2] - values[2::2]) / (2 * STEP)
    which = cell_of(target, protected, size.shape[1])
    sizes = size.ravel()[which]
    rate = counts[..., 1].ravel()[which] / sizes
    return float(values[0]), slope[which] * (chance - rate) / sizes
