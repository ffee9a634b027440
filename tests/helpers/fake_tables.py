"""Made-up tables and mean maps of a study, as its stages leave them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from rightreasons.figures._schemes import SCHEMES, STYLES
from rightreasons.tables.asked import QUESTIONS

METHODS = (
    "vanilla", "finetune", "thropt", "thropt_group", "savani_aft", "zhang", "p_clarc", "a_clarc",
    "rr_clarc",
)  # fmt: skip
EXPLAINERS = ("lrp", "integrated_gradients")
TASK = {"task": "smiling_by_necktie", "design": "phi"}
KEY = {"study": "fake", "dataset": "synthfaces", **TASK}
GROUP_METRICS = (
    *("accuracy", "cell_balanced_accuracy", "equalized_odds", "worst_group_accuracy"),
    "twin_flip_rate",
)
MAP_METRICS = ("rrf", "hrf", "mrr", "adr", "dif", "rddt", "det")
COLLAPSED = ("p_clarc", 0.9, 1)


def fairness_of(method: str) -> float:
    """Return how much a method does, from 0 (vanilla) up; methods of a user are in the middle."""
    return METHODS.index(method) / 12 if method in METHODS else 0.4


def fake_value(metric: str, method: str, level: float, rng: np.random.Generator) -> float:
    """Return a number as real studies have them: bias grows with the level."""
    strength = 1 - fairness_of(method)
    shift = 0.0 if method in ("vanilla", "thropt", "thropt_group") else 1 - strength
    centre = {
        "accuracy": 0.86 - 0.15 * level * strength,
        "cell_balanced_accuracy": 0.8 - 0.2 * level * strength,
        "equalized_odds": 0.06 + 0.6 * level * strength,
        "worst_group_accuracy": 0.8 - 0.45 * level * strength,
        "twin_flip_rate": 0.02 + 0.3 * level * strength,
        "rrf": 0.11 + 0.1 * level * (1 - shift),
        "hrf": 0.4 + 0.2 * level * (1 - shift),
        "mrr": 1 + level * (1 - shift),
        "adr": 0.05 * level * shift,
        "dif": 0.9 * shift,
    }
    if metric in ("rddt", "det"):
        return float(rng.random() < 0.2 + shift)
    if shift == 0 and metric in ("adr", "dif"):
        return 0.0
    return centre[metric] + 0.02 * rng.standard_normal()


def fake_cells(
    methods: tuple[str, ...] = METHODS,
    levels: tuple[float, ...] = (0.0, 0.5, 0.9),
    seeds: tuple[int, ...] = (0, 1),
    explainers: tuple[str, ...] = EXPLAINERS,
    collapsed: tuple[str, float, int] = COLLAPSED,
) -> pd.DataFrame:
    """Return a table `cell_metrics`; the model of `collapsed` is a constant classifier."""
    rng = np.random.default_rng(0)
    rows = []
    for method, level, seed in itertools.product(methods, levels, seeds):
        constant = (method, level, seed) == collapsed
        key = {**KEY, "level": level, "seed": seed, "method": method}
        rows.append({**key, "metric": "collapsed_prediction", "value": float(constant)})
        pairs = [(m, None) for m in GROUP_METRICS]
        pairs += [(m, e) for e in explainers for m in MAP_METRICS]
        for metric, explainer in pairs:
            value = fake_value(metric, method, level, rng)
            if constant and explainer is None:
                value = {"equalized_odds": 0.0, "accuracy": 0.5}.get(metric, 0.0)
            interval = {"ci_low": value - 0.04, "ci_high": value + 0.04, "n": 200}
            rows.append(
                {**key, "explainer": explainer, "metric": metric, "value": value} | interval
            )
    return pd.DataFrame(rows)


def fake_tests(cells: pd.DataFrame, explainers: tuple[str, ...] = EXPLAINERS) -> pd.DataFrame:
    """Return a table `tests`: paired comparisons, and a significance test that is none."""
    rng = np.random.default_rng(1)
    rows = []
    compared = [name for name in GROUP_METRICS if name != "cell_balanced_accuracy"]
    pairs = [(m, None) for m in compared] + [("rrf", e) for e in explainers]
    for reference in ("vanilla", "finetune"):
        methods = [m for m in cells["method"].unique() if m not in ("vanilla", reference)]
        for method, level, (metric, explainer) in itertools.product(
            methods, cells["level"].unique(), pairs
        ):
            effect = -0.4 * level * fairness_of(method) + 0.03 * rng.standard_normal()
            p = float(np.exp(-abs(effect) * 60))
            row = {**KEY, "level": level, "method": method, "explainer": explainer}
            row |= {"test": "paired", "unit": "seed", "reference": reference, "metric": metric}
            row |= {"effect": effect, "ci_low": effect - 0.05, "ci_high": effect + 0.05}
            rows.append(row | {"p_value": p, "p_holm": min(1.0, 3 * p), "seed": None})
    rddt = {**rows[0], "test": "rddt", "unit": None, "metric": "intensity", "seed": 0}
    others = [{**row, "unit": "image", "p_holm": 0.0, "effect": 99.0} for row in rows]
    every = {**rows[0], "test": "all pairs", "effect": 99.0}
    return pd.DataFrame([*rows, *others, every, {**rddt, "effect": 99.0}])


def fake_robustness(methods: tuple[str, ...], reference: str = "vanilla") -> pd.DataFrame:
    """Return a table `robustness`: better, undecided and worse by default, some of it fragile."""
    rows = []
    for i, (method, question) in enumerate(itertools.product(methods, QUESTIONS)):
        answer, flips = ("better", "undecided", "worse")[i % 3], (0.0, 0.08, 0.4)[i % 3]
        maps = question == "saliency"
        row = {**KEY, "level": 0.9, "method": method, "question": question, "reference": reference}
        row |= {"answer": answer, "universes": 120 if maps else 12, "seeds": 2, "effect": 0.1}
        row |= {"better": 0.0, "undecided": 0.0, "worse": 0.0, answer: 1 - flips}
        row["worse" if answer == "undecided" else "undecided"] += flips
        row |= {"flips": flips, "fragile": flips > 0.1, "flips_metric": flips}
        rows.append(row | ({"flips_roi": 1.0} if maps else {"flips_threshold": flips / 2}))
    return pd.DataFrame(rows)


def fake_shortcuts(
    methods: tuple[str, ...], levels: tuple[float, ...] = (0.0, 0.5, 0.9)
) -> pd.DataFrame:
    """Return a table `two_shortcuts`: the fairer a method, the more it relies on the other."""
    rows = []
    for method, level in itertools.product(methods, levels):
        x, y = -0.5 * level * fairness_of(method), 0.2 * level * fairness_of(method) - 0.02
        row = {**KEY, "level": level, "method": method, "unit": "seed", "told": level > 0.5}
        for name, change in (("protected", x), ("watched", y)):
            row |= {f"{name}_change": change, f"{name}_change_low": change - 0.03}
            row[f"{name}_change_high"] = change + 0.03
        rows.append(row)
    return pd.DataFrame(rows)


def fake_associations(explainers: tuple[str, ...] = EXPLAINERS) -> pd.DataFrame:
    rows = []
    for explainer, predictor, model in itertools.product(
        explainers, ("adr", "rrf_change"), ("spearman", "least squares")
    ):
        row = {"study": "fake", "explainer": explainer, "model": model, "predictor": predictor}
        row |= {"outcome": "equalized_odds_change", "estimate": -0.42, "ci_low": -0.6}
        rows.append(
            row | {"ci_high": -0.2, "p_value": 0.0004 if model != "spearman" else None, "n": 48}
        )
    return pd.DataFrame(rows)


def fake_runtimes(methods: tuple[str, ...] = METHODS) -> pd.DataFrame:
    rows = [{"stage": stage, "seconds": 3.0} for stage in ("tabulate", "fetch", "pool")]
    for i, method in enumerate(methods):
        rows.append({"stage": "debias", "method": method, "seconds": 4.0 + i})
        rows.append({"stage": "debias", "method": method, "seconds": 6.0 + i})
        rows.append({"stage": "explain", "method": method, "explainers": "main", "seconds": 20.0})
    return pd.DataFrame(
        [{**KEY, "device": "cpu", "explainers": None, "method": None} | r for r in rows]
    )


def fake_leaderboard(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a table `leaderboard` as `tabulate` makes it: a row per method and explainer."""
    rows = []
    values = cells.pivot_table(
        index=["level", "method", "explainer"], columns="metric", values="value"
    )
    plain = cells[cells["explainer"].isna()]
    groups = plain.pivot_table(index=["level", "method"], columns="metric", values="value")
    for (level, method, explainer), of_maps in values.iterrows():
        of_group = groups.loc[(level, method)]
        odds = of_group["equalized_odds"]
        collapsed = round(2 * of_group["collapsed_prediction"])
        row = {**KEY, "level": level, "method": method, "explainer": explainer}
        row |= {name: of_group[name] for name in GROUP_METRICS if name != "accuracy"}
        kept = of_group["cell_balanced_accuracy"]
        row |= {
            "cell_balanced_accuracy_low": kept - 0.05,
            "cell_balanced_accuracy_high": kept + 0.05,
        }
        row |= {name: of_maps[name] for name in ("rrf", "adr", "dif", "rddt")}
        row |= {"equalized_odds_low": odds - 0.04, "equalized_odds_high": odds + 0.04}
        row |= {"equalized_odds_change_p": 0.001 if odds < 0.3 else 0.4}
        rows.append(row | {"n_seeds": 2, "n_collapsed": collapsed})
    board = pd.DataFrame(rows)
    board["takes_part"] = board["n_collapsed"] == 0
    # The fairest is the front, the others are alike but for it.
    fairest = board[board["takes_part"]].groupby(["level", "explainer"])["equalized_odds"]
    board["front"] = board["equalized_odds"] == fairest.transform("min").reindex(board.index)
    board["alike"] = board["front"].map({True: "a", False: "ab"}).where(board["takes_part"])
    by = ["level", "explainer", "equalized_odds"]
    return board.sort_values(["takes_part", *by], ascending=[False, *[True] * 3], ignore_index=True)


