"""Made-up tables and maps of a study with watermarks, as its stages leave them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

TASK = {"task": "cat_by_watermark", "design": "artifact_fraction"}
KEY = {"study": "fake", "dataset": "pets", **TASK}
LEVELS = (0.0, 0.5, 1.0)
EXPLAINERS = (
    "gradient", "gradient_squared", "smoothgrad", "integrated_gradients", "input_x_gradient",
    "guided_backprop", "deconvnet", "gradcam", "deeplift", "lrp", "occlusion_4", "occlusion_8",
    "random", "edges",
)  # fmt: skip
SIZE = 48
PLACE = (slice(36, 45), slice(3, 18))  # the watermark's rows and columns


def fake_images(
    levels: tuple[float, ...] = LEVELS,
    seeds: tuple[int, ...] = (0, 1),
    explainers: tuple[str, ...] = ("gradient", "random"),
    n: int = 25,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return tables `image_metrics` and `predictions`: n images a quadrant, all with maps.

    The more of one class had the watermark, the more of the map's top lies on it, and the more
    decisions follow it. There is another metric and another method too.
    """
    metrics, predictions = [], []
    rng = np.random.default_rng(0)
    for level, seed, target, i in itertools.product(levels, seeds, (0, 1), range(n)):
        for protected in (0, 1):
            name = f"{seed}{target}{i:04d}" + "+watermark" * protected
            key = {**KEY, "level": level, "seed": seed, "image_id": name}
            key |= {"target": target, "protected": protected}
            fooled = rng.random() < 0.9 * level * (target != protected)
            score = rng.uniform(0.5, 1) if (target == 1) != fooled else rng.uniform(0, 0.5)
            for method in ("vanilla", "finetune"):
                row = {**key, "method": method, "score": score, "decision": int(score > 0.5)}
                predictions.append(row)
                for explainer in explainers:
                    seen = 0 if explainer == "random" else level * (0.8 if protected else 0.3)
                    value = np.clip(rng.beta(1, 12) + seen * rng.beta(5, 2), 0, 1)
                    row = {**key, "method": method, "explainer": explainer}
                    metrics.append({**row, "metric": "top_fraction", "value": value})
                    metrics.append({**row, "metric": "rrf", "value": 9.0})
    return pd.DataFrame(metrics), pd.DataFrame(predictions)


