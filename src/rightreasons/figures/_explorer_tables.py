"""The explorer's views of a study's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from rightreasons.figures._cells import STUDENT_SEEDS
from rightreasons.figures._explorer_view import (
    Choice,
    Column,
    View,
    listed,
    quoted,
)
from rightreasons.figures._labels import ARROWS, short_name
from rightreasons.metrics import METRICS, headline, playing, ranking, utility

BOARD = ["task", "design", "level"]
CELL = [*BOARD, "seed", "method"]
TASK, DESIGN = Choice("task", "Task"), Choice("design", "Design")
LEVEL = Choice("level", "Level")
EXPLAINER = Choice("explainer", "Explainer")


def table_file(folder: str, name: str) -> str:
    """Return a table's file as a query names it."""
    return quoted(f"{folder}/{name}.parquet" if folder else f"{name}.parquet")


def heading(metric: str) -> str:
    """Return a metric's head of a column: its short name, and the way to better."""
    arrow = ARROWS.get(METRICS[metric].traits["better"], "") if metric in METRICS else ""
    return f"{short_name(metric)} {arrow}".strip()


def leaderboard_view(board: pd.DataFrame, folder: str, explainers: Sequence[str] = ()) -> View:
    """Return the leaderboard of every task, design and level, with one explainer's maps.

    Strong levels come first among the options, and of the explainers those named.
    """
    place = {name: i for i, name in enumerate(explainers)}
    order = board["explainer"].map(place).fillna(len(place))
    pair = board.groupby(["task", "design"], sort=False, observed=True).ngroup()
    board = board.assign(_pair=pair, _strength=-board["level"].abs(), _order=order)
    board = board.sort_values(["_pair", "_strength", "_order"], kind="stable")
    fair, kept = ranking().name, utility().name
    others = [m for m in headline("leaderboard") if m not in (fair, kept) and m in board]
    others = [metric for metric in others if board[metric].notna().any()]
    numbers = [
        name for metric in (fair, kept) for name in (metric, f"{metric}_low", f"{metric}_high")
    ]
    words = ["method", "takes_part", "front", "alike"]
    counts = ["n_seeds", "n_collapsed"]
    names = [*words, *numbers, *others, *counts, "uses_protected", "control_of"]
    looks = {**dict.fromkeys(words, "text"), **dict.fromkeys(counts, "whole")}
    looks |= dict.fromkeys(["uses_protected", "control_of"], "text")
    titles = {
        "takes_part": "takes part", "n_seeds": "seeds", "n_collapsed": "constant",
        "uses_protected": "uses protected", "control_of": "control of",
        **{metric: heading(metric) for metric in (fair, kept, *others)},
        **{f"{m}_{end}": end for m in (fair, kept) for end in ("low", "high")},
    }  # fmt: skip
    widths = {
        "method": 150,
        **dict.fromkeys((fair, kept), 130),
        **dict.fromkeys(others, 110),
        "uses_protected": 130,
        "control_of": 130,
    }
    widths |= {f"{m}_{end}": 55 for m in (fair, kept) for end in ("low", "high")}  # fmt: skip
    return View(
        key="leaderboard",
        title="Leaderboard",
        about="A row per method: means over seeds, with 95 % intervals (low, high) of "
        f"{short_name(fair).lower()} and {short_name(kept).lower()}. Front: no other method is "
        "both fairer and more accurate. Alike: methods that share a letter cannot be told apart by "
        "fairness. What takes no part (a constant classifier, a control, chance) comes last. "
        "Above the table: the same methods as points, hollow where they take no part.",
        rows=board[[*BOARD, "explainer", *names]],
        choices=(TASK, DESIGN, LEVEL, EXPLAINER),
        sql=f"SELECT {listed(names)}\nFROM {table_file(folder, 'leaderboard')}\n"
        "WHERE {where}\nORDER BY {order}",
        columns=tuple(
            Column(n, titles.get(n, n), looks.get(n, "number"), widths.get(n, 80)) for n in names
        ),
        sort=(fair, kept, *others, "method"),
        first=(("takes_part", True),),
        ties=("method",),
    )


