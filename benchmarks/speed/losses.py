"""Penalties, erasure and thresholds per group, against images, pairs and thresholds one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from rightreasons.debias import _group_thresholds as group_thresholds
from rightreasons.debias._discrepancy import discrepancy
from rightreasons.debias._erasure import leace_eraser
from rightreasons.debias._guidance import energy_inside, input_map, right_reasons
from rightreasons.models.architectures import build_classifier

from .measure import Comparison
from .methods import seeded
from .options import Options

#: From logits (B, 2), pixels (B, 3, H, W) that ask for a gradient and a region (B, H, W) to ().
Penalty = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield a row per method."""
    batch, size = options.pick((32, 64), (4, 32))
    for name, penalty in (("rrr", right_reasons), ("map_guidance", energy)):
        yield Comparison(
            group="methods",
            what=f"{name}: an update of small_cnn",
            data=f"batch {batch}, {size} px",
            unit="updates",
            units=1,
            ours=partial(update, penalty, batch, size, batch),
            other=partial(update, penalty, batch, size, 1),
            against="a gradient per image",
        )
    yield pairs(options.pick(64, 8))
    yield erasure(*options.pick((2000, 512), (40, 16)))
    yield from rules(options.pick(400, 60))


def energy(logits: torch.Tensor, pixels: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Return map_guidance's energy of the larger logits' maps."""
    return energy_inside(input_map(logits.amax(1), pixels), region)


def update(penalty: Penalty, batch: int, size: int, at_once: int) -> None:
    """Derive the mean penalty of a batch in the weights, so many images at once."""
    model = build_classifier("small_cnn").eval()
    inputs = torch.randn(batch, 3, size, size, generator=seeded())
    region = torch.rand(batch, size, size, generator=seeded()) < 0.2
    for part, place in zip(inputs.split(at_once), region.split(at_once), strict=True):
        pixels = part.requires_grad_()
        (penalty(model(pixels), pixels, place) * at_once / batch).backward()


def pairs(batch: int) -> Comparison:
    """Return mmd's estimate of a batch, against a loop over its pairs."""
    values = torch.randn(batch, 8, generator=seeded())
    group = torch.arange(batch) % 2
    return Comparison(
        group="methods",
        what="mmd: compare two groups",
        data=f"batch {batch}, 8 numbers each",
        unit="batches",
        units=1,
        ours=partial(discrepancy, values, group, "rbf"),
        other=partial(pair_by_pair, values.numpy(), group.numpy()),
        against="numpy, pair by pair",
    )


def pair_by_pair(values: np.ndarray, group: np.ndarray) -> float:
    """Return the unbiased MMD^2 of two groups with a loop over pairs."""
    n = len(values)
    squares = [((values[i] - values[j]) ** 2).sum() for i in range(n) for j in range(i)]
    median = np.sort(squares)[(len(squares) - 1) // 2]
    means = {}
    for a, b in ((0, 0), (1, 1), (0, 1)):
        means[a, b] = np.mean(
            [
                np.exp(-((values[i] - values[j]) ** 2).sum() / median)
                for i in range(n)
                for j in range(n)
                if i != j and (group[i], group[j]) == (a, b)
            ]
        )
    return float(means[0, 0] + means[1, 1] - 2 * means[0, 1])


def erasure(count: int, width: int) -> Comparison:
    """Return leace's fit, against the whitening matrix and its inverse of the paper."""
    x = np.random.default_rng(0).standard_normal((count, width))
    y = np.arange(count) % 2
    return Comparison(
        group="methods",
        what="leace: fit an eraser",
        data=f"{count} x {width} features",
        unit="fits",
        units=1,
        ours=partial(leace_eraser, x, y),
        other=partial(by_whitening, x, y),
        against="the whitening matrix, its inverse, and a projection between",
    )


def by_whitening(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return W^+ P W (d, d), P the projection on the whitened covariance with the labels."""
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    whiten = vectors * np.sqrt(1 / values) @ vectors.T
    along = whiten @ (centred.T @ (y - y.mean())) / len(x)
    return np.linalg.inv(whiten) @ np.outer(along, along) / (along @ along) @ whiten


def rules(count: int) -> Iterator[Comparison]:
    """Yield both rules of a threshold per group, against a pass over the images per rule."""
    rng = np.random.default_rng(0)
    target, protected = rng.integers(0, 2, (2, count))
    score = np.clip(0.6 * rng.uniform(size=count) + 0.2 * target + 0.2 * protected, 0, 1)
    grid = 20
    tried = [
        group_thresholds._thinned(group_thresholds.candidates(score[protected == a]), grid)
        for a in (0, 1)
    ]
    made = {
        "frontier": (
            partial(
                group_thresholds.best_pair,
                criterion="equalized_odds",
                tolerance=0.02,
                grid=grid,
                least_cell=1,
                what="frontier",
            ),
            [(a, b) for a in tried[0] for b in tried[1]],
        ),
        "reject_option": (
            partial(group_thresholds.best_width, deprived=0, tolerance=0.02),
            [(0.5 - width, 0.5 + width) for width in (0.0, *np.sort(np.abs(score - 0.5)))],
        ),
    }
    for name, (choose, tried) in made.items():
        yield Comparison(
            group="methods",
            what=f"{name}: choose {'a pair of thresholds' if name == 'frontier' else 'a width'}",
            data=f"{count} images",
            unit="rules",
            units=1,
            ours=partial(choose, score, target, protected),
            other=partial(rule_by_rule, score, target, protected, tried),
            against="a pass over the images per pair",
        )


def rule_by_rule(
    score: np.ndarray, target: np.ndarray, protected: np.ndarray, tried: list[tuple[float, float]]
) -> tuple[float, float]:
    """Return the fairest pair of thresholds that hardly costs accuracy."""
    found = []
    for pair in tried:
        decision = score >= np.where(protected == 0, *pair)
        rate = [[decision[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
        gap = max(abs(rate[t][1] - rate[t][0]) for t in (0, 1))
        found.append((gap, (2 - sum(rate[0]) + sum(rate[1])) / 4, pair))
    best = max(accuracy for _, accuracy, _ in found)
    return min(entry for entry in found if entry[1] >= best - 0.02)[2]