def fake_part(
    methods: tuple[str, ...] = METHODS, n: tuple[int, ...] = (50, 50, 50, 50), seed: int = 0
) -> dict[str, np.ndarray]:
    """Return a `mean_maps.npz`: a face-like blob whose map is strong in the ROI."""
    y, x = np.mgrid[0:64, 0:64]
    face = np.exp(-(((x - 32) / 14) ** 2 + ((y - 28) / 18) ** 2))
    image = (255 * (0.3 + 0.6 * face)[None, :, :, None] * np.array([1, 0.85, 0.75])).astype(
        np.uint8
    )
    roi = np.zeros((64, 64), np.float32)
    roi[51:60, 14:48] = 1
    part: dict[str, np.ndarray] = {
        "image": np.repeat(image, 4, axis=0),
        "n": np.array(n),
        "roi": roi,
    }
    mouth = np.exp(-(((x - 32) / 8) ** 2 + ((y - 40) / 4) ** 2))
    empty = np.array(n) == 0
    for explainer, method in itertools.product(EXPLAINERS, methods):
        same = "vanilla" if method.startswith("thropt") else method
        index = int(12 * fairness_of(same))
        signs = np.array([1, -1, -1, 1])[:, None, None]
        map_ = 0.15 * mouth + signs * 0.2 * roi * (1 - index / 9)
        noise = np.random.default_rng([seed, index]).standard_normal(map_.shape)
        part[f"map/{explainer}/{method}"] = (map_ + 0.02 * noise).astype(np.float32)
        part[f"map/{explainer}/{method}"][empty] = np.nan
    return part