def levels_view(cells: pd.DataFrame, folder: str) -> View:
    """Return every metric by level and method, as means over seeds with 95 % intervals."""
    rows = means_over_seeds(cells)
    lines = rows.groupby(["task", "design", "metric", "explainer", "method"], dropna=False,
                         sort=False, observed=True)[["level", "mean"]].agg(list)  # fmt: skip
    lines = lines.reset_index().rename(columns={"level": "xs", "mean": "ys"})
    titles = {"level": "level", "method": "method", "mean": "mean", "low": "low", "high": "high",
              "seeds": "seeds"}  # fmt: skip
    looks = {"level": "level", "method": "text", "seeds": "whole"}
    return View(
        key="levels",
        title="Every metric by level and method",
        about="Points are means over seeds; bars and the columns low and high are 95 % "
        f"intervals, Student's over seeds from {STUDENT_SEEDS} seeds on, else the mean of the "
        "cells' intervals over images.",
        rows=rows,
        choices=(TASK, DESIGN, Choice("metric", "Metric"), EXPLAINER),
        sql=_means_query(folder, sorted(set(rows["seeds"].astype(int)))),
        columns=tuple(
            Column(n, t, looks.get(n, "number"), 150 if n == "method" else 80)
            for n, t in titles.items()
        ),
        sort=("level", "mean", "method"),
        ties=("level", "method"),
        more={"lines": lines},
    )


def means_over_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """Return mean and 95 % interval over seeds of every metric, as `_cells.over_seeds` does of one.

    Parameters
    ----------
    cells
        The table `cell_metrics`; missing values are left out.

    Returns
    -------
    pandas.DataFrame
        task, design, metric, explainer, level, method, mean, low, high, seeds; metrics in the order
        in which figures show them, levels ascending.
    """
    from rightreasons.statistics.student import t_quantile

    keys = ["task", "design", "metric", "explainer", "level", "method"]
    known = cells.dropna(subset=["value"])
    grouped = known.groupby(keys, dropna=False, sort=False, observed=True)
    made = grouped.agg(
        mean=("value", "mean"), error=("value", "sem"), seeds=("value", "size"),
        smallest=("value", "min"), largest=("value", "max"),
        low=("ci_low", lambda ends: ends.mean(skipna=False)),
        high=("ci_high", lambda ends: ends.mean(skipna=False)),
    ).reset_index()  # fmt: skip
    error = made["error"].where(made["smallest"] != made["largest"], 0.0)
    margin = error * t_quantile(made["seeds"].to_numpy() - 1)
    by_seed = made["seeds"] >= STUDENT_SEEDS
    made["low"] = made["low"].where(~by_seed, made["mean"] - margin)
    made["high"] = made["high"].where(~by_seed, made["mean"] + margin)
    for name in ("task", "design", "metric", "explainer", "method"):
        made[name] = made[name].astype(object)
    place = {name: i for i, name in enumerate(_ordered(made["metric"].unique()))}
    made = made.assign(place=made["metric"].map(place))
    made = made.sort_values(["place", "level"], kind="stable")
    return made[[*keys, "mean", "low", "high", "seeds"]].reset_index(drop=True)


def models_view(cells: pd.DataFrame, folder: str) -> View:
    """Return every model as a point: one number of it against another."""
    wide, conditions = _wide(cells)
    fair = [key for key in conditions if key in _fairness() and key not in _reliance()]
    reliance = [key for key in conditions if key not in fair]
    x = Choice("x", "Sideways", axis={key: key for key in reliance},
               sql={key: conditions[key] for key in reliance})  # fmt: skip
    upwards = [*fair, *(key for key in reliance if " of " not in key)]
    y = Choice("y", "Upwards", axis={key: key for key in upwards},
               sql={key: conditions[key] for key in upwards})  # fmt: skip
    file = table_file(folder, "cell_metrics")
    return View(
        key="models",
        title="Fairness against reliance",
        about="A point per model: one method at one level with one seed. Fair for the right "
        "reasons is low in equalized odds and low in reliance. Point at one to read which model it "
        "is; the table has them all. Models without one of both numbers are left out.",
        rows=wide,
        choices=(
            Choice("task", "Task", every=True),
            Choice("design", "Design", every=True),
            Choice("level", "Level", every=True),
            Choice("method", "Method", every=True),
            x,
            y,
        ),
        sql=f"SELECT {', '.join(CELL)},\n"
        "       max(value) FILTER (metric = {x}) AS x,\n"
        "       max(value) FILTER (metric = {y}) AS y\n"
        f"FROM {file}\n"
        "WHERE {where}\n"
        f"GROUP BY {', '.join(CELL)}\n"
        "HAVING x IS NOT NULL AND y IS NOT NULL\n"
        "ORDER BY {order}",
        columns=(
            Column("task", "task", width=180),
            Column("design", "design", width=130),
            Column("level", "level", "level"),
            Column("seed", "seed", "whole"),
            Column("method", "method", width=150),
            Column("x", "sideways", "number"),
            Column("y", "upwards", "number"),
        ),
        sort=("x", "y", "level", "method"),
        known=("x", "y"),
        ties=("task", "design", "level", "seed", "method"),
    )


