"""How two groups differ in distribution: the squared maximum mean discrepancy of a batch."""

from __future__ import annotations

from typing import Literal

import torch

Kernel = Literal["rbf", "linear"]


def discrepancy(values: torch.Tensor, group: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return the unbiased estimate of MMD^2 () between two groups, which may be below 0.

    mean k(x, x') over pairs of different images of group 0, plus the same of group 1, minus twice
    the mean k(x, y) between them. 0, without gradient, where a group has fewer than two images.

    Parameters
    ----------
    values
        (n, d).
    group
        (n,) in {0, 1}.
    kernel
        linear: k(x, y) = x . y, so that the estimate is of the squared distance of the means. rbf:
        k(x, y) = exp(-|x - y|^2 / m), with m the median of |x - y|^2 over pairs of different
        images of both groups, a number without gradient.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf and Smola 2012, "A Kernel Two-Sample Test", lemma 6.
    """
    x, y = values[group == 0], values[group == 1]
    if min(len(x), len(y)) < 2:
        return values.new_zeros(())
    together = torch.cat([x, y])
    together = together - together.detach().mean(0)  # changes nothing but rounding
    k = together @ together.T if kernel == "linear" else _rbf(together)
    return _between_different(k[: len(x), : len(x)]) + (
        _between_different(k[len(x) :, len(x) :]) - 2 * k[: len(x), len(x) :].mean()
    )


def _rbf(values: torch.Tensor) -> torch.Tensor:
    """Return the kernel of all pairs (n, n)."""
    lengths = values.square().sum(1)
    squares = (lengths[:, None] + lengths - 2 * values @ values.T).clamp(min=0)
    upper = torch.triu_indices(len(values), len(values), 1, device=values.device)
    median = squares.detach()[upper[0], upper[1]].median()
    return (-squares / median.where(median > 0, median.new_ones(()))).exp()


def _between_different(k: torch.Tensor) -> torch.Tensor:
    """Return the mean of a kernel (n, n) over pairs of different images."""
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))