# Patch classifiers, and methods that look away

PAPER = {"task": "Male_by_Wearing_Hat", "design": "one_sided"}
PAPER_KEY = {"study": "fake", "dataset": "celeba", **PAPER}
QUANTILES = (0.6, 0.7, 0.8, 0.9, 0.95)
FEATURES = {"Wearing_Hat": (0.2, 0.5), "Eyeglasses": (0.42, 0.5), "Wearing_Necktie": (0.85, 0.5)}


def fake_grid(
    kinds: tuple[str, ...] = tuple(STYLES),
    places: tuple[float, ...] = QUANTILES,
    seeds: tuple[int, ...] = (0, 1, 2),
    level: float = 2 / 3,
) -> pd.DataFrame:
    """Return a table `data_attribution` in which schemes help men at the cost of women."""
    rows = []
    for i, kind in enumerate(kinds):
        for quantile, seed in itertools.product(places if kind in SCHEMES else (np.nan,), seeds):
            hidden = 0.0 if np.isnan(quantile) else 1 - quantile
            noise = 0.012 * np.random.default_rng([i, seed, int(99 * hidden)]).standard_normal(2)
            men = 0.62 + 0.25 * hidden + (0.14 if kind == "balanced" else 0.01 * i) + noise[0]
            women = 0.88 - 0.2 * hidden * (1 + 0.2 * i) + noise[1]
            name = kind if np.isnan(quantile) else f"{kind}_{round(100 * quantile)}"
            row = {**PAPER_KEY, "level": level, "seed": seed, "method": name, "kind": kind}
            numbers = {"accuracy_1": men, "accuracy_0": women, "gap": abs(men - women)}
            rows.append({**row, "quantile": quantile, "accuracy": (men + women) / 2, **numbers})
    return pd.DataFrame(rows)


