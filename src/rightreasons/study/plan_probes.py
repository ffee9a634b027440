"""The plan of what is asked of maps beside their regions: sanity checks and probes."""

from __future__ import annotations

from rightreasons.core.job import Cell, Chosen, Group
from rightreasons.stages import files
from rightreasons.stages.probe import ProbeInput, ProbeJob
from rightreasons.stages.sanity import SanityJob
from rightreasons.study.plan import Plan


class ProbePlan:
    """The sanity checks and the probes of a plan.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.grid = plan.grid

    def sanity(self, group: Group, explainers: str) -> SanityJob:
        """Return the job that checks a set of explainers on a group's original network."""
        chosen = self.study.sanity
        folder = self.plan.paths.folder("sanity", group, explainers=explainers)
        return SanityJob(
            input=self.plan.explained(group, self.grid.original),
            output=files.Sanity.below(folder),
            group=group,
            artifact=self.plan.artifact(group.task),
            watched=self.plan.watched(group.task),
            explainers=self.plan.explainers(explainers),
            images=chosen.images,
            stages=chosen.stages,
            explained_class=self.study.explain.explained_class,
            batch_size=self.study.explain.batch_size,
            both=self.plan.both(group),
            replicates=self.study.measure.replicates,
            deterministic=self.study.deterministic,
        )

    def probe(self, group: Group, method: str, explainers: str) -> ProbeJob:
        """Return the job that probes the maps of a method's network by a set of explainers."""
        made, asked = self.plan.map_files(group, method, explainers), self.study.probe
        folder = self.plan.paths.folder("probe", group, method=method, explainers=explainers)
        first = self._probed_sets(group.task)[0] == explainers
        return ProbeJob(
            input=ProbeInput(
                **self.plan.explained(group, method).model_dump(), maps=made.maps, index=made.index
            ),
            output=files.Probed.below(folder),
            group=group,
            method=method,
            explainer_set=explainers,
            artifact=self.plan.artifact(group.task),
            watched=self.plan.watched(group.task),
            explainers=self.plan.explainers(explainers),
            floor=tuple(self.grid.floor(self._probed_sets(group.task))) if first else (),
            probes=self.probes,
            images=asked.images,
            explained_class=self.study.explain.explained_class,
            batch_size=self.study.explain.batch_size,
            both=self.plan.both(group),
            deterministic=self.study.deterministic,
        )

    def sanity_cells(self) -> list[tuple[Group, str]]:
        """Return group and set of explainers of every sanity check, none where it is off."""
        chosen = self.study.sanity
        return [
            (group, explainers)
            for group in self.grid.groups()
            for explainers in self.grid.sets(group.task)
            if chosen.images
            and (chosen.levels == "all" or group.level == self._rounded(group.design))
        ]

    @property
    def probes(self) -> tuple[Chosen, ...]:
        """The probes of the study."""
        return tuple(Chosen.of(name, given) for name, given in self.study.probe.probes.items())

    def probed_cells(self) -> list[tuple[Cell, str]]:
        """Return every cell whose maps are probed with each set, none where that is off."""
        asked, grid = self.study.probe, self.grid
        return [
            (Cell(group=group, method=method), explainers)
            for group in grid.groups()
            for method in grid.models(group.task)
            if method in (asked.methods or [grid.original])
            for explainers in self._probed_sets(group.task)
            if asked.images
            and (asked.tasks is None or group.task in asked.tasks)
            and (asked.levels == "all" or group.level == self._rounded(group.design))
        ]

    def _probed_sets(self, task: str) -> list[str]:
        """Return the sets of explainers of a task that probes are to be asked of."""
        asked = self.study.probe.sets
        return [name for name in self.grid.sets(task) if asked is None or name in asked]

    def _rounded(self, design: str) -> float:
        """Return a design's strongest level with the digits of a folder's name."""
        return float(f"{self.grid.strongest(design):g}")