def yardstick_view(table: pd.DataFrame, folder: str) -> View:
    """Return how far every explainer and metric follows what models truly rely on."""
    ends = {
        f"{side}_{end}": [f"{name}_datasets_{end}", f"{name}_tasks_{end}", own]
        for side, name, owns in (
            ("rho", "within", ("ci_low", "ci_high")),
            ("area", "area_within", ("area_low", "area_high")),
        )
        for end, own in zip(("low", "high"), owns, strict=True)
    }
    made = {key: _first_known(table, names) for key, names in ends.items()}
    rows = table.assign(rho=table["within"], area=table["area_within"], **made)
    rows = rows.assign(rank=rows["rank"].astype(float))
    names = ["rank", "explainer", "metric", "rho", "rho_low", "rho_high", "area", "area_low",
             "area_high", "hit_rate", "false_alarm_rate", "false_alarm_place_rate", "cells",
             "tasks"]  # fmt: skip
    written = {
        "rho": "within AS rho", "area": "area_within AS area",
        **{key: f"coalesce({', '.join(parts)}) AS {key}" for key, parts in ends.items()},
    }  # fmt: skip
    titles = {
        "rho": "ρ in a task ↑", "area": "ROC area ↑", "hit_rate": "hits ↑",
        "false_alarm_rate": "false alarms ↓", "false_alarm_place_rate": "in the wrong place ↓",
        "cells": "models", **{k: k.partition("_")[2] for k in ends},
    }  # fmt: skip
    looks = {"explainer": "text", "metric": "text", "rank": "whole", "cells": "whole",
             "tasks": "whole"}  # fmt: skip
    widths = {"explainer": 160, "metric": 160, "false_alarm_rate": 100,
              "false_alarm_place_rate": 140}  # fmt: skip
    rows = rows.sort_values(["rank", "shown"], kind="stable", na_position="last")
    rows = rows.assign(truth=pd.Categorical(rows["truth"], _first(rows["truth"], "flips")))
    rows = rows.sort_values("truth", kind="stable").astype({"truth": object})
    return View(
        key="yardstick",
        title="Yardstick: which maps say what a model relies on?",
        about="A row per explainer and metric, by how well it follows what models truly rely on: "
        "Spearman's ρ within a task, and the ROC area of models that rely on the attribute above "
        "those that do not. Intervals are for other datasets where there are several, else for "
        "other tasks, else for other seeds.",
        rows=rows[["truth", "shown", *names]].reset_index(drop=True),
        choices=(
            Choice("truth", "True reliance by"),
            Choice("shown", "Images"),
            Choice("explainer", "Explainer", every=True),
            Choice("metric", "Metric", every=True),
        ),
        sql=f"SELECT {listed([written.get(n, n) for n in names])}\n"
        f"FROM {table_file(folder, 'yardstick')}\n"
        "WHERE {where}\nORDER BY {order}",
        columns=tuple(
            Column(n, titles.get(n, n), looks.get(n, "number"), widths.get(n, 80)) for n in names
        ),
        sort=("rank", "rho", "area", "hit_rate", "false_alarm_rate", "explainer", "metric"),
        ties=("explainer", "metric"),
    )


