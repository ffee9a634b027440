"""Does a recipe differ from itself? Models of one recipe, retrained, tested against each other.

    snakemake --configfile benchmarks/retraining.yaml --cores 2 --until debias
    python benchmarks/retraining.py results/retraining [--draws 200]

The study trains each recipe with eight seeds on one split. Every pair of its models is compared by
image, and random disjoint halves of them, three against three and four against four, by image and
by seed, by the suite's own functions. Every difference that is found is false. Draws of halves are
of the same eight models, so that they are not independent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS
from rightreasons.statistics.paired import (
    Comparison,
    Judged,
    Resampled,
    compare_predictions,
    draws_of,
    resampled,
)

Array = np.ndarray
METRIC_NAMES = ("equalized_odds", "accuracy", "worst_group_accuracy")
ALPHA, BAR, REPLICATES = 0.05, 0.07, 1000


@dataclass(frozen=True)
class Row:
    """What is found in the models of one recipe at one level, by one metric.

    Parameters
    ----------
    points : (S,)
        The models' numbers.
    pairs
        Share of pairs of models that differ by image.
    halves
        Share of disjoint halves that differ, by size: by image and by seed.
    """

    recipe: str
    metric: str
    points: Array
    pairs: float
    halves: dict[int, tuple[float, float]]


def read_models(results: Path) -> dict[str, list[Judged]]:
    """Return each recipe's models, one per seed, by level and method.

    Raises
    ------
    SystemExit
        Where the folder holds no models.
    """
    found: dict[str, list[Judged]] = {}
    for path in sorted(results.glob("*/*/*/seed-*/**/predictions.parquet")):
        stage, _, cell, _, *method = path.relative_to(results).parts[:-1]
        if stage in ("train", "debias"):
            name = f"{cell.replace('-', ' ')} {method[0] if method else 'vanilla'}"
            found.setdefault(name, []).append(_judged(pd.read_parquet(path)))
    if not found:
        sys.exit(f"{results}: no predictions of models. Run the study first, see --help")
    return found


def _judged(table: pd.DataFrame) -> Judged:
    test = table[table["role"] == "test"].sort_values("image_id")
    return Judged(
        test["target"].to_numpy(np.int64),
        test["protected"].to_numpy(np.int64),
        test["chance"].to_numpy(np.float64),
        test["score"].to_numpy(np.float64),
        test["image_id"].to_numpy(str),
    )


def tested(recipe: str, models: list[Judged], draws: int) -> Iterator[Row]:
    """Yield a row per metric."""
    drawn = draws_of(models, seed=0, replicates=REPLICATES)
    for name in METRIC_NAMES:
        component = METRICS[name]
        values = resampled(models, metric=component, params=component.params(), draws=drawn)
        single = [compared(values, [i], [j]) for i, j in combinations(range(len(models)), 2)]
        pairs = np.mean([by_image.p_value < ALPHA for _, by_image in single])
        halves = {}
        for size in (3, 4):
            rng = numpy_rng(0, "halves", recipe, size)
            orders = [rng.permutation(len(models)) for _ in range(draws)]
            made = [compared(values, o[:size], o[size : 2 * size]) for o in orders]
            by_seed, by_image = np.mean([[c.p_value < ALPHA for c in one] for one in made], axis=0)
            halves[size] = float(by_image), float(by_seed)
        yield Row(recipe, name, values.points, float(pairs), halves)


def compared(
    values: Resampled, ours: list[int] | Array, theirs: list[int] | Array
) -> tuple[Comparison, Comparison]:
    """Compare some models with others, the first with the first and so on."""
    mine, its = (
        Resampled(values.points[some], values.samples[some], values.n[some])
        for some in (ours, theirs)
    )
    return compare_predictions(mine - its)


def main() -> None:
    """Read, test, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the study's folder")
    parser.add_argument("--draws", type=int, default=200, help="of disjoint halves, for each size")
    chosen = parser.parse_args()
    rows = [
        row
        for recipe, models in read_models(chosen.results).items()
        for row in tested(recipe, models, chosen.draws)
    ]
    print(f"{'':28}{'':21}{'':15} {'pairs':>6} {'3 against 3':>13} {'4 against 4':>13}")
    print(f"{'recipe':28}{'metric':21}{'min, mean, max':15} {'image':>6}", end="")
    print(f" {'image':>6} {'seed':>6}" * 2)
    for row in rows:
        told = f"{row.points.min():.2f} {row.points.mean():.2f} {row.points.max():.2f}"
        shares = (row.pairs, *row.halves[3], *row.halves[4])
        print(f"{row.recipe:28}{row.metric:21}{told:15}", *(f"{share:6.0%}" for share in shares))
    for name in METRIC_NAMES:
        mine = [row for row in rows if row.metric == name]
        shares = np.mean([[r.pairs, *r.halves[3], *r.halves[4]] for r in mine], axis=0)
        print(f"{'all':28}{name:21}{'':15}", *(f"{share:6.1%}" for share in shares))
        if max(shares[2], shares[4]) > BAR:
            sys.exit(f"{name}: more than {BAR:.0%} of disjoint halves differ by seed")


if __name__ == "__main__":
    main()
