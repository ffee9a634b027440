"""The two networks of the region-rank audit: trained as the original is, and explained as it is.

Both are trained where target and protected attribute are not associated (level 0): `baseline`
predicts the target, `predictor` the protected attribute. No method starts from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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

    @property
    def stream(self) -> tuple[str, ...]:
        """With the seed, the key of the job's random streams: not those of the original."""
        return (*super().stream, self.witness)

    def facing(self, split: pd.DataFrame) -> pd.DataFrame:
        """Return a split whose target is what the network predicts."""
        return facing(split, self.predicts)


class WitnessMapsJob(ExplainJob):
    """Make its maps by a set of explainers; `method` is its name.

    Attributes
    ----------
    predicts
        The column of the split that it has learned.
    """

    predicts: Literal["target", "protected"]

    def facing(self, split: pd.DataFrame) -> pd.DataFrame:
        """Return a split whose target is what the network predicts."""
        return facing(split, self.predicts)


def facing(split: pd.DataFrame, predicts: str) -> pd.DataFrame:
    """Return a split whose target is what a network predicts.

    Of the predictor, target and protected attribute change places.
    """
    if predicts == "target":
        return split
    return split.rename(columns={"target": "protected", "protected": "target"})[[*split.columns]]