def runtimes_view(table: pd.DataFrame, folder: str) -> View:
    """Return how long the jobs took, by stage, task, method and set of explainers."""
    keys = ["stage", "task", "method", "explainers"]
    made = table.groupby(keys, dropna=False, sort=False, observed=True).agg(
        jobs=("stage", "size"), seconds=("seconds", "sum"), longest=("seconds", "max"),
        memory=("max_rss", "max"),
    ).reset_index()  # fmt: skip
    made["seconds"] = made["seconds"].astype(float)
    for name in keys:
        made[name] = made[name].astype(object).where(made[name].notna(), None)
    return View(
        key="runtimes",
        title="Run times",
        about="A row per kind of job: how many there were, their seconds together, the longest, "
        "and the most memory in MiB.",
        rows=made,
        choices=(Choice("stage", "Stage", every=True), Choice("task", "Task", every=True)),
        sql="SELECT stage, task, method, explainers, count(*) AS jobs,\n"
        "       sum(seconds) AS seconds, max(seconds) AS longest, max(max_rss) AS memory\n"
        f"FROM {table_file(folder, 'runtimes')}\n"
        "WHERE {where}\nGROUP BY stage, task, method, explainers\nORDER BY {order}",
        columns=(
            Column("stage", "stage"),
            Column("task", "task", width=180),
            Column("method", "method", width=150),
            Column("explainers", "set"),
            Column("jobs", "jobs", "whole"),
            Column("seconds", "seconds", "number"),
            Column("longest", "longest", "number"),
            Column("memory", "MiB", "whole"),
        ),
        sort=("seconds", "longest", "memory", "stage"),
        down=True,
        ties=tuple(keys),
    )


def _means_query(folder: str, counts: Sequence[int]) -> str:
    """Return the query of means over seeds, with Student's quantiles for the counts there are."""
    from rightreasons.statistics.student import t_quantile

    cases = " ".join(
        f"WHEN {n} THEN {float(t_quantile(n - 1))!r}" for n in counts if n >= STUDENT_SEEDS
    )
    t = f"CASE n {cases} END" if cases else "NULL"
    few = f"n < {STUDENT_SEEDS}"
    return (
        "SELECT level, method, mean,\n"
        f"       CASE WHEN {few} THEN own_low ELSE mean - t * error END AS low,\n"
        f"       CASE WHEN {few} THEN own_high ELSE mean + t * error END AS high, n AS seeds\n"
        f"FROM (SELECT *, {t} AS t FROM (\n"
        "  SELECT level, method, avg(value) AS mean, count(value) AS n,\n"
        "         stddev_samp(value) / sqrt(count(value)) AS error,\n"
        "         avg(ci_low) AS own_low, avg(ci_high) AS own_high\n"
        f"  FROM {table_file(folder, 'cell_metrics')}\n"
        "  WHERE {where}\n  AND value IS NOT NULL\n  GROUP BY level, method))\n"
        "ORDER BY {order}"
    )


def _wide(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a row per model with a column per metric (of an explainer), and their conditions."""
    shown = [*_reliance(), *_fairness(), utility().name, *headline("figures")]
    shown = list(dict.fromkeys(shown))
    known = cells[cells["metric"].isin(shown) & cells["value"].notna()]
    explainer = known["explainer"].astype(object)
    names = known["metric"].astype(str)
    key = names.where(explainer.isna(), names + " of " + explainer.fillna("").astype(str))
    wide = known.assign(key=key).pivot_table(
        index=CELL, columns="key", values="value", aggfunc="max", sort=False, observed=True
    )
    order = {metric: i for i, metric in enumerate(shown)}
    keys = sorted(wide.columns, key=lambda k: order[k.partition(" of ")[0]])
    conditions = {}
    for name in keys:
        metric, _, of = name.partition(" of ")
        conditions[name] = quoted(metric) + (f" AND explainer = {quoted(of)}" if of else "")
    rows = wide[keys].reset_index()
    rows.columns.name = None
    for name in ("task", "design", "method"):
        rows[name] = rows[name].astype(object)
    return rows, conditions


def _fairness() -> list[str]:
    """Return the metrics of fairness, the leaderboard's first."""
    named = [metric.name for metric in METRICS if metric.traits["aim"] == "fairer"]
    return list(dict.fromkeys([ranking().name, *sorted(named)]))


def _reliance() -> list[str]:
    """Return the metrics of reliance: of twins first, then what maps say of it."""
    return list(dict.fromkeys([*headline("leaderboard", "reliance"), *playing("shift")]))


def _ordered(metrics: Iterable[str]) -> list[str]:
    """Return metrics as figures show them, fairness first, then the others by name."""
    shown = list(dict.fromkeys([*_fairness(), *headline("figures")]))
    return sorted(metrics, key=lambda m: (shown.index(m) if m in shown else len(shown), str(m)))


def _first(values: pd.Series, wanted: str) -> list[str]:
    found = sorted(values.dropna().unique())
    return sorted(found, key=lambda value: value != wanted)


def _first_known(table: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    found = table[names[0]]
    for name in names[1:]:
        found = found.fillna(table[name])
    return found.astype(float)
