"""Which trial is chosen: criteria by name, over what trials reached on the select images.

Everything is a function of the table `trials`, so that anybody can choose again without training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError

#: Means over tuning seeds (and levels, where they are tuned together), indexed by trial.
Means = pd.DataFrame


@dataclass(frozen=True)
class Criterion:
    """A way to choose between trials.

    Attributes
    ----------
    run
        From the means of the trials that may be chosen, and the tolerance, to a number per trial:
        the smallest is the best, infinity is not allowed.
    uses_protected
        Whether it looks at the protected attribute of the select images.
    meaning
        What it chooses, in a line.
    """

    run: Callable[[Means, float], pd.Series]
    uses_protected: bool
    meaning: str


def _equalized_odds(means: Means, tolerance: float) -> pd.Series:
    floor = means["cell_balanced_accuracy"].max() - tolerance - 1e-12
    return means["equalized_odds"].where(means["cell_balanced_accuracy"] >= floor, np.inf)


CRITERIA = {
    "equalized_odds": Criterion(
        _equalized_odds,
        uses_protected=True,
        meaning="least equalized odds among trials whose cell-balanced accuracy is at most the "
        "tolerance below the best trial's",
    ),
    "worst_group_accuracy": Criterion(
        lambda means, _: -means["worst_group_accuracy"],
        uses_protected=True,
        meaning="highest accuracy of the worst cell of target and protected attribute",
    ),
    "cell_balanced_accuracy": Criterion(
        lambda means, _: -means["cell_balanced_accuracy"],
        uses_protected=True,
        meaning="highest mean accuracy of the four cells",
    ),
    "accuracy": Criterion(
        lambda means, _: -means["accuracy"],
        uses_protected=False,
        meaning="highest accuracy: group-blind where the select images are drawn so",
    ),
    "balanced_accuracy": Criterion(
        lambda means, _: -means["balanced_accuracy"],
        uses_protected=False,
        meaning="highest mean of true positive and true negative rate: group-blind, too",
    ),
    "loss": Criterion(
        lambda means, _: means["loss"],
        uses_protected=False,
        meaning="least cross-entropy of the scores: group-blind, too",
    ),
}

#: What a trial is judged by: columns of the table `trials`, metrics of that name and the loss.
JUDGED = (
    "accuracy",
    "balanced_accuracy",
    "cell_balanced_accuracy",
    "worst_group_accuracy",
    "equalized_odds",
    "demographic_parity_difference",
    "constant_prediction",
    "collapsed_prediction",
)


def choose(trials: pd.DataFrame, criterion: str, tolerance: float = 0.05) -> int:
    """Return the number of the trial that a criterion chooses.

    Parameters
    ----------
    trials
        Rows of the table `trials` of one method and task, of all tuning seeds (and of all levels
        that are tuned together): trial, error, image_passes, budget, over_budget and the columns
        `JUDGED` and `loss`.
    criterion
        A key of `CRITERIA`.
    tolerance
        Cell-balanced accuracy that the criterion `equalized_odds` may give up.

    Returns
    -------
    int
        Never a trial that failed or went over the budget with any seed. A constant classifier
        only where all are. Ties go to the higher cell-balanced accuracy, then to the earlier trial.

    Raises
    ------
    UserError
        For an unknown criterion, and where no trial is left.
    """
    if criterion not in CRITERIA:
        raise UserError(f"unknown criterion {criterion!r}. Allowed: {', '.join(CRITERIA)}.")
    means = means_of(trials)
    if not len(means):
        least, budget = int(trials["image_passes"].min()), int(trials["budget"].max())
        raise UserError(
            f"no trial is left to choose from: all failed or took more than the budget of {budget} "
            f"image passes (the least took {least}). Raise `tuning.budget`, or search fewer steps."
        )
    useful = means[means["collapsed_prediction"] == 0]
    allowed = useful if len(useful) else means
    value = CRITERIA[criterion].run(allowed, tolerance).round(12)
    accuracy = allowed["cell_balanced_accuracy"].round(12).to_numpy()
    numbers = allowed.index.to_numpy()
    return int(numbers[np.lexsort([numbers, -accuracy, value.to_numpy()])[0]])


def means_of(trials: pd.DataFrame) -> Means:
    """Return the means of every trial that neither failed nor went over the budget."""
    bad = trials["error"].notna() | trials["over_budget"]
    lost = set(trials.loc[bad, "trial"])
    kept = trials[~trials["trial"].isin(lost)]
    return kept.groupby("trial")[[*JUDGED, "loss"]].mean()
