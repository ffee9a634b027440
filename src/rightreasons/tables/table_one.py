"""Table 1 of "Mitigating Bias Using Model-Agnostic Data Attribution", and the grid behind it.

Words of the paper: `original` is the unchanged training (method kind vanilla), `balanced` the same
training on balanced data, `ours` one of four schemes: the region of the confounder, from the
general or from each image's own map, greyed out (mask) or noised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.metrics._groups import class_accuracy, correct, count_cells, gap
from rightreasons.statistics.stats import mean_interval

GROUP = ["study", "dataset", "task", "design", "level"]
CELL = [*GROUP, "seed", "method"]
#: The four schemes in the order of the paper's table, with its names for them.
SCHEMES = {
    "mask_general": "General Mask",
    "noise_general": "General Noise",
    "mask_specific": "Specific Mask",
    "noise_specific": "Specific Noise",
}
KINDS = ("vanilla", "balanced", *SCHEMES)
NUMBERS = ("accuracy", "accuracy_1", "accuracy_0", "gap")
REGISTERED = {
    "accuracy": "accuracy",
    "class_accuracy_1": "accuracy_1",
    "class_accuracy_0": "accuracy_0",
    "class_accuracy_gap": "gap",
}
#: Accuracy that a smaller gap may cost: the most that the paper's table shows (0.05).
TOLERANCE = 0.05
DASH = "–"


def grid(
    cell_metrics: pd.DataFrame,
    methods: Mapping[str, Mapping[str, Any]],
    predictions: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the table `data_attribution`: a row per cell of the paper's methods.

    cell_metrics: the table. methods: the study's, by name, with `kind` (the name where it is
    absent), `quantile` and `epochs`; methods of other kinds than KINDS are left out. At quantile 1
    nothing is masked or noised: such a method is an original with its own epochs, of kind vanilla.
    predictions: columns CELL, role, target, decision; its role debias gives the validation numbers,
    which are missing for cells without such rows, or without predictions at all. Raises UserError
    where no method of the study is of the paper's kinds.
    """
    kinds = {name: _kind(name, chosen) for name, chosen in methods.items()}
    kept = [name for name, kind in kinds.items() if kind in KINDS]
    if not kept:
        raise UserError(
            f"the study has no method of data attribution, only {', '.join(methods)}. Its table "
            f"needs some of {', '.join(KINDS)}."
        )
    table = _test_numbers(cell_metrics[cell_metrics["method"].isin(kept)])
    table.insert(len(CELL), "kind", table["method"].map(kinds))
    for place, name in enumerate(("quantile", "epochs"), len(CELL) + 1):
        values = {method: chosen.get(name) for method, chosen in methods.items()}
        table.insert(place, name, table["method"].map(values).astype(float))
    table["quantile"] = table["quantile"].where(table["kind"].isin(SCHEMES))
    if predictions is None:
        return table
    return table.merge(_validation_numbers(predictions, kept), how="left", on=CELL)


def table_one(grid: pd.DataFrame, *, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """Return the table `table_one`: each scheme at its best quantile, a row per number.

    grid: the table `data_attribution`. The paper shows one quantile per confounder and scheme,
    "those yielding the most significant results" on its test images, and does not say how they
    were found. Here: the smallest gap (mean over seeds) among the models whose accuracy is at most
    `tolerance` below original's, as chance has no gap either; where none is, the highest accuracy.
    Ties go to the higher accuracy, then to the lower quantile. Rows with `picked_on` test choose by
    the test images, as the paper does, which is too hopeful; those with `picked_on` validation by
    the validation images, and both show the test images' numbers. `best` is the scheme that the
    same rule prefers among the four. Original and balanced are those with the scheme's epochs if
    there are such (the paper trains masks for 10 and noise for 20), else the study's first. Changes
    are paired by seed; intervals are Student's over seeds
    and missing for one seed. A group without the original has no rows, one without `balanced`
    missing numbers.
    """
    rows = []
    for key, part in grid.groupby(GROUP, sort=False, dropna=False):
        group = dict(zip(GROUP, key, strict=True))
        for picked_on, prefix in (("test", ""), ("validation", "validation_")):
            row = {**group, "picked_on": picked_on}
            rows += [{**row, **numbers} for numbers in _rows(part, prefix, tolerance)]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*GROUP, "kind", "metric"])


