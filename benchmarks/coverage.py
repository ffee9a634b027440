"""How often the 95 % intervals of a cell cover the true value.

python benchmarks/coverage.py [--runs 4000] [--bootstrap-runs 1000]

Test images are split evenly over target x protected; decisions are drawn with given true and false
positive rates. `before` is the percentile bootstrap within the four cells (1,000 replicates),
which metrics of counts had before they had intervals of their own, `after` the interval that the
metric's trait `interval` names. For equalized odds the mean error of the estimate and of its
median-unbiased companion stand beside it. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS
from rightreasons.statistics.bootstrap import bootstrap_mean, resample_counts
from rightreasons.statistics.intervals import (
    largest_gap,
    lowest_share,
    unbiased_largest_gap,
    weighted_shares,
    wilson,
)

Array = np.ndarray
Ends = tuple[Array, Array]

#: TPR and FPR of protected group 0 and 1.
SETTINGS = (
    (0.8, 0.8, 0.2, 0.2),
    (0.8, 0.82, 0.2, 0.22),
    (0.8, 0.85, 0.2, 0.25),
    (0.8, 0.9, 0.2, 0.3),
    (0.8, 0.8, 0.2, 0.3),
    (0.7, 0.9, 0.2, 0.4),
    (0.3, 0.9, 0.1, 0.7),
    (0.1, 0.98, 0.02, 0.9),
)
IMAGES = (600, 224, 100)
REPLICATES = 1000


def value(name: str, counts: Array) -> Array:
    """Return a metric of counts (..., 2, 2, 2)."""
    metric = METRICS[name]
    return metric.run(counts, metric.params())


def drawn(rates: Array, each: int, runs: int, rng: np.random.Generator) -> Array:
    """Return counts (runs, 2, 2, 2) by target, protected and decision, `each` images per cell."""
    ones = rng.binomial(each, rates, (runs, 2, 2))
    return np.stack([each - ones, ones], axis=-1)


def rates_of(setting: tuple[float, ...]) -> Array:
    """Return P(decision = 1), (2, 2) by target and protected."""
    return np.array([setting[2:], setting[:2]])


def percentiles(names: list[str], counts: Array, rng: np.random.Generator) -> list[Ends]:
    """Return the percentile bootstrap's ends for each metric."""
    ends: list[list[Array]] = [[] for _ in names]
    for part in np.array_split(counts, max(1, len(counts) // 100)):
        sample = resample_counts(part, rng=rng, replicates=REPLICATES)
        for place, name in zip(ends, names, strict=True):
            place.append(np.quantile(value(name, sample), [0.025, 0.975], axis=0))
    return [tuple(np.concatenate(place, axis=1)) for place in ends]


def right(counts: Array) -> tuple[Array, Array]:
    """Return right decisions and images by cell, (runs, 4) each."""
    hits = np.stack([counts[:, 0, :, 0], counts[:, 1, :, 1]], axis=1)
    return hits.reshape(-1, 4), counts.sum(axis=-1).reshape(-1, 4)


def of_odds(counts: Array) -> Ends:
    """Return the suite's interval of equalized odds."""
    return largest_gap(counts[..., 1], counts.sum(axis=-1))


def of_worst(counts: Array) -> Ends:
    """Return the suite's interval of worst-group accuracy."""
    return lowest_share(*right(counts))


def of_accuracy(counts: Array) -> Ends:
    """Return the suite's interval of accuracy; of equal cells it is the cell-balanced one."""
    _, low, high = weighted_shares(*right(counts), np.full(4, 0.25))
    return low, high


def one_by_one(name: str, counts: Array) -> Ends:
    """Return the ends that a metric's trait `interval` gives, a table of counts at a time."""
    interval = METRICS[name].traits["interval"]
    ends = [interval(lambda some: value(name, some), table) for table in counts]
    low, high = np.array(ends).T
    return low, high


def coverage(ends: Ends, true: float) -> tuple[float, float, float, float]:
    """Return shares of intervals that cover, lie above, lie below, and the mean width."""
    low, high = ends
    above, below = np.mean(low > true + 1e-9), np.mean(high < true - 1e-9)
    return float(1 - above - below), float(above), float(below), float(np.mean(high - low))


def table_of_odds(runs: int, bootstrap_runs: int) -> list[str]:
    """Return the table of equalized odds."""
    lines = [
        "| TPR0, TPR1; FPR0, FPR1 | true | n | before | width | after (above, below) | width | "
        "bias | unbiased |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for images in IMAGES:
        for setting in SETTINGS:
            rng = numpy_rng(0, "coverage", images, *map(str, setting))
            rates = rates_of(setting)
            true = float(np.abs(np.diff(rates)).max())
            counts = drawn(rates, images // 4, runs, rng)
            (old,) = percentiles(["equalized_odds"], counts[:bootstrap_runs], rng)
            before, after = coverage(old, true), coverage(of_odds(counts), true)
            bias = value("equalized_odds", counts).mean() - true
            rest = unbiased_largest_gap(counts[..., 1], counts.sum(axis=-1)).mean() - true
            tpr0, tpr1, fpr0, fpr1 = (f"{rate:g}".lstrip("0") for rate in setting)
            lines.append(
                f"| {tpr0}, {tpr1}; {fpr0}, {fpr1} | {true:.2f} | {images} | {before[0]:.1%} | "
                f"{before[3]:.3f} | {after[0]:.1%} ({after[1]:.1%}, {after[2]:.1%}) | "
                f"{after[3]:.3f} | {bias:+.3f} | {rest:+.3f} |"
            )
    return lines


OTHERS: dict[str, Callable[[Array], Ends]] = {
    "worst_group_accuracy": of_worst,
    "accuracy": of_accuracy,
}
ONE_BY_ONE = ("equal_opportunity_difference", "average_abs_odds_difference")


def table_of_others(runs: int, bootstrap_runs: int) -> list[str]:
    """Return the lowest and highest coverage over the settings, by metric and images."""
    lines = ["| metric | n | before | after |", "|---|---|---|---|"]
    names = [*OTHERS, *ONE_BY_ONE, "f1"]
    for images in IMAGES:
        found: dict[str, list[tuple[float, float | None]]] = {name: [] for name in names}
        for setting in SETTINGS:
            rng = numpy_rng(1, "coverage", images, *map(str, setting))
            rates = rates_of(setting)
            counts = drawn(rates, images // 4, runs, rng)
            exact = np.stack([1 - rates, rates], axis=-1)
            old = percentiles(names, counts[:bootstrap_runs], rng)
            for name, ends in zip(names, old, strict=True):
                true = float(value(name, exact))
                after = None
                if name in OTHERS:
                    after = coverage(OTHERS[name](counts), true)[0]
                elif name in ONE_BY_ONE:
                    after = coverage(one_by_one(name, counts[:bootstrap_runs]), true)[0]
                found[name].append((coverage(ends, true)[0], after))
        for name in names:
            old_ones = [before for before, _ in found[name]]
            new_ones = [after for _, after in found[name] if after is not None]
            new = f"{min(new_ones):.1%} to {max(new_ones):.1%}" if new_ones else "the same"
            span = f"{min(old_ones):.1%} to {max(old_ones):.1%}"
            lines.append(f"| `{name}` | {images} | {span} | {new} |")
    return lines


def table_of_shares(runs: int, bootstrap_runs: int) -> list[str]:
    """Return the coverage of a share of images, such as of decisions that flip."""
    lines = ["| share | n | before | after |", "|---|---|---|---|"]
    for images in (300, 120, 30):
        for share in (0.0, 0.02, 0.1, 0.5):
            rng = numpy_rng(2, "coverage", images, str(share))
            hits = rng.binomial(images, share, runs)
            ends = [
                bootstrap_mean(np.arange(images) < k, rng=rng, replicates=200)
                for k in hits[: bootstrap_runs // 4]
            ]
            low, high = np.array([(interval.low, interval.high) for interval in ends]).T
            before = coverage((low, high), share)[0]
            after = coverage(wilson(hits, np.full(runs, images)), share)[0]
            lines.append(f"| {share:g} | {images} | {before:.1%} | {after:.1%} |")
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--bootstrap-runs", type=int, default=1000)
    options = parser.parse_args()
    for table in (table_of_odds, table_of_others, table_of_shares):
        print(*table(options.runs, options.bootstrap_runs), "", sep="\n", flush=True)


if __name__ == "__main__":
    main()