def fake_part(
    strength: float = 1.0,
    explainers: tuple[str, ...] = EXPLAINERS,
    n: tuple[int, ...] = (50, 50, 50, 50),
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Return a `mean_maps.npz` whose maps are `strength` on the watermark where it is."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    animal = np.exp(-(((x - 26) / 12) ** 2 + ((y - 20) / 12) ** 2))
    image = np.uint8(255 * (0.3 + 0.6 * animal)[None, :, :, None] * np.array([1, 0.85, 0.7]))
    images = np.repeat(image, 4, axis=0)
    images[1::2, *PLACE] = 230
    roi = np.zeros((SIZE, SIZE), np.float32)
    roi[PLACE] = 1
    part: dict[str, np.ndarray] = {"image": images, "n": np.array(n), "roi": roi}
    for i, explainer in enumerate(explainers):
        scale, noise = 0.8 / (1 + i), np.random.default_rng([seed, i])
        cells = [animal * 0.5 + strength * (protected == 1) * roi for protected in (0, 1, 0, 1)]
        maps = scale * (np.stack(cells) + 0.2 * noise.standard_normal((4, SIZE, SIZE)))
        maps[np.array(n) == 0] = np.nan
        part[f"map/{explainer}/vanilla"] = maps.astype(np.float32)
    return part


METRICS = (
    "top_fraction", "rrf", "hrf", "mrr", "pointing_game", "relevance_rank_accuracy",
    "localisation_auc",
    "k_ssd", "fam", "ccm", "adr", "det",
)  # fmt: skip


def fake_reliance(
    explainers: tuple[str, ...] = ("gradient", "random"),
    metrics: tuple[str, ...] = METRICS,
    seeds: tuple[int, ...] = (0, 1, 2),
    levels: tuple[float, ...] = LEVELS,
) -> pd.DataFrame:
    """Return a table `reliance` of two tasks: in `cat_by_tint` the ROI is not where the tint is."""
    rng = np.random.default_rng(0)
    rows = []
    cells = itertools.product(("cat_by_watermark", "cat_by_tint"), levels, seeds)
    for (task, level, seed), method in itertools.product(cells, ("vanilla", "finetune")):
        flips = np.clip(0.7 * level + 0.05 * rng.standard_normal(), 0, 1)
        truth = {"flips": flips, "logit_change": 6 * flips, "accuracy_change": -flips / 2}
        key = {**KEY, "task": task, "level": level, "seed": seed, "method": method}
        for i, (explainer, metric) in enumerate(itertools.product(explainers, metrics)):
            seen = 0.0 if explainer == "random" or task == "cat_by_tint" else flips
            for shown in ("with", "without"):
                value = 0.1 + seen * (0.9 - 0.05 * (i % 12)) + 0.03 * rng.standard_normal()
                control = explainer == "random"
                row = {**key, "explainer": explainer, "metric": metric, "shown": shown}
                row |= {"value": value, "ci_low": value - 0.05, "ci_high": value + 0.05, "n": 100}
                row |= {"chance": 0.1 if shown == "with" else np.nan} | truth
                row |= {"called": None if control else value > 0.2, "reliant": flips > 0.1}
                row |= {"flips_low": flips - 0.05, "flips_high": flips + 0.05}
                row |= {"place": task != "cat_by_tint", "collapsed": False}
                rows.append(row)
    return pd.DataFrame(rows)


def means_over_tasks(rho: float) -> dict[str, float]:
    """Return the columns of the yardstick that are about tasks and datasets."""
    row: dict[str, float] = {"within": rho - 0.02, "area_within": 0.49 + rho / 2}
    for name, value, least in (("within", rho - 0.02, -1.0), ("area_within", 0.49 + rho / 2, 0.0)):
        for unit, margin in (("tasks", 0.1), ("datasets", 0.2)):
            row[f"{name}_{unit}_low"] = max(value - margin, least)
            row[f"{name}_{unit}_high"] = min(value + margin, 1.0)
    return {**row, "tasks": 5, "datasets": 3}


TASKS = {
    "celeba": ("by_hat",),
    "pets": ("by_mark", "by_patch"),
    "faces": ("by_glasses", "by_frame"),
}


def fake_yardstick_tasks(
    explainers: tuple[str, ...] = EXPLAINERS, metrics: tuple[str, ...] = METRICS
) -> pd.DataFrame:
    """Return a table `yardstick_tasks` of three datasets: tasks differ a little."""
    rng = np.random.default_rng(4)
    table = fake_yardstick(explainers, metrics)
    table = table[["study", "explainer", "metric", "shown", "truth", "within"]]
    parts = []
    for dataset, tasks in TASKS.items():
        for task in tasks:
            own = np.clip(table["within"] + 0.1 * rng.standard_normal(len(table)), -1, 1)
            where = {"dataset": dataset, "task": task, "design": "artifact_fraction"}
            parts.append(table.drop(columns="within").assign(**where, estimate=own))
    return pd.concat(parts, ignore_index=True)


def fake_yardstick_debiased(
    explainers: tuple[str, ...] = EXPLAINERS, metrics: tuple[str, ...] = METRICS
) -> pd.DataFrame:
    """Return a table `yardstick_debiased`: half of what `fake_yardstick` has over all models."""
    rows = []
    for row in fake_yardstick(explainers, metrics).to_dict("records"):
        names = {name: row[name] for name in ("study", "explainer", "metric", "shown", "truth")}
        rho = row["within"] / 2
        shares = {"true_if_made": 0.6 + rho / 2, "untrue_if_not": 0.5 + rho / 2}
        counts = {"models": 60, "n_reliant": 40, "n_not_reliant": 20}
        rows.append({**names, "maps": "own", **means_over_tasks(rho), **shares, **counts})
    table = pd.DataFrame(rows)
    ranked = table["within"].where((table["truth"] == "flips") & (table["shown"] == "with"))
    return table.assign(rank=ranked.rank(ascending=False, method="first").astype("Int64"))


def fake_yardstick(
    explainers: tuple[str, ...] = EXPLAINERS, metrics: tuple[str, ...] = METRICS
) -> pd.DataFrame:
    """Return a table `yardstick`: each explainer and metric follows reliance less than the last."""
    rows = []
    pairs = list(itertools.product(enumerate(explainers), enumerate(metrics)))
    for truth, shown in itertools.product(
        ("flips", "logit_change", "accuracy_change"), ("with", "without")
    ):
        for (i, explainer), (j, metric) in pairs:
            control = explainer in ("random", "edges")
            rho = -0.05 + 0.01 * j if control else 0.98 - 0.05 * i - 0.04 * j
            rho *= 1.0 if shown == "with" else 0.5
            row = {"study": "fake", "explainer": explainer, "metric": metric, "shown": shown}
            row |= {"truth": truth, "estimate": rho, "cells": 36, "seeds": 3, "n_uncalled": 0}
            row |= {"area": 0.5 + rho / 2, "area_low": 0.3 + rho / 2}
            row |= {"area_high": min(0.55 + rho / 2, 1), "level_0_rate": 0.1}
            row |= {"ci_low": max(rho - 0.2, -1), "ci_high": min(rho + 0.1, 1)}
            row |= means_over_tasks(rho)
            row |= {"n_reliant": 24, "n_not_reliant": 12, "hit_rate": abs(rho)}
            row |= {"false_alarm_rate": (1 - abs(rho)) / 2, "false_alarm_place_rate": 0.1 * (j % 5)}
            rows.append(row)
    table = pd.DataFrame(rows)
    ranked = table["estimate"].where((table["truth"] == "flips") & (table["shown"] == "with"))
    return table.assign(rank=ranked.rank(ascending=False, method="first").astype("Int64"))


LAYERS = ("fc", "layer4.1", "layer4.0", "layer3.1", "layer3.0", "layer2.1", "layer2.0", "layer1.1",
          "layer1.0", "conv1")  # fmt: skip


def fake_sanity(
    explainers: tuple[str, ...] = EXPLAINERS,
    layers: tuple[str, ...] = LAYERS,
    levels: tuple[float, ...] = LEVELS,
    seeds: tuple[int, ...] = (0, 1),
) -> pd.DataFrame:
    """Return a table `sanity`: similarities fall, the controls' do not."""
    rng = np.random.default_rng(2)
    rows = []
    for (i, explainer), level, seed in itertools.product(enumerate(explainers), levels, seeds):
        key = {**KEY, "level": level, "seed": seed, "method": "vanilla", "explainer": explainer}
        for (k, layer), similarity in itertools.product(enumerate(layers), ("ssim", "spearman")):
            fixed = {"edges": 1.0, "random": 0.0}.get(explainer)
            value = np.exp(-(k + 1) / (1 + 0.7 * i)) + 0.02 * rng.standard_normal()
            value = fixed if fixed is not None else value
            row = {**key, "layer": layer, "randomised": k + 1, "of": len(layers)}
            row |= {"similarity": similarity, "value": value, "n": 50}
            rows.append({**row, "ci_low": value - 0.04, "ci_high": value + 0.04})
    return pd.DataFrame(rows)


PROBED = {
    "pixel_flipping": ("faithfulness", "higher"),
    "deletion": ("faithfulness", "lower"),
    "sensitivity_n": ("faithfulness", "higher"),
    "max_sensitivity": ("robustness", "lower"),
    "entropy": ("complexity", "lower"),
    "random_logit": ("randomisation", "lower"),
}


def fake_probes(
    explainers: tuple[str, ...] = EXPLAINERS,
    levels: tuple[float, ...] = LEVELS,
    seeds: tuple[int, ...] = (0, 1),
    probes: dict[str, tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Return a table `probes`: the later an explainer comes, the less it has above the floor."""
    rng = np.random.default_rng(6)
    rows = []
    asked = PROBED if probes is None else probes
    for (i, explainer), level, seed in itertools.product(enumerate(explainers), levels, seeds):
        key = {**KEY, "level": level, "seed": seed, "method": "vanilla", "explainer": explainer}
        for k, (probe, (family, better)) in enumerate(asked.items()):
            value = 10.0 ** (k % 4 - 2) * (1 + 0.2 * rng.standard_normal())
            row = {**key, "probe": probe, "family": family, "better": better, "n": 24}
            row |= {"control": explainer in ("random", "edges"), "value": value, "floor": "edges"}
            row |= {"ci_low": 0.9 * value, "ci_high": 1.1 * value, "pairs": 24}
            if not row["control"]:
                above = 0.5 - 0.3 * i
                row |= {"above_floor": above, "above_low": above - 0.2, "above_high": above + 0.2}
            rows.append(row)
    return pd.DataFrame(rows)


def fake_maps(
    image_ids: list[str],
    levels: tuple[float, ...] = LEVELS,
    explainers: tuple[str, ...] = ("gradient", "random"),
    size: int = SIZE,
) -> dict[tuple[float, str], np.ndarray]:
    """Return noisy maps by level and explainer, one per image."""
    rng = np.random.default_rng(4)
    shape = (len(image_ids), size, size)
    keys = itertools.product(levels, explainers)
    return {key: rng.standard_normal(shape).astype(np.float32) ** 3 for key in keys}
