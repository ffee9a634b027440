"""The jobs that make a study's tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from rightreasons.core.job import Cell, Files
from rightreasons.metrics import WITNESSES
from rightreasons.stages.compare import Compared, CompareInput, CompareJob
from rightreasons.stages.tabulate import Tables, TabulateInput, TabulateJob
from rightreasons.stages.tabulate_attribution import (
    AttributionTables,
    AttributionTablesInput,
    AttributionTablesJob,
)
from rightreasons.stages.tabulate_feasibility import (
    FeasibilityInput,
    FeasibilityJob,
    FeasibilityTable,
)
from rightreasons.stages.tabulate_multiverse import MultiverseTables, MultiverseTablesJob
from rightreasons.stages.tabulate_probes import ProbeTable, ProbeTableInput, ProbeTableJob
from rightreasons.stages.tabulate_ranks import RanksInput, RanksJob, RankTables
from rightreasons.stages.tabulate_regions import RegionTables, RegionTablesInput, RegionTablesJob
from rightreasons.stages.tabulate_reliance import RelianceInput, RelianceJob, RelianceTables
from rightreasons.stages.tabulate_runtimes import Runtimes, RuntimesInput, RuntimesJob
from rightreasons.stages.tabulate_sanity import SanityTable, SanityTableInput, SanityTableJob
from rightreasons.stages.tabulate_shortcuts import ShortcutsInput, ShortcutsJob, ShortcutsTable
from rightreasons.stages.tabulate_tuning import TuningTables, TuningTablesInput, TuningTablesJob
from rightreasons.study.plan import Plan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.study.plan_probes import ProbePlan
from rightreasons.study.plan_tuning import TuningPlan
from rightreasons.study.plan_witness import WitnessPlan
from rightreasons.study.section_tasks import TaskConfig
from rightreasons.tables.parameters import Comparing, Described, Ranking, TableOne, Timed


def _region(task: TaskConfig) -> str:
    """Return what tells a task's ROI from that of others."""
    roi = task.roi if isinstance(task.roi, list) else task.roi.model_dump()
    return json.dumps(roi, sort_keys=True)


