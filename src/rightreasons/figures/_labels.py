"""What the figures call a metric: short name, unit, direction of better."""

from __future__ import annotations

from rightreasons.metrics import METRICS

UNITS = {"fraction": "share", "intensity": "intensity", "ratio": "ratio", "probability": "prob."}
ARROWS = {"lower": "↓", "higher": "↑"}


def short_name(metric: str) -> str:
    """Return the name for a narrow panel: the short one, else the title, else the key."""
    if metric not in METRICS:
        return metric
    return METRICS[metric].traits["short"] or METRICS[metric].title


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
    of_region = traits["needs"] in ("view", "pair", "located")
    word = traits["aim"] or ("less in ROI" if of_region else "better")
    return f"{ARROWS[traits['better']]} {word}"


def bounds(metric: str) -> tuple[float, float]:
    """Return the smallest and largest value possible, infinite where not known."""
    return METRICS[metric].traits["bounds"] if metric in METRICS else (-float("inf"), float("inf"))


def compares(metric: str) -> bool:
    """Return whether a metric compares a model's maps with the original's: 0 for the original."""
    return metric in METRICS and METRICS[metric].traits["needs"] == "pair"


def remark(metric: str) -> str:
    """Return unit and direction for below a panel's name."""
    return ", ".join(part for part in (unit(metric), better(metric)) if part)


def initials(explainer: str) -> str:
    """Return a short name: that of integrated_gradients is IG, that of lrp is lrp."""
    words = explainer.split("_")
    return "".join(word[:1] for word in words).upper() if len(words) > 1 else explainer