def fake_bins(
    attributes: tuple[str, ...] = ("gender", "race", "age"), seeds: tuple[int, ...] = (0, 1)
) -> pd.DataFrame:
    """Return a table `region_reliability` with 100 bins, empty below chance."""
    rows = []
    for (i, attribute), seed in itertools.product(enumerate(attributes), seeds):
        chance = 1 / (2, 7, 9)[i % 3]
        rng = np.random.default_rng([i, seed])
        for b in range(100):
            middle = (b + 0.5) / 100
            n = int(1e5 * np.exp(-(((middle - chance - 0.1) / 0.15) ** 2))) * (middle > chance)
            accuracy = np.clip(middle + 0.5 * rng.standard_normal() / np.sqrt(n + 1), 0, 1)
            row = {"dataset": "fairface", "study": "fake", "seed": seed, "attribute": attribute}
            row |= {"network": "published", "bin": b, "low": b / 100, "high": (b + 1) / 100, "n": n}
            known = {"confidence": middle, "accuracy": accuracy} if n else {}
            rows.append(row | known)
    return pd.DataFrame(rows)


def fake_calibration(bins: pd.DataFrame) -> pd.DataFrame:
    keys = bins[["study", "dataset", "seed", "attribute", "network"]].drop_duplicates()
    numbers = {"ece": 0.0123, "accuracy": 0.456, "chance": 0.3}
    return keys.assign(**numbers)


def fake_positions(
    attributes: tuple[str, ...] = tuple(FEATURES), grid: int = 15, networks: int = 1
) -> pd.DataFrame:
    """Return a table `region_positions`: right where the feature is."""
    row, column = (a.ravel() for a in np.mgrid[:grid, :grid])
    parts = []
    for attribute, network in itertools.product(attributes, ("published", "dense")[:networks]):
        y, x = FEATURES.get(attribute, (0.5, 0.5))
        near = np.exp(-(((row / grid - y) / 0.2) ** 2) - ((column / grid - x) / 0.3) ** 2)
        part = pd.DataFrame({"position": row * grid + column, "row": row, "column": column})
        part = part.assign(accuracy=0.55 + 0.4 * near, ece=0.02 + 0.05 * (1 - near), n=300)
        names = {"attribute": attribute, "network": network, "study": "f", "dataset": "synthfaces"}
        parts.append(part.assign(**names))
    return pd.concat(parts)


def fake_region_maps() -> pd.DataFrame:
    rows = [
        {"attribute": name, "kind": kind, "iou": iou, "mask_mass": 0.31, "mask_share": 0.08}
        for name, iou in (("Wearing_Hat", 0.52), ("Eyeglasses", None))
        for kind in ("mean", "image")
    ]
    return pd.DataFrame(rows)


def fake_groups(
    methods: tuple[str, ...] = METHODS,
    levels: tuple[float, ...] = (0.0, 0.9),
    seeds: tuple[int, ...] = (0, 1),
    names: tuple[str, ...] = ("not Wearing_Hat", "Wearing_Hat"),
    classes: tuple[str | None, ...] = (None,),
) -> pd.DataFrame:
    """Return a table `groups`; of more than two groups the last has no test image."""
    rng = np.random.default_rng(1)
    rows = []
    for method, level, seed in itertools.product(methods, levels, seeds):
        for (code, name), metric in itertools.product(
            enumerate(names), ("accuracy", "selection_rate", "tpr", "fpr", "auroc")
        ):
            for one in (None,) if metric == "accuracy" else classes:
                gone = len(names) > 2 and code == len(names) - 1
                value = np.nan if gone else 0.5 + 0.3 * rng.random() + 0.1 * code / len(names)
                rows.append(
                    {
                        **KEY,
                        **{"level": level, "seed": seed, "method": method},
                        **{"group_code": code, "group_name": name, "class_name": one},
                        **{
                            "metric": metric,
                            "value": value,
                            "n": 0 if gone else max(120 - 5 * code, 8),
                        },
                        **{"ci_low": value - 0.06, "ci_high": value + 0.05},
                    }
                )
    return pd.DataFrame(rows)
