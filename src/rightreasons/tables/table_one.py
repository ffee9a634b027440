"""Table 1 of "Mitigating Bias Using Model-Agnostic Data Attribution", and the grid behind it.

Words of the paper: `original` is the unchanged training, `balanced` the same training on balanced
data, `ours` one of its schemes: the region of the confounder, from the general or from each image's
own map, greyed out (mask) or noised. Which methods and metrics these are, their traits say
(`tables.parameters.TableOne`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.metrics import METRICS
from rightreasons.metrics._groups import count_cells
from rightreasons.statistics.student import mean_interval
from rightreasons.tables.parameters import TableOne

GROUP = ["study", "dataset", "task", "design", "level"]
CELL = [*GROUP, "seed", "method"]
#: Accuracy that a smaller gap may cost: the most that the paper's table shows (0.05).
TOLERANCE = 0.05


def grid(
    cell_metrics: pd.DataFrame,
    methods: Mapping[str, Mapping[str, Any]],
    paper: TableOne,
    predictions: Iterable[pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Return the table `data_attribution`: a row per cell of the paper's methods.

    Parameters
    ----------
    cell_metrics
        The table.
    methods
        The study's, by name, with `kind` (the name where it is absent), `quantile` and `epochs`;
        methods of other kinds than the paper's are left out. At quantile 1 nothing is masked or
        noised: such a method is an original with its own epochs, and of its kind.
    paper
        What the paper's table is made of.
    predictions
        Of whole cells, read one after the other: columns CELL, role, target, chance. The role
        debias gives the validation numbers, which are missing for cells without such rows, or
        without predictions at all.

    Raises
    ------
    UserError
        If no method of the study is of the paper's kinds.
    """
    kinds = {name: _kind(name, chosen, paper) for name, chosen in methods.items()}
    kept = [name for name, kind in kinds.items() if kind in paper.kinds]
    if not kept:
        raise UserError(
            f"the study has no method of data attribution, only {', '.join(methods)}. Its table "
            f"needs some of {', '.join(paper.kinds)}."
        )
    table = _test_numbers(cell_metrics[cell_metrics["method"].isin(kept)], paper)
    table.insert(len(CELL), "kind", table["method"].map(kinds))
    for place, name in enumerate(("quantile", "epochs"), len(CELL) + 1):
        values = {method: chosen.get(name) for method, chosen in methods.items()}
        table.insert(place, name, table["method"].map(values).astype(float))
    table["quantile"] = table["quantile"].where(table["kind"].isin(paper.schemes))
    if predictions is None:
        return table
    return table.merge(_validation_numbers(predictions, kept, paper), how="left", on=CELL)


def table_one(grid: pd.DataFrame, paper: TableOne, *, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Return the table `table_one`: each scheme at its best quantile, a row per number.

    The paper shows one quantile per confounder and scheme, "those yielding the most significant
    results" on its test images, and does not say how they were found. Here: the smallest gap (mean
    over seeds) among the models whose accuracy is at most `tolerance` below original's, as chance
    has no gap either; where none is, the highest accuracy. Ties go to the higher accuracy, then to
    the lower quantile. Rows with `picked_on` test choose by the test images, as the paper does,
    which is too hopeful; those with `picked_on` validation by the validation images, and both show
    the test images' numbers. `best` is the scheme that the same rule prefers among all. Original
    and balanced are those with the scheme's epochs if there are such (the paper trains masks for
    10 and noise for 20), else the study's first. Changes are paired by seed; intervals are
    Student's over seeds and missing for one seed.

    Parameters
    ----------
    grid
        The table `data_attribution`.
    paper
        What the paper's table is made of.
    tolerance
        Accuracy that a smaller gap may cost, in [0, 1].

    Returns
    -------
    pandas.DataFrame
        A group without the original has no rows, one without the balanced training missing
        numbers.
    """
    rows = []
    for key, part in grid.groupby(GROUP, sort=False, dropna=False):
        group = dict(zip(GROUP, key, strict=True))
        for picked_on, prefix in (("test", ""), ("validation", "validation_")):
            row = {**group, "picked_on": picked_on}
            rows += [{**row, **numbers} for numbers in _rows(part, paper, prefix, tolerance)]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*GROUP, "kind", "metric"])


# The grid


def _kind(name: str, chosen: Mapping[str, Any], paper: TableOne) -> str:
    kind = str(chosen.get("kind", name))
    return paper.original if kind in paper.schemes and chosen.get("quantile") == 1 else kind


def _test_numbers(cells: pd.DataFrame, paper: TableOne) -> pd.DataFrame:
    """Return a row per cell: n and the paper's numbers on its test images."""
    known = cells[cells["explainer"].isna() & cells["metric"].isin(paper.numbers)]
    wide = known.pivot(index=CELL, columns="metric", values="value").rename(columns=paper.numbers)
    wide = wide.reindex(columns=list(paper.numbers.values()))
    overall = next(iter(paper.numbers))
    wide.insert(0, "n", known[known["metric"] == overall].set_index(CELL)["n"])
    return wide.rename_axis(columns=None).reset_index()


