"""Write what fairlearn says of made-up predictions: tests/metrics/fairlearn.json.

    pip install fairlearn
    python benchmarks/fairlearn_numbers.py

fairlearn need not be installed for the tests: they hold the suite's numbers against this file, and
against fairlearn itself where it is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parents[1] / "tests" / "metrics" / "fairlearn.json"
#: Name -> images, groups of each attribute, seed.
CASES = {"two": (80, (2,), 0), "seven": (400, (7,), 1), "intersection": (900, (7, 2), 2)}


def data(images: int, sizes: tuple[int, ...], seed: int) -> dict[str, list[Any]]:
    """Return labels, decisions, scores and the attributes of made-up images; no cell is empty."""
    rng = np.random.default_rng(seed)
    attributes = [rng.integers(0, size, images) for size in sizes]
    target = rng.integers(0, 2, images)
    score = np.round(rng.beta(1 + target + 0.3 * attributes[0], 2.0), 2)  # with ties
    return {
        "target": target.tolist(),
        "decision": (score >= 0.5).astype(int).tolist(),
        "score": score.tolist(),
        "attributes": [one.tolist() for one in attributes],
    }


def said(given: dict[str, list[Any]]) -> dict[str, Any]:
    """Return fairlearn's numbers of a case."""
    from fairlearn import metrics as fl
    from sklearn.metrics import accuracy_score, roc_auc_score

    truth, decided = given["target"], given["decision"]
    group = np.array(given["attributes"]).T
    chosen = {"sensitive_features": group}
    measures = {
        "accuracy": accuracy_score,
        "selection_rate": fl.selection_rate,
        "tpr": fl.true_positive_rate,
        "fpr": fl.false_positive_rate,
        "n": fl.count,
    }
    frame = fl.MetricFrame(metrics=measures, y_true=truth, y_pred=decided, **chosen)
    areas = fl.MetricFrame(
        metrics={"auroc": roc_auc_score}, y_true=truth, y_pred=given["score"], **chosen
    )
    by_group = {
        name: [float(value) for value in column]
        for one in (frame, areas)
        for name, column in one.by_group.items()
    }
    odds = {"y_true": truth, "y_pred": decided, **chosen}
    return {
        "by_group": by_group,
        "overall": {
            "accuracy": float(frame.overall["accuracy"]),
            "lowest_group_accuracy": float(frame.group_min()["accuracy"]),
            "accuracy_gap": float(frame.difference()["accuracy"]),
            "auroc_gap": float(areas.difference()["auroc"]),
            "demographic_parity_difference": float(fl.demographic_parity_difference(**odds)),
            "demographic_parity_ratio": float(fl.demographic_parity_ratio(**odds)),
            "equal_opportunity_difference": float(fl.equal_opportunity_difference(**odds)),
            "equal_opportunity_ratio": float(fl.equal_opportunity_ratio(**odds)),
            "equalized_odds": float(fl.equalized_odds_difference(**odds)),
            "equalized_odds_ratio": float(fl.equalized_odds_ratio(**odds)),
            "average_abs_odds_difference": float(fl.equalized_odds_difference(**odds, agg="mean")),
        },
    }


def main() -> None:
    """Write the file."""
    from importlib.metadata import version

    cases = {name: data(*given) for name, given in CASES.items()}
    made = {name: {**given, **said(given)} for name, given in cases.items()}
    FILE.write_text(json.dumps({"fairlearn": version("fairlearn"), **made}) + "\n")
    sys.stdout.write(f"{FILE}\n")


if __name__ == "__main__":
    main()
