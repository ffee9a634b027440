"""What the figures call a metric: short name, unit, direction of better."""

from __future__ import annotations

from rightreasons.metrics import METRICS

SHORT = {
    "accuracy": "Accuracy",
    "equalized_odds": "Equalized odds",
    "worst_group_accuracy": "Worst-group accuracy",
    "twin_flip_rate": "Twin flip rate",
    "rrf": "RRF",
    "hrf": "HRF",
    "mrr": "MRR",
    "adr": "ADR",
    "dif": "DIF",
    "rddt": "RDDT",
    "det": "DET",
    "top_fraction": "Top fraction",
    "pointing_game": "Pointing game",
    "relevance_rank_accuracy": "Rank accuracy",
    "localisation_auc": "Localisation AUC",
    "k_ssd": "K-SSD",
    "fam": "FAM",
    "ccm": "CCM",
}
FAIRNESS = {"equalized_odds", "twin_flip_rate"}
UNITS = {"fraction": "share", "intensity": "intensity", "ratio": "ratio", "probability": "prob."}
ARROWS = {"lower": "↓", "higher": "↑"}


def short_name(metric: str) -> str:
    """Return the name for a narrow panel: ours, else the registered title, else the key."""
    if metric in SHORT:
        return SHORT[metric]
    return METRICS[metric].title if metric in METRICS else metric


def is_flag(metric: str) -> bool:
    """Return whether a cell's value is 0 or 1, so that its mean is a share of seeds."""
    return metric in METRICS and METRICS[metric].traits["unit"] == "flag"


def unit(metric: str) -> str:
    """Return the unit; a flag's mean over seeds is the share of seeds in which it is 1."""
    if metric not in METRICS:
        return ""
    name = METRICS[metric].traits["unit"]
    return "share of seeds" if is_flag(metric) else UNITS.get(name, name)


def better(metric: str) -> str:
    """Return the direction of better in words: "↓ fairer", "↑ better", "↓ less in ROI"; or ""."""
    if metric not in METRICS or METRICS[metric].traits["better"] == "none":
        return ""
    traits = METRICS[metric].traits
    word = "better"
    if metric in FAIRNESS:
        word = "fairer"
    elif traits["needs"] in ("view", "pair", "located"):
        word = "less in ROI"
    return f"{ARROWS[traits['better']]} {word}"


def bounds(metric: str) -> tuple[float, float]:
    """Return the smallest and largest value possible, infinite where not known."""
    return METRICS[metric].traits["bounds"] if metric in METRICS else (-float("inf"), float("inf"))


def remark(metric: str) -> str:
    """Return unit and direction for below a panel's name."""
    return ", ".join(part for part in (unit(metric), better(metric)) if part)
