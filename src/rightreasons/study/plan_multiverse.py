"""The jobs of the multiverse: maps measured in other ways, and conclusions in all universes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from rightreasons.core.job import Group
from rightreasons.data import mask_names
from rightreasons.metrics import METRICS, answering
from rightreasons.metrics.variants import variants
from rightreasons.stages.roi import Roi
from rightreasons.stages.tabulate_multiverse import (
    MultiverseTables,
    MultiverseTablesInput,
    MultiverseTablesJob,
)
from rightreasons.stages.universe import Place, Universe, UniverseInput, UniverseJob
from rightreasons.study.plan import Plan
from rightreasons.study.section_choices import MultiverseConfig
from rightreasons.tables.asked import ALL_MAPS, OWN_ROI, OWN_SIGN, QUESTIONS, Asked, AskedTask

HALF = "half"  # the threshold of methods that choose none


class MultiversePlan:
    """The jobs that a plan's multiverse needs, none where it is off.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.grid = plan.grid

    def groups(self) -> list[Group]:
        """Return the groups that conclusions are about; none where the study asks for none."""
        if self.plan.study.multiverse is None:
            return []
        return [
            self.grid.group(task, design, level, seed)
            for task, design in self.grid.pairs()
            if self.methods(task)
            for level in self.levels(design)
            for seed in self.plan.study.seeds
        ]

    def measured(self) -> list[Group]:
        """Return those of them whose maps count."""
        return [
            group
            for group in self.groups()
            if len(self.models(group.task)) > 1 and self.explainers(group.task)
        ]

    def universe(self, group: Group) -> UniverseJob:
        """Return the job that measures a group's maps in all ways."""
        plan, task = self.plan, group.task
        models, sets = self.models(task), self.grid.sets(task)
        maps = [plan.map_files(group, model, name) for model in models for name in sets]
        pool = plan.pool(group.dataset).output
        return UniverseJob(
            input=UniverseInput(
                images=pool.images,
                masks=pool.masks,
                pool=pool.pool,
                **plan._maps_of(plan.roi_attribution(task)),
                predictions=tuple(plan.model_files(group, m).predictions for m in models),
                maps=tuple(made.maps for made in maps),
                map_index=tuple(made.index for made in maps),
            ),
            output=self.files(group),
            group=group,
            models=tuple(models),
            sets=tuple(sets),
            explainers=tuple(self.explainers(task)),
            original=self.grid.original,
            places=self.places(task),
            variants=self.asked.tasks[task].variants,
            scale=plan.study.measure.scale,
            metrics={name: plan.metrics[name] for name in self.asked.questions["saliency"]},
        )

    def files(self, group: Group) -> Universe:
        """Return what `universe` writes of a group."""
        return Universe.below(self.plan.paths.folder("universe", group))

    def tabulate(self, provenance: Path) -> MultiverseTablesJob:
        """Return the job that makes the tables, whose key `run` is that of the provenance."""
        groups, measured = self.groups(), self.measured()
        methods = {t: (self.grid.original, *self.methods(t)) for t in self.asked.tasks}
        return MultiverseTablesJob(
            input=MultiverseTablesInput(
                provenance=provenance,
                predictions=tuple(
                    self.plan.model_files(group, method).predictions
                    for group in groups
                    for method in methods[group.task]
                ),
                universes=tuple(self.files(group).universe for group in measured),
            ),
            output=MultiverseTables.below(self.plan.paths.folder("tables")),
            study=self.plan.study.study,
            groups=tuple(groups),
            methods=methods,
            measured=tuple(measured),
            asked=self.asked,
        )

    def methods(self, task: str) -> list[str]:
        """Return the methods that conclusions of a task are about: no control, no chance."""
        return [
            method
            for method in self.grid.methods(task)
            if method != self.grid.original
            and not self.grid.control_of(method)
            and not self.grid.trait(method, "noise")
        ]

    def models(self, task: str) -> list[str]:
        """Return the original and those of the methods that have maps of their own."""
        own = self.methods(task)
        return [m for m in self.grid.models(task) if m == self.grid.original or m in own]

    def levels(self, design: str) -> list[float]:
        """Return the levels of a design that are asked about, the strongest first."""
        chosen, known = self.chosen.level, self.grid.levels(design)
        asked = [x for x in known if (x != 0 if chosen is None else x in chosen)] or known
        return sorted(asked, key=lambda level: (abs(level), level), reverse=True)

    def explainers(self, task: str) -> list[str]:
        """Return the explainers whose maps count, the one that counts by default first."""
        known, chosen = self.grid.explainers(task), self.chosen.explainer
        if chosen is not None:
            return [name for name in chosen if name in known]
        shown = [*self.grid.shown_explainers(task), *known]
        return [e for e in dict.fromkeys(shown) if e not in self.grid.roles.controls]

    def places(self, task: str) -> dict[str, Place]:
        """Return the regions by name, the task's own first."""
        chosen, own = self.plan.study.tasks[task], self.plan.roi(task)
        found = {OWN_ROI: Place(roi=own)}
        found |= {f"margin_{m:g}": Place(roi=own, margin=m) for m in self.chosen.margin}
        dataset = self.plan.study.datasets[chosen.dataset]
        known = mask_names(dataset["kind"], dataset)
        mask = Roi(region={"mask": chosen.protected})
        if self.chosen.masks and chosen.protected in known and mask != own:
            found["mask"] = Place(roi=mask)
        others = self.chosen.model_dump(mode="json")["rois"].get(task, {})
        return found | {name: Place(roi=Roi(region=region)) for name, region in others.items()}

    @property
    def chosen(self) -> MultiverseConfig:
        """The config's section, the default one where it is off."""
        return self.plan.study.multiverse or MultiverseConfig.model_validate({})

    @cached_property
    def asked(self) -> Asked:
        """What is asked."""
        grid, chosen, study = self.grid, self.chosen, self.plan.study
        questions: dict[Any, tuple[str, ...]] = {
            name: tuple(getattr(chosen, name) or answering(name)) for name in QUESTIONS
        }
        return Asked(
            original=grid.original,
            references=tuple(grid.references()),
            keep=tuple(m for m in grid.methods() if self._keeps(m)),
            questions=questions,
            metrics={m: self.plan.metrics[m] for names in questions.values() for m in names},
            thresholds=tuple(dict.fromkeys(("own", *chosen.threshold))),
            explained=tuple(dict.fromkeys((ALL_MAPS, *chosen.explained))),
            scale=study.measure.scale,
            levels={design: tuple(self.levels(design)) for design in study.designs},
            tasks={
                task: self._task(task, questions["saliency"])
                for task in dict.fromkeys(group.task for group in self.groups())
            },
        )

    def _task(self, task: str, metrics: tuple[str, ...]) -> AskedTask:
        chosen, scale = self.chosen, self.plan.study.measure.scale
        return AskedTask(
            methods=tuple(self.methods(task)),
            models=tuple(self.models(task)),
            explainers=tuple(self.explainers(task)),
            variants=variants(
                metrics,
                list(dict.fromkeys((scale, *chosen.scale))),
                list(dict.fromkeys((OWN_SIGN, *chosen.sign))),
                list(self.places(task)),
            ),
        )

    def _keeps(self, method: str) -> bool:
        """Return whether a method chooses its threshold."""
        params = self.grid.method(method).params
        return self.grid.changes(method) == "decision" or params.get("threshold", HALF) != HALF


def allowed(question: str) -> list[str]:
    """Return the metrics that can answer a question of the multiverse."""
    needs = {
        "fairness": ("counts",),
        "performance": ("counts",),
        "saliency": ("view", "pair", "located"),
        "reliance": ("twins",),
    }[question]
    return [
        metric.name
        for metric in METRICS
        if metric.traits["needs"] in needs
        and metric.traits["kind"] != "test"
        and metric.traits["better"] != "none"
    ]
