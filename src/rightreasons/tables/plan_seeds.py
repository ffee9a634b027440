"""How many seeds does a study need? An answer from a finished one, or from two numbers.

    rightreasons plan-seeds results/demo [--metric equalized_odds] [--effect 0.1] [--power 0.8]
    rightreasons plan-seeds --sd 0.1 --images-sd 0.02 --family 9 [--effect 0.1]

From a study's predictions it estimates, per task, design and level, how the difference between a
method and the original varies: its standard deviation over seeds, and that which all seeds share
because they are judged on the same test images. Then it says how many seeds find an effect, after
Holm's correction over the methods, and the smallest effect that the present and other numbers of
seeds find. With few seeds the first standard deviation is itself uncertain.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.debias import METHODS
from rightreasons.metrics import METRICS, ranking
from rightreasons.statistics.paired import Resampled, draws_of, resampled
from rightreasons.statistics.power import (
    MOST_SEEDS,
    Spread,
    seeds_needed,
    smallest_effect,
    spread_of,
)
from rightreasons.tables.comparisons import judged

LEVEL = ["task", "design", "level"]
NEEDED = ["seed", "method", "image_id", "target", "protected", "chance", "score"]
#: Numbers of seeds for which the smallest effect is told.
SEEDS = (3, 5, 10, 20)
REPLICATES = 500


@dataclass(frozen=True)
class Plan:
    """What there is at one level of a task.

    Parameters
    ----------
    where
        Task, design and level in words; empty for numbers given by hand.
    spread
        How a difference varies.
    family
        The comparisons that Holm's correction is over.
    seeds
        The study's, 0 without a study.
    """

    where: str
    spread: Spread
    family: int
    seeds: int = 0


def plans(results: Path, metric: str, family: int | None = None) -> list[Plan]:
    """Return what a study's predictions tell, per task, design and level.

    Parameters
    ----------
    results
        The study's folder, results/STUDY.
    metric
        A metric of predictions.
    family
        The number of comparisons; by default the task's methods that are compared with the
        original, without matched controls and without noise.

    Raises
    ------
    UserError
        Where the study has no tables, fewer than two seeds, no method beside the original, or where
        there is no such metric of predictions.
    """
    check_metric(metric)
    tables = results / "tables"
    try:
        methods = pd.read_parquet(tables / "methods.parquet")
        predictions = pd.read_parquet(tables / "predictions.parquet", columns=LEVEL + NEEDED)
    except FileNotFoundError as error:
        raise UserError(
            f"{tables} does not hold the tables methods and predictions. Give the folder "
            "results/STUDY of a finished study."
        ) from error
    if predictions["seed"].nunique() < 2:
        raise UserError(
            f"{results} has one seed, which does not show how runs vary. Run it with "
            "three seeds or more, or give --sd."
        )
    kinds = dict(zip(methods["method"], methods["kind"], strict=True))
    original = next(m for m, kind in kinds.items() if METHODS[kind].traits["changes"] == "nothing")
    left_out = set(methods.loc[methods["control_of"].notna() | methods["noise"], "method"])
    made = []
    for key, rows in predictions.groupby(LEVEL, sort=False):
        compared = [m for m in rows["method"].unique() if m not in {original, *left_out}]
        if not compared:
            continue
        spread = spread_of(list(_differences(rows, original, compared, metric)))
        where = f"{key[0]}, {key[1]} {key[2]:g}"
        made.append(Plan(where, spread, family or len(compared), rows["seed"].nunique()))
    if not made:
        raise UserError(f"{results} compares no methods: there is {original} alone.")
    return made


def check_metric(name: str) -> None:
    """Raise UserError unless there is such a metric of predictions."""
    allowed = [m.name for m in METRICS if m.traits["needs"] in ("counts", "scores")]
    if name not in allowed:
        raise UserError(
            f"--metric {name}: no metric of predictions{suggestion(name, allowed)} "
            f"Allowed: {', '.join(allowed)}."
        )


def _differences(
    rows: pd.DataFrame, original: str, compared: list[str], metric: str
) -> Iterator[Resampled]:
    """Yield a metric of each method minus that of the original, by seed."""
    component = METRICS[metric]
    models = {
        str(method): [judged(part) for _, part in table.groupby("seed")]
        for method, table in rows[rows["method"].isin([original, *compared])].groupby("method")
    }
    drawn = draws_of(models[original], seed=0, replicates=REPLICATES)
    values = {
        method: resampled(of_seeds, metric=component, params=component.params(), draws=drawn)
        for method, of_seeds in models.items()
    }
    for method in compared:
        yield values[method] - values[original]


def told(plan: Plan, effect: float, power: float) -> str:
    """Return a plan in words."""
    spread, family = plan.spread, plan.family
    lines = [f"{plan.where or 'as given'}: {plan.seeds} seeds" if plan.seeds else "as given"]
    lines[0] += f", {family} comparison{'s' * (family != 1)}"
    if np.isnan(spread.seeds):
        return "\n".join([*lines, "  no difference varies over seeds: nothing to plan with"])
    lines.append(
        f"  standard deviation of a difference: {spread.seeds:.3f} over seeds, "
        f"{spread.images:.3f} shared through test images"
    )
    needed = seeds_needed(effect, spread, power=power, family=family)
    lines.append(
        f"  an effect of {effect:g} is found by {needed} seeds"
        if needed
        else f"  an effect of {effect:g} is not found by {MOST_SEEDS} seeds: more test images are "
        "needed, too"
    )
    counts = sorted({*SEEDS, *([plan.seeds] if plan.seeds else [])})
    found = (smallest_effect(spread, n, power=power, family=family) for n in counts)
    smallest = ", ".join(f"{n}: {x:.2f}" for n, x in zip(counts, found, strict=True))
    lines.append(f"  smallest effect found, by seeds: {smallest}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the plan that the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="rightreasons plan-seeds", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("results", nargs="?", type=Path, help="a study's folder, as results/demo")
    parser.add_argument("--metric", default=ranking().name, help="a metric of predictions")
    parser.add_argument("--effect", default=0.1, type=_positive, help="difference to be found")
    parser.add_argument("--power", default=0.8, type=_share, help="how often it is to be found")
    parser.add_argument("--family", type=_count, help="comparisons that Holm's correction is over")
    parser.add_argument("--sd", type=_positive, help="standard deviation over seeds, by hand")
    parser.add_argument(
        "--images-sd", default=0.0, type=float, help="that shared through test images, by hand"
    )
    chosen = parser.parse_args(arguments)
    if (chosen.results is None) == (chosen.sd is None):
        parser.error("give a study's folder, or --sd")
    try:
        if chosen.results is None:
            made = [Plan("", Spread(chosen.sd, chosen.images_sd), chosen.family or 1)]
        else:
            made = plans(chosen.results, chosen.metric, chosen.family)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    what = "" if chosen.results is None else f"{chosen.metric}, a method minus the original; "
    print(f"{what}power {chosen.power:g} after Holm's correction at 5 %")
    for plan in made:
        print(told(plan, chosen.effect, chosen.power))
    return 0


def _positive(text: str) -> float:
    return _between(text, 0, np.inf)


def _share(text: str) -> float:
    return _between(text, 0.05, 1)


def _between(text: str, low: float, high: float) -> float:
    if not low < float(text) < high:
        told = f"above {low:g}" + (f" and below {high:g}" if np.isfinite(high) else "")
        raise argparse.ArgumentTypeError(f"{text}: must be {told}")
    return float(text)


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
