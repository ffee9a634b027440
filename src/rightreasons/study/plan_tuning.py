"""The jobs that tune methods."""

from __future__ import annotations

from rightreasons.core.job import Group
from rightreasons.stages.choose import ChooseInput, ChooseJob
from rightreasons.stages.tune import Trials, TuneJob
from rightreasons.study.plan import Plan


class TuningPlan:
    """The jobs that tune the methods of a plan.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.grid = plan.grid

    def tune(self, group: Group, method: str) -> TuneJob:
        """Return the job that tries a tuned method's parameters on one group."""
        plan, tuning = self.plan, self.study.tuning
        return TuneJob(
            input=plan.cell_input(group, method),
            output=Trials.below(plan.paths.folder("tune", group, method=method)),
            group=group,
            method=self.grid.method(method),
            stream=method,
            artifact=self.grid.chosen_artifact(self.grid.artifact(group.task)),
            watched=plan.watched(group.task),
            roi=plan.cell_roi(group, method),
            searched=tuple(self.study.methods[method]["search"]),
            trials=tuning.trials,
            sampler=tuning.sampler,
            budget=tuning.budget,
            deterministic=self.study.deterministic,
        )

    def choose(self, task: str, design: str, at: str, method: str) -> ChooseJob:
        """Return the job that chooses a tuned method's parameters.

        Parameters
        ----------
        task, design, method
            Their names.
        at
            The level that the choice is for, as names of folders say it, or `grid.TOGETHER`.
        """
        groups = self.grid.tuning_groups(task, design, at)
        return ChooseJob(
            input=ChooseInput(trials=tuple(self.tune(g, method).output.trials for g in groups)),
            output=self.plan.choice_files(task, design, at, method),
            method=method,
            criterion=self.study.tuning.criterion,
            tolerance=self.study.tuning.tolerance,
        )

    def choices(self) -> list[tuple[str, str, str]]:
        """Return task, design and level (or TOGETHER) of all choices."""
        found = [(g.task, g.design, self.grid.tuned_at(g)) for g in self.grid.groups()]
        return [key for key in dict.fromkeys(found) if self.grid.tuned(key[0])]

    def groups(self) -> list[Group]:
        """Return the groups of all trials."""
        return [group for key in self.choices() for group in self.grid.tuning_groups(*key)]

    def served(self, key: tuple[str, str, str]) -> tuple[float, ...]:
        """Return the levels that a choice is for."""
        task, design, at = key
        return tuple(
            dict.fromkeys(
                group.level
                for group in self.grid.groups()
                if (group.task, group.design, self.grid.tuned_at(group)) == (task, design, at)
            )
        )
