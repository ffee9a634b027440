"""The plan of the region-rank audit: two networks more for each task, design and seed."""

from __future__ import annotations

from rightreasons.core.job import Group
from rightreasons.metrics import WITNESSES
from rightreasons.stages import files
from rightreasons.stages.explain import ExplainInput
from rightreasons.stages.witness import WitnessJob, WitnessMapsJob
from rightreasons.study.plan import Plan


class WitnessPlan:
    """The jobs of the networks `metrics.WITNESSES`.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def groups(self) -> list[Group]:
        """Return the groups whose split the networks learn from; none where they are off."""
        wanted = (self.plan.witnessed(group) for group in self.plan.grid.groups())
        return list(dict.fromkeys(group for found in wanted for group in found))

    def train(self, group: Group, witness: str) -> WitnessJob:
        """Return the job that trains one of them."""
        job = self.plan.train(group)
        folder = self.plan.paths.folder("witness", group, witness=witness)
        return WitnessJob(
            **{
                **dict(job),
                "output": files.Trained.below(folder),
                "witness": witness,
                "predicts": WITNESSES[witness],
            }
        )

    def explain(self, group: Group, witness: str, explainers: str) -> WitnessMapsJob:
        """Return the job that makes its maps by a set of explainers."""
        job = self.plan.explain(group, self.plan.grid.original, explainers)
        made = self.train(group, witness).output
        return WitnessMapsJob(
            **{
                **dict(job),
                "input": ExplainInput(
                    images=job.input.images,
                    split=job.input.split,
                    model=made.model,
                    metadata=made.metadata,
                ),
                "output": self.plan.witness_maps(group, witness, explainers),
                "method": witness,
                "predicts": WITNESSES[witness],
            }
        )