class TablePlan:
    """The jobs that make the tables of a plan.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.grid = plan.grid
        self.folder = plan.paths.folder("tables")
        self.probed = ProbePlan(plan)
        self.made = Tables.below(self.folder)
        self.tuned = TuningPlan(plan)
        self.multiversed = MultiversePlan(plan)

    def files(self) -> dict[str, Path]:
        """Return every table of the study by name."""
        made: list[Files] = [
            self.made,
            FeasibilityTable.below(self.folder),
            RankTables.below(self.folder),
            Runtimes.below(self.folder),
        ]
        if self.plan.regions:
            made.append(RegionTables.below(self.folder))
        if self.grid.looks_away():
            made.append(AttributionTables.below(self.folder))
        if self.grid.judges():
            made.append(RelianceTables.below(self.folder))
        if any(map(self.grid.watched, self.study.tasks)):
            made.append(ShortcutsTable.below(self.folder))
        if self.grid.tuned():
            made.append(TuningTables.below(self.folder))
        if self.multiversed.groups():
            made.append(MultiverseTables.below(self.folder))
        if self.probed.sanity_cells():
            made.append(SanityTable.below(self.folder))
        if self.probed.probed_cells():
            made.append(ProbeTable.below(self.folder))
        return {name: Path(str(path)) for one in made for name, path in one.named().items()}

    def levels(self) -> list[tuple[str, str, float]]:
        """Return every task, design and level of the study."""
        keys = [(group.task, group.design, group.level) for group in self.grid.groups()]
        return list(dict.fromkeys(keys))

    def compare(self, task: str, design: str, level: float | str) -> CompareJob:
        """Return the job that compares the methods at one level, over all its seeds."""
        plan, methods = self.plan, tuple(self.grid.methods(task))
        groups = [self.grid.group(task, design, level, seed) for seed in self.study.seeds]
        models = [plan.model_files(group, method) for group in groups for method in methods]
        return CompareJob(
            input=CompareInput(
                predictions=tuple(made.predictions for made in models),
                image_metrics=tuple(plan.measure_files(group).image_metrics for group in groups),
            ),
            output=self._compared_at(task, design, float(level)),
            study=self.study.study,
            groups=tuple(groups),
            methods={task: methods},
            comparing=Comparing(
                methods={task: methods},
                roles=self.grid.roles,
                metrics=plan.metrics,
                replicates=self.study.measure.replicates,
            ),
            injected=(task,) if self.grid.doubled(task) else (),
        )

    def tabulate(self) -> TabulateJob:
        """Return the job that makes the tables that every study has."""
        plan, groups, cells = self.plan, self.grid.groups(), self.plan.cells()
        measures = [plan.measure_files(group) for group in groups]
        models = [plan.model_files(cell.group, cell.method) for cell in cells]
        return TabulateJob(
            input=TabulateInput(
                splits=tuple(plan.split(group).output.split for group in groups),
                predictions=tuple(made.predictions for made in models),
                metadata=tuple(made.metadata for made in models),
                image_metrics=tuple(made.image_metrics for made in measures),
                cell_metrics=tuple(made.cell_metrics for made in measures),
                groups=tuple(made.groups for made in measures),
                tests=tuple(made.tests for made in measures),
                compared=tuple(made.tests for made in self._compared()),
            ),
            output=self.made,
            study=self.study.study,
            groups=tuple(groups),
            methods=self._methods(),
            original=self.grid.original,
            config=self.study.model_dump_json(),
            described={name: self._described(name) for name in self.study.methods},
            compositions={design: self.grid.composition(design) for design in self.study.designs},
        )

    def feasibility(self) -> FeasibilityJob:
        """Return the job that makes the table `feasibility`."""
        plan, groups = self.plan, self.grid.groups()
        return FeasibilityJob(
            input=FeasibilityInput(
                provenance=self.made.provenance,
                splits=tuple(plan.split(group).output.split for group in groups),
                features=tuple(plan.trained_files(group).features for group in groups),
                indices=tuple(plan.pool(group.dataset).output.index for group in groups),
            ),
            output=FeasibilityTable.below(self.folder),
            study=self.study.study,
            groups=tuple(groups),
            original=self.grid.original,
            replicates=self.study.measure.replicates,
        )

    def ranks(self) -> RanksJob:
        """Return the job that makes the tables over tasks, levels and seeds."""
        grid = self.grid
        methods = [name for name in grid.methods() if not grid.control_of(name)]
        return RanksJob(
            input=RanksInput(provenance=self.made.provenance, cell_metrics=self.made.cell_metrics),
            output=RankTables.below(self.folder),
            ranking=Ranking(
                study=self.study.study,
                methods=tuple(methods),
                noise=tuple(name for name in methods if name in grid.roles.chance),
                original=grid.original,
                replicates=self.study.measure.replicates,
            ),
        )

    def runtimes(self) -> RuntimesJob:
        """Return the job that makes the table `runtimes`, when all others are made."""
        plan = self.plan
        models = [plan.model_files(cell.group, cell.method) for cell in plan.cells()]
        return RuntimesJob(
            input=RuntimesInput(
                provenance=self.made.provenance,
                metadata=tuple(made.metadata for made in models),
                region=(*self.regions().input.region, *self._fenced()),
                sanity=self.sanity().input.sanity,
                probed=self.probes().input.probed,
                universes=tuple(
                    self.multiversed.files(group).universe for group in self.multiversed.measured()
                ),
            ),
            output=Runtimes.below(self.folder),
            study=self.study.study,
            groups=tuple(self.grid.groups()),
            methods=self._methods(),
            timed=(*self._timed_cells(), *self._timed_datasets()),
        )

    def _timed_cells(self) -> Iterator[Timed]:
        """Yield every job about a group, with the file of its time and memory."""
        grid, path = self.grid, self.plan.paths.timed
        for group in grid.groups():
            key = group.model_dump()
            original = {**key, "method": grid.original}
            yield Timed(stage="split", key=key, path=path("split", group))
            yield Timed(stage="train", key=original, path=path("train", group))
            yield Timed(stage="measure", key=key, path=path("measure", group))
            for method in grid.methods(group.task):
                own = {**key, "method": method}
                if method != grid.original:
                    file = path("debias", group, method=method)
                    yield Timed(stage="debias", key=own, path=file)
                for name in grid.sets(group.task) if grid.explained(method) == method else ():
                    file = path("explain", group, method=method, explainers=name)
                    yield Timed(stage="explain", key=own, explainers=name, path=file)
        for task, design, level in self.levels():
            key = {"dataset": grid.dataset(task), "task": task, "design": design, "level": level}
            file = path("compare", task=task, design=design, level=f"{level:g}")
            yield Timed(stage="compare", key=key, path=file)
        for group in self.tuned.groups():
            key = group.model_dump()
            original = {**key, "method": grid.original}
            yield Timed(stage="split", key=key, path=path("split", group))
            yield Timed(stage="train", key=original, path=path("train", group))
            for method in grid.tuned(group.task):
                own = {**key, "method": method}
                yield Timed(stage="tune", key=own, path=path("tune", group, method=method))
        for group in self.multiversed.measured():
            yield Timed(stage="universe", key=group.model_dump(), path=path("universe", group))
        yield from self._timed_witnesses()
        for group, name in self.probed.sanity_cells():
            own = {**group.model_dump(), "method": grid.original}
            file = path("sanity", group, explainers=name)
            yield Timed(stage="sanity", key=own, explainers=name, path=file)
        for cell, name in self.probed.probed_cells():
            own = {**cell.group.model_dump(), "method": cell.method}
            file = path("probe", cell.group, method=cell.method, explainers=name)
            yield Timed(stage="probe", key=own, explainers=name, path=file)

    def _timed_witnesses(self) -> Iterator[Timed]:
        """Yield every job of the region-rank audit, with the file of its time and memory."""
        path = self.plan.paths.timed
        for group, witness in product(WitnessPlan(self.plan).groups(), WITNESSES):
            key = {**group.model_dump(), "method": witness}
            file = path("witness", group, witness=witness)
            yield Timed(stage="witness", key=key, path=file)
            for name in self.grid.sets(group.task):
                file = path("explain_witness", group, witness=witness, explainers=name)
                yield Timed(stage="explain_witness", key=key, explainers=name, path=file)

    def _timed_datasets(self) -> Iterator[Timed]:
        """Yield every job about a dataset, with the file of its time and memory."""
        path = self.plan.paths.timed
        for dataset in self.study.datasets:
            for stage in ("fetch", "pool"):
                file = path(stage, dataset=dataset)
                yield Timed(stage=stage, key={"dataset": dataset}, path=file)
        for dataset, attribute in self.plan.switched():
            file = path("twins", dataset=dataset, attribute=attribute)
            yield Timed(stage="twins", key={"dataset": dataset}, path=file)
        for dataset, region in self.plan.regions:
            file = path("region", dataset=dataset, region=region)
            yield Timed(stage="region", key={"dataset": dataset}, path=file)
        for task, design, seeds, region in self.plan.fences:
            named = {"task": task, "design": design, "seeds": seeds, "region": region}
            file = path("fenced_region", None, **named)
            cell: dict[str, str | float | int] = {"task": task, "design": design}
            cell["dataset"] = self.grid.dataset(task)
            yield Timed(stage="fenced_region", key=cell, path=file)

    def _fenced(self) -> list[Path]:
        """Return the metadata of every patch classifier that methods look through."""
        return [self.plan.fenced_region(*key).output.region for key in self.plan.fences]

    def sanity(self) -> SanityTableJob:
        """Return the job that makes the table `sanity`."""
        cells = self.probed.sanity_cells()
        checks = [self.probed.sanity(group, explainers).output for group, explainers in cells]
        return SanityTableJob(
            input=SanityTableInput(
                provenance=self.made.provenance, sanity=tuple(made.sanity for made in checks)
            ),
            output=SanityTable.below(self.folder),
            study=self.study.study,
            cells=tuple(Cell(group=group, method=self.grid.original) for group, _ in cells),
        )

    def probes(self) -> ProbeTableJob:
        """Return the job that makes the table `probes`."""
        cells = self.probed.probed_cells()
        probed = [self.probed.probe(cell.group, cell.method, name).output for cell, name in cells]
        return ProbeTableJob(
            input=ProbeTableInput(
                provenance=self.made.provenance, probed=tuple(made.probe for made in probed)
            ),
            output=ProbeTable.below(self.folder),
            study=self.study.study,
            cells=tuple(cell for cell, _ in cells),
            probes=self.probed.probes,
            replicates=self.study.measure.replicates,
        )

    def tuning(self) -> TuningTablesJob:
        """Return the job that makes the tables of trials and choices."""
        tuning = self.tuned
        keys = [(key, method) for key in tuning.choices() for method in self.grid.tuned(key[0])]
        return TuningTablesJob(
            input=TuningTablesInput(
                provenance=self.made.provenance,
                cell_metrics=self.made.cell_metrics,
                trials=tuple(
                    tuning.tune(group, method).output.trials
                    for key, method in keys
                    for group in self.grid.tuning_groups(*key)
                ),
                chosen=tuple(tuning.choose(*key, m).output.chosen for key, m in keys),
            ),
            output=TuningTables.below(self.folder),
            study=self.study.study,
            tasks=tuple(key[0] for key, _ in keys),
            designs=tuple(key[1] for key, _ in keys),
            methods=tuple(method for _, method in keys),
            levels=tuple(tuning.served(key) for key, _ in keys),
        )

    def regions(self) -> RegionTablesJob:
        """Return the job that makes the tables of patch classifiers."""
        made = [self.plan.region_files(dataset, a) for (dataset, _), a in self.plan.regions.items()]
        return RegionTablesJob(
            input=RegionTablesInput(
                provenance=self.made.provenance,
                region=tuple(files.region for files in made),
                calibration=tuple(files.calibration for files in made),
                reliability=tuple(files.reliability for files in made),
                positions=tuple(files.positions for files in made),
                maps=tuple(files.maps for files in made),
            ),
            output=RegionTables.below(self.folder),
            study=self.study.study,
        )

    def attribution(self) -> AttributionTablesJob:
        """Return the job that makes the tables of data attribution."""
        models = [self.plan.model_files(cell.group, cell.method) for cell in self.plan.cells()]
        return AttributionTablesJob(
            input=AttributionTablesInput(
                cell_metrics=self.made.cell_metrics,
                predictions=tuple(files.predictions for files in models),
            ),
            output=AttributionTables.below(self.folder),
            study=self.study.study,
            groups=tuple(self.grid.groups()),
            methods=self._methods(),
            chosen={
                name: {"kind": m.kind, **m.params}
                for name in self.study.methods
                for m in [self.grid.method(name)]
            },
            paper=TableOne.registered(),
        )

    def reliance(self) -> RelianceJob:
        """Return the job that makes the tables of true reliance and of the yardstick."""
        methods = self.grid.methods()
        levels = [key for key in self.levels() if self.grid.unbiased_zero(key[1])]
        compared = [self._compared_at(*key) for key in levels]
        return RelianceJob(
            input=RelianceInput(
                cell_metrics=self.made.cell_metrics,
                map_means=tuple(made.map_means for made in compared),
                map_halves=tuple(made.map_halves for made in compared),
                true_reliance=tuple(made.true_reliance for made in compared),
            ),
            output=RelianceTables.below(self.folder),
            original=self.grid.original,
            elsewhere=tuple(self.grid.elsewhere()),
            controls=self.grid.roles.noise,
            blind=self.grid.roles.controls,
            chance=self.grid.roles.chance,
            copies=tuple(m for m in methods if self.grid.explained(m) != m),
            regions={name: _region(task) for name, task in self.study.tasks.items()},
            kinds={name: self._kinds(name) for name in self.study.tasks},
            rate=self.study.measure.calls.rate,
            null=self.study.measure.calls.null,
        )

    def shortcuts(self) -> ShortcutsJob:
        """Return the job that makes the table `two_shortcuts`."""
        return ShortcutsJob(
            input=ShortcutsInput(provenance=self.made.provenance, tests=self.made.tests),
            output=ShortcutsTable.below(self.folder),
            original=self.grid.original,
        )

    def multiverse(self) -> MultiverseTablesJob:
        """Return the job that makes the tables `multiverse` and `robustness`."""
        return self.multiversed.tabulate(self.made.provenance)

    def _kinds(self, task: str) -> dict[str, str]:
        """Return a task's network and shortcut: the artifact's kind, or the attribute."""
        artifact = self.grid.chosen_artifact(self.grid.artifact(task))
        shortcut = artifact.kind if artifact else self.study.tasks[task].protected
        return {"network": self.study.task_model(task).architecture, "shortcut": shortcut}

    def _described(self, method: str) -> Described:
        """Return what is known of a method without running it."""
        labels, needs = self.grid.trait(method, "uses_protected"), self.grid.needed(method)
        assert isinstance(labels, tuple)
        used = (*labels, *(need for need in needs if need not in labels))
        return Described(
            kind=self.grid.method(method).kind,
            preset=self.grid.preset(method),
            control_of=self.grid.control_of(method),
            noise=method in self.grid.roles.chance,
            uses_protected=", ".join(used) or "never",
        )

    def _compared(self) -> list[Compared]:
        """Return what was compared at every level, in their order."""
        return [self._compared_at(*key) for key in self.levels()]

    def _compared_at(self, task: str, design: str, level: float) -> Compared:
        paths = self.plan.paths
        folder = paths.folder("compare", task=task, design=design, level=f"{level:g}")
        return Compared.below(folder)

    def _methods(self) -> dict[str, tuple[str, ...]]:
        return {task: tuple(self.grid.methods(task)) for task in self.study.tasks}
