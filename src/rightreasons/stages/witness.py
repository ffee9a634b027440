"""Train the two networks of the region-rank audit, and make their maps.

Both are trained where target and protected attribute are not associated (level 0): `baseline`
predicts the target, `predictor` the protected attribute. No method starts from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rightreasons.core.job import Running
from rightreasons.stages.explain import ExplainJob
from rightreasons.stages.train import TrainJob

if TYPE_CHECKING:
    import pandas as pd


class WitnessJob(TrainJob):
    """Train one of the networks, on the split of level 0.

    Attributes
    ----------
    witness
        Its name, which its random streams depend on.
    predicts
        The column of the split that it learns.
    """

    witness: str
    predicts: Literal["target", "protected"]


class WitnessMapsJob(ExplainJob):
    """Make its maps by a set of explainers; `method` is its name.

    Attributes
    ----------
    predicts
        The column of the split that it has learned.
    """

    predicts: Literal["target", "protected"]


def witness(job: WitnessJob, running: Running) -> None:
    """Build, train, predict, write."""
    from rightreasons.stages.train import fit

    fit(job, running, lambda split: facing(split, job.predicts), job.witness)


def explain_witness(job: WitnessMapsJob, running: Running) -> None:
    """Explain the images that the methods' networks are explained on."""
    from rightreasons.stages.explain import make

    make(job, running, lambda split: facing(split, job.predicts))


def facing(split: pd.DataFrame, predicts: str) -> pd.DataFrame:
    """Return a split whose target is what the network predicts.

    Of the predictor, target and protected attribute change places.
    """
    if predicts == "target":
        return split
    return split.rename(columns={"target": "protected", "protected": "target"})[[*split.columns]]