def render_text(table: pd.DataFrame, *, classes: tuple[str, str] = ("class 0", "class 1")) -> str:
    """Return Table 1 as text: in the paper's layout, then every number with its interval.

    table: the table `table_one`. classes: names of the target's classes 0 and 1, such as women and
    men. A star marks the scheme that the same rule prefers for the task. Missing numbers are
    dashes.
    """
    if table.empty:
        return "Table 1 is empty: no model of data attribution beside an original.\n"
    names = dict(
        zip(NUMBERS, ("accuracy", *(f"accuracy, {c}" for c in classes[::-1]), "gap"), strict=True)
    )
    blocks = [
        block
        for picked_on, part in table.groupby("picked_on", sort=False)
        for block in (_published_layout(part, str(picked_on), names), _intervals(part, names))
    ]
    return "\n\n".join([*blocks, fill(_EXPLANATION, 100)]) + "\n"


# The grid


def _kind(name: str, chosen: Mapping[str, Any]) -> str:
    kind = chosen.get("kind", name)
    return "vanilla" if kind in SCHEMES and chosen.get("quantile") == 1 else kind


def _test_numbers(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cell: n and the four numbers on its test images."""
    known = cells[cells["explainer"].isna() & cells["metric"].isin(REGISTERED)]
    wide = known.pivot(index=CELL, columns="metric", values="value").rename(columns=REGISTERED)
    wide = wide.reindex(columns=NUMBERS)
    wide.insert(0, "n", known[known["metric"] == "accuracy"].set_index(CELL)["n"])
    return wide.rename_axis(columns=None).reset_index()


def _validation_numbers(predictions: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return a row per cell: validation_n and the four numbers on its images of role debias."""
    ours = (predictions["role"] == "debias") & predictions["method"].isin(methods)
    rows = [
        {**dict(zip(CELL, key, strict=True)), **_numbers_of(part)}
        for key, part in predictions[ours].groupby(CELL, sort=False)
    ]
    names = ["n", *NUMBERS]
    table = pd.DataFrame(rows, columns=[*CELL, *names])
    return table.rename(columns={name: f"validation_{name}" for name in names})


def _numbers_of(part: pd.DataFrame) -> dict[str, float]:
    """Return n and the four numbers of some predictions; missing for a class without images."""
    counts = count_cells(
        part["target"].to_numpy(), np.zeros(len(part)), part["decision"].to_numpy()
    )
    accuracies = class_accuracy(counts)
    numbers = (correct(counts).sum() / len(part), accuracies[1], accuracies[0], gap(accuracies))
    return {"n": len(part), **dict(zip(NUMBERS, map(float, numbers), strict=True))}


# Table 1


def _rows(part: pd.DataFrame, prefix: str, tolerance: float) -> Iterator[dict[str, Any]]:
    """Yield the rows of one task at one level, schemes chosen by the numbers with `prefix`."""
    chosen = {kind: _pick(part[part["kind"] == kind], part, prefix, tolerance) for kind in SCHEMES}
    best = _pick(part[part["method"].isin(chosen.values())], part, prefix, tolerance)
    for kind, method in chosen.items():
        if method is None:
            continue
        ours = part[part["method"] == method].set_index("seed")
        original, balanced = (_baseline(part, k, ours) for k in ("vanilla", "balanced"))
        scheme = {"kind": kind, "method": method, "quantile": ours["quantile"].iloc[0]}
        for metric in NUMBERS:
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


def _pick(models: pd.DataFrame, part: pd.DataFrame, prefix: str, tolerance: float) -> str | None:
    """Return the method of `models` that table_one's rule prefers; None where nothing is known."""
    gap_name, accuracy = f"{prefix}gap", f"{prefix}accuracy"
    rows = []
    for method, ours in models.groupby("method", sort=True) if gap_name in models else ():
        original = _baseline(part, "vanilla", ours)[accuracy].dropna()
        known = ours[ours["seed"].isin(original.index)].dropna(subset=[gap_name, accuracy])
        row = known[[gap_name, accuracy, "quantile"]].mean()
        loss = original[known["seed"]].mean() - row[accuracy]
        rows.append((loss > tolerance, row[gap_name], -row[accuracy], row["quantile"], method))
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


# Text

_EXPLANATION = (
    "Means over seeds on the test images. Δ: minus original, paired by seed. [95 % Student-t "
    "interval over seeds.] Gap: absolute difference of the classes' accuracies, lower is more "
    "even. Quantile: the one with the smallest gap among models that lose at most 0.05 of accuracy "
    "(or the most accurate where all lose more), chosen by the images that the heading names; "
    "chosen on test it is too hopeful. * the scheme that the same rule prefers for this task."
)


def _published_layout(table: pd.DataFrame, picked_on: str, names: Mapping[str, str]) -> str:
    """Return the paper's columns: each number's original, balanced Δ and ours Δ."""
    head = ["task", "noise type", "quantile"]
    head += ["original", "balanced Δ", "ours Δ"] * 3 + ["original", "balanced", "ours"]
    rows = [head, *(_published_row(part) for part in _schemes(table))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = _aligned(rows, widths)
    groups = [" " * (sum(widths[:3]) + 2 * 2)]
    groups += [
        names[metric].center(sum(widths[i : i + 3]) + 4)
        for metric, i in zip(NUMBERS, range(3, 15, 3), strict=True)
    ]
    seeds = int(table["n_seeds"].max())
    title = f"Table 1, quantile chosen on {picked_on} images, {seeds} seed{'s' * (seeds > 1)}"
    return "\n".join([title, "", "  ".join(groups).rstrip(), *lines])


def _published_row(part: pd.DataFrame) -> list[str]:
    of = part.set_index("metric")
    first = part.iloc[0]
    cells = [_task(first), _scheme(first), _number(first["quantile"])]
    for metric in NUMBERS[:3]:
        row = of.loc[metric]
        cells += [_number(row["original"])]
        cells += [_number(row[name], signed=True) for name in ("balanced_change", "ours_change")]
    return cells + [_number(of.loc["gap", name]) for name in ("original", "balanced", "ours")]


def _intervals(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return every scheme's Δ with intervals, after its original and balanced Δ."""
    rows = [["task", "training", "quantile", *names.values()]]
    for part in _schemes(table):
        start, of = _task(part.iloc[0]), part.set_index("metric")
        for label, name in (("original", "original"), ("balanced Δ", "balanced_change")):
            row = [start, label, "", *_with_intervals(of, name)]
            if row not in rows:  # schemes of as many epochs share their baselines
                rows.append(row)
        scheme = [_scheme(part.iloc[0], " Δ"), _number(part["quantile"].iloc[0])]
        rows.append([start, *scheme, *_with_intervals(of, "ours_change")])
    return "\n".join(_aligned(rows, [max(map(len, column)) for column in zip(*rows, strict=True)]))


def _with_intervals(of: pd.DataFrame, name: str) -> list[str]:
    signed = name != "original"
    cells = []
    for metric in NUMBERS:
        value, low, high = (of.loc[metric, f"{name}{end}"] for end in ("", "_low", "_high"))
        low, high = (_number(end, signed=signed) for end in (low, high))
        interval = "" if low == DASH else f" [{low}, {high}]"
        cells.append(f"{_number(value, signed=signed)}{interval}")
    return cells


def _schemes(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the four rows of every task and scheme."""
    for _, part in table.groupby([*GROUP[2:], "kind"], sort=False, dropna=False):
        yield part


def _task(row: pd.Series) -> str:
    return f"{row['task']} ({row['design']} {row['level']:.3g})"


def _scheme(row: pd.Series, end: str = "") -> str:
    return SCHEMES[row["kind"]] + end + (" *" if row["best"] else "")


def _number(value: Any, *, signed: bool = False) -> str:
    if pd.isna(value):
        return DASH
    return f"{value + 0.0:+.3f}" if signed else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Return lines, the first two columns to the left, with a rule below the head."""

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(rows[0]), "─" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows[1:])]