def _validation_numbers(
    predictions: Iterable[pd.DataFrame], methods: Sequence[str], paper: TableOne
) -> pd.DataFrame:
    """Return a row per cell: validation_n and the paper's numbers on its images of role debias."""
    ours = (t[(t["role"] == "debias") & t["method"].isin(methods)] for t in predictions)
    rows = [
        {**dict(zip(CELL, key, strict=True)), **_numbers_of(part, paper)}
        for table in ours
        for key, part in table.groupby(CELL, sort=False)
    ]
    names = ["n", *paper.numbers.values()]
    table = pd.DataFrame(rows, columns=[*CELL, *names])
    return table.rename(columns={name: f"validation_{name}" for name in names})


def _numbers_of(part: pd.DataFrame, paper: TableOne) -> dict[str, float]:
    """Return n and the numbers of some predictions; missing for a class without images."""
    counts = count_cells(part["target"].to_numpy(), np.zeros(len(part)), part["chance"].to_numpy())
    metrics = {column: METRICS[name] for name, column in paper.numbers.items()}
    numbers = {name: float(metric.run(counts, metric.params())) for name, metric in metrics.items()}
    return {"n": len(part), **numbers}


# Table 1


def _rows(
    part: pd.DataFrame, paper: TableOne, prefix: str, tolerance: float
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one task at one level, schemes chosen by the numbers with `prefix`."""

    def pick(models: pd.DataFrame) -> str | None:
        return _pick(models, part, paper, prefix, tolerance)

    chosen = {kind: pick(part[part["kind"] == kind]) for kind in paper.schemes}
    best = pick(part[part["method"].isin(chosen.values())])
    for kind, method in chosen.items():
        if method is None:
            continue
        ours = part[part["method"] == method].set_index("seed")
        original = _baseline(part, paper.original, ours)
        balanced = _baseline(part, paper.balanced, ours)
        scheme = {"kind": kind, "method": method, "quantile": ours["quantile"].iloc[0]}
        for metric in paper.numbers.values():
            yield {
                **scheme,
                "best": method == best,
                "metric": metric,
                **_compared(original[metric], balanced[metric], ours[metric]),
            }


def _baseline(part: pd.DataFrame, kind: str, ours: pd.DataFrame) -> pd.DataFrame:
    """Return a baseline of the epochs of `ours`, or else the first there is, by seed."""
    models = part[part["kind"] == kind].sort_values(["epochs", "method"], na_position="first")
    epochs = ours["epochs"].iloc[0]
    same = models["epochs"].isna() if pd.isna(epochs) else models["epochs"] == epochs
    models = models[same] if same.any() else models
    return models[models["method"].isin(models["method"].head(1))].set_index("seed")


def _pick(
    models: pd.DataFrame, part: pd.DataFrame, paper: TableOne, prefix: str, tolerance: float
) -> str | None:
    """Return the method of `models` that table_one's rule prefers; None where nothing is known."""
    gap, accuracy = f"{prefix}{paper.gap}", f"{prefix}{paper.accuracies[0]}"
    rows = []
    for method, ours in models.groupby("method", sort=True) if gap in models else ():
        original = _baseline(part, paper.original, ours)[accuracy].dropna()
        known = ours[ours["seed"].isin(original.index)].dropna(subset=[gap, accuracy])
        row = known[[gap, accuracy, "quantile"]].mean()
        loss = original[known["seed"]].mean() - row[accuracy]
        rows.append((loss > tolerance, row[gap], -row[accuracy], row["quantile"], method))
    table = pd.DataFrame(rows, columns=["barred", "gap", "loss", "quantile", "method"]).dropna()
    if table.empty:
        return None
    table.loc[table["barred"], "gap"] = np.inf  # among these the most accurate is the best
    return str(table.round(9).sort_values(["gap", "loss", "quantile"])["method"].iloc[0])


def _compared(original: pd.Series, balanced: pd.Series, ours: pd.Series) -> dict[str, float]:
    """Return means, paired changes and intervals of one number; each series is by seed."""
    found = {"original": original, "balanced_change": balanced - original}
    found["ours_change"] = ours - original
    row = {"balanced": balanced.mean(), "ours": ours.mean()}
    for name, values in found.items():
        interval = mean_interval(values.to_numpy(float))
        # A share lies in [0, 1], a difference of shares in [-1, 1], whatever Student's t says.
        low, high = np.clip([interval.low, interval.high], 0 if name == "original" else -1, 1)
        row |= {name: interval.value, f"{name}_low": float(low), f"{name}_high": float(high)}
    return {**row, "n_seeds": int(found["ours_change"].notna().sum())}
