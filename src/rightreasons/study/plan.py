"""The plan of a study: which jobs there are, with their files and parameters.

Every method returns the typed description of one job (`rightreasons.stages`); `study.rules` hands
them to Snakemake.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from rightreasons.core.job import Cell, Chosen, Files, Group
from rightreasons.data import stage_params
from rightreasons.metrics import WITNESSES
from rightreasons.metrics.compute import resolve
from rightreasons.stages import files
from rightreasons.stages._cell import CellInput
from rightreasons.stages.choose import Choice
from rightreasons.stages.debias import DebiasInput, DebiasJob
from rightreasons.stages.explain import ExplainInput, ExplainJob
from rightreasons.stages.fenced_region import FencedRegionInput, FencedRegionJob
from rightreasons.stages.fetch import FetchJob
from rightreasons.stages.measure import MeasureInput, MeasureJob
from rightreasons.stages.pool import PoolJob, Twins, TwinsInput, TwinsJob
from rightreasons.stages.region import RegionJob
from rightreasons.stages.roi import Roi
from rightreasons.stages.split import SplitInput, SplitJob, Watch
from rightreasons.stages.train import TrainInput, TrainJob
from rightreasons.study.grid import Grid, region_name
from rightreasons.study.paths import Paths
from rightreasons.study.section_tasks import ArtifactRoi, AttributionRoi
from rightreasons.study.sections import StudyConfig


class Plan:
    """The jobs of a study.

    Parameters
    ----------
    study
        The checked config, with every component's parameters.

    Raises
    ------
    UserError
        Where two patch classifiers would share a folder.
    """

    def __init__(self, study: StudyConfig) -> None:
        self.study = study
        self.grid = Grid(study)
        self.paths = Paths(f"{study.results}/{study.study}", self.grid.original)
        self.regions = self.grid.regions()
        self.fences = self.grid.fences()

    # Datasets

    def fetch(self, dataset: str) -> FetchJob:
        """Return the job that fetches a dataset."""
        kind, fetch, _ = self._dataset(dataset)
        return FetchJob(
            input=Files(),
            output=files.Fetched.below(self.paths.folder("fetch", dataset=dataset)),
            dataset=dataset,
            kind=kind,
            params=fetch,
            data=self.study.data,
        )

    def pool(self, dataset: str) -> PoolJob:
        """Return the job that decodes a dataset."""
        kind, fetch, pool = self._dataset(dataset)
        return PoolJob(
            input=self.fetch(dataset).output,
            output=files.Pool.below(self.paths.folder("pool", dataset=dataset)),
            dataset=dataset,
            kind=kind,
            params={**fetch, **pool},
            data=self.study.data,
        )

    def twins(self, dataset: str, attribute: str) -> TwinsJob:
        """Return the job that switches one attribute of a dataset."""
        made = self.pool(dataset)
        return TwinsJob(
            input=TwinsInput(attributes=made.input.attributes, index=made.output.index),
            output=Twins(twins=Path(self.paths.twins(dataset, attribute))),
            dataset=dataset,
            kind=made.kind,
            params=made.params,
            data=made.data,
            attribute=attribute,
        )

    def region(self, dataset: str, region: str) -> RegionJob:
        """Return the job of a patch classifier, `region` being the name of its folder."""
        attribute = self.regions[dataset, region]
        chosen = self.study.regions
        return RegionJob(
            input=self.pool(dataset).output,
            output=self.region_files(dataset, attribute),
            dataset=dataset,
            attribute=attribute,
            artifact=self.grid.chosen_artifact(attribute),
            classifier=chosen.classifier,
            seed=chosen.seed,
            known=self.grid.known_roi(dataset, attribute),
            quantile=chosen.quantile,
            deterministic=self.study.deterministic,
        )

    def fenced_region(self, task: str, design: str, seeds: str, region: str) -> FencedRegionJob:
        """Return the job of the patch classifier that a task's methods look through.

        Parameters
        ----------
        task, design
            Their names.
        seeds
            The seed of the cells that it is for, or "all".
        region
            The name of the attribute's folder.
        """
        attribute = self.fences[task, design, seeds, region]
        seed = self.study.seeds[0] if seeds == "all" else seeds
        groups = [self.grid.group(task, design, level, seed) for level in self.grid.levels(design)]
        pool = self.pool(self.grid.dataset(task)).output
        return FencedRegionJob(
            input=FencedRegionInput(
                images=pool.images,
                index=pool.index,
                splits=tuple(self.split(group).output.split for group in groups),
            ),
            output=self._fenced_files(task, design, seeds, region),
            dataset=self.grid.dataset(task),
            task=task,
            design=design,
            seeds=seeds,
            attribute=attribute,
            artifact=self.grid.chosen_artifact(attribute),
            classifier=self.study.regions.classifier,
            seed=self.study.regions.seed,
            deterministic=self.study.deterministic,
        )

    # Cells

    def split(self, group: Group) -> SplitJob:
        """Return the job that draws a group's images."""
        task = self.study.tasks[group.task]
        chosen = self.study.designs[group.design]
        alike = self.grid.levels(group.design) if chosen.get("same_n") else [group.level]
        return SplitJob(
            input=SplitInput(index=self.pool(group.dataset).output.index),
            output=files.Split.below(self.paths.folder("split", group)),
            group=group,
            target=task.target,
            protected=task.protected,
            many_classes=not self.grid.trains(group.task),
            injected=self.grid.doubled(group.task),
            both=self.grid.both(group.dataset),
            watched=Watch(**task.watched.model_dump()) if task.watched else None,
            design=Chosen.of(group.design, {k: v for k, v in chosen.items() if k != "levels"}),
            levels=tuple(float(f"{level:g}") for level in alike),
        )

    def train(self, group: Group) -> TrainJob:
        """Return the job that trains a group's original network."""
        return TrainJob(
            input=self._training_input(group).model_copy(
                update={"weights": self.study.task_model(group.task).path()}
            ),
            output=self.trained_files(group),
            group=group,
            artifact=self.artifact(group.task),
            watched=self.watched(group.task),
            model=self.study.task_model(group.task),
            training=self.study.task_training(group.task),
            deterministic=self.study.deterministic,
        )

    def debias(self, group: Group, method: str) -> DebiasJob:
        """Return the job of a method in a group."""
        original = self.grid.control_of(method) or method
        knob = self.grid.knob(method)
        return DebiasJob(
            input=DebiasInput(
                **self.cell_input(group, method).model_dump(),
                chosen=self._chosen(group, original),
            ),
            output=self.model_files(group, method),
            group=group,
            method=self.grid.method(method),
            stream=original,
            preset=self.grid.preset(method),
            override={} if original == method else {knob: 0},
            artifact=self.artifact(group.task),
            watched=self.watched(group.task),
            roi=self.cell_roi(group, method),
            deterministic=self.study.deterministic,
        )

    def explain(self, group: Group, method: str, explainers: str) -> ExplainJob:
        """Return the job that makes the maps of a method's network by a set of explainers."""
        chosen = self.study.explain
        return ExplainJob(
            input=self.explained(group, method),
            output=self.map_files(group, method, explainers),
            group=group,
            method=method,
            explainer_set=explainers,
            artifact=self.artifact(group.task),
            watched=self.watched(group.task),
            explainers=self.explainers(explainers),
            images=chosen.images,
            explained_class=chosen.explained_class,
            batch_size=chosen.batch_size,
            both=self.both(group),
            deterministic=self.study.deterministic,
        )

    def measure(self, group: Group) -> MeasureJob:
        """Return the job that measures a group."""
        grid, task = self.grid, group.task
        models, sets = grid.models(task), grid.sets(task)
        methods = {method: grid.explained(method) for method in grid.methods(task)}
        maps = [self.map_files(group, model, name) for model in models for name in sets]
        normal = [self.map_files(g, grid.original, s) for g in self._normal(group) for s in sets]
        witnesses: dict[str, Any] = {
            f"{name}_{file}": tuple(
                getattr(self.witness_maps(g, name, s), file)
                for g in self.witnessed(group)
                for s in sets
            )
            for name in WITNESSES
            for file in ("maps", "index")
        }
        pool = self.pool(group.dataset).output
        return MeasureJob(
            input=MeasureInput(
                images=pool.images,
                masks=pool.masks,
                pool=pool.pool,
                **self._maps_of(self.roi_attribution(task)),
                **self.split(group).output.model_dump(),
                predictions=tuple(self.model_files(group, m).predictions for m in methods),
                maps=tuple(made.maps for made in maps),
                map_index=tuple(made.index for made in maps),
                normal_maps=tuple(made.maps for made in normal),
                normal_index=tuple(made.index for made in normal),
                **witnesses,
            ),
            output=self.measure_files(group),
            study=self.study.study,
            group=group,
            artifact=self.artifact(task),
            watched=self.watched(task),
            both=self.both(group),
            original=grid.original,
            methods=methods,
            models=tuple(models),
            sets=tuple(sets),
            roi=self.roi(task),
            scale=self.study.measure.scale,
            replicates=self.study.measure.replicates,
            metrics=self.metrics,
        )

    # What jobs share

    def cell_input(self, group: Group, method: str) -> CellInput:
        """Return the files of a job that calls a method in a group: what the method needs."""
        needs, task = self.grid.needed(method), self.study.tasks[group.task]
        original = self.model_files(group, self.grid.original)
        pool = self.pool(group.dataset).output
        files: dict[str, Any] = self._training_input(group).model_dump()
        if {"masks", "roi"} & set(needs):
            files |= {"masks": pool.masks, "pool": pool.pool}
        if "regions" in needs:
            files |= self._fenced_maps(group, task.protected)
        if "roi" in needs and isinstance(task.roi, AttributionRoi):
            maps = self._fenced_maps(group, task.roi.attribution.attribute)
            files |= {f"roi_{name}": path for name, path in maps.items()}
        return CellInput(
            **files,
            original_model=original.model,
            original_metadata=original.metadata,
            original_predictions=original.predictions,
        )

    def cell_roi(self, group: Group, method: str) -> Roi | None:
        """Return the ROI of a group's task where a method needs it."""
        return self.roi(group.task) if "roi" in self.grid.needed(method) else None

    def model_files(self, group: Group, method: str) -> files.Model:
        """Return the files of a method's model in a group."""
        return files.Model.below(self.paths.model(group, method))

    def choice_files(self, task: str, design: str, at: str, method: str) -> Choice:
        """Return the choice of a tuned method's parameters."""
        folder = self.paths.folder("choose", task=task, design=design, at=at, method=method)
        return Choice.below(folder)

    def trained_files(self, group: Group) -> files.Trained:
        """Return the files of the original network of a group."""
        return files.Trained.below(self.paths.model(group, self.grid.original))

    def map_files(self, group: Group, method: str, explainers: str) -> files.Maps:
        """Return the maps of a method's network by a set of explainers."""
        folder = self.paths.folder("explain", group, method=method, explainers=explainers)
        return files.Maps.below(folder)

    def witness_maps(self, group: Group, witness: str, explainers: str) -> files.Maps:
        """Return the maps of a network of the region-rank audit by a set of explainers."""
        names = {"witness": witness, "explainers": explainers}
        return files.Maps.below(self.paths.folder("explain_witness", group, **names))

    def witnessed(self, group: Group) -> list[Group]:
        """Return the group that the networks of a group's region-rank audit learn from.

        That of level 0; none where the audit is off or the design has no such level.
        """
        return self._normal(group) if self.study.measure.witnesses else []

    def measure_files(self, group: Group) -> files.Measures:
        """Return the measures of a group."""
        return files.Measures.below(self.paths.folder("measure", group))

    def region_files(self, dataset: str, attribute: str) -> files.Region:
        """Return the files of the patch classifier of an attribute."""
        return files.Region.below(self.paths.region(dataset, attribute))

    def roi(self, task: str) -> Roi:
        """Return where a task's region of interest is."""
        chosen = self.study.tasks[task]
        place = chosen.roi.artifact if isinstance(chosen.roi, ArtifactRoi) else None
        return Roi(
            region=chosen.model_dump(mode="json")["roi"], artifact=self.grid.chosen_artifact(place)
        )

    def roi_attribution(self, task: str) -> tuple[str, str] | None:
        """Return dataset and attribute of the map that a task's ROI is the top of, or None."""
        chosen = self.study.tasks[task]
        if not isinstance(chosen.roi, AttributionRoi):
            return None
        return chosen.dataset, chosen.roi.attribution.attribute

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every metric with its parameters."""
        chosen = resolve(self.study.measure.metrics)
        return {name: params.model_dump(mode="json") for name, params in chosen.items()}

    def cells(self) -> list[Cell]:
        """Return every method in every group."""
        return [
            Cell(group=group, method=method)
            for group in self.grid.groups()
            for method in self.grid.methods(group.task)
        ]

    def switched(self) -> list[tuple[str, str]]:
        """Return dataset and attribute of all twins that have to be made."""
        wanted = [
            (self.grid.dataset(task), attribute)
            for task in self.study.tasks
            for attribute in (self.grid.twins(task), self.grid.watched_twins(task))
        ]
        found = [(dataset, attribute) for dataset, attribute in wanted if attribute is not None]
        made = [pair for pair in found if pair[1] != self.grid.both(pair[0])]
        return list(dict.fromkeys(made))

    def watched(self, task: str) -> Chosen | None:
        """Return the artifact that a task watches, or None."""
        return self.grid.chosen_artifact(self.grid.watched_artifact(task))

    def _dataset(self, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Return a dataset's kind, and the parameters of `fetch` and of `pool` alone."""
        params = self.study.datasets[name]
        fetch, pool = stage_params(params["kind"], params)
        return params["kind"], fetch, pool

    def both(self, group: Group) -> bool:
        """Return whether the pool itself holds both versions of the images of a group's task."""
        return self.grid.doubled(group.task) and self.artifact(group.task) is None

    def artifact(self, task: str) -> Chosen | None:
        """Return the artifact that is a task's protected attribute, or None."""
        return self.grid.chosen_artifact(self.grid.artifact(task))

    def _training_input(self, group: Group) -> TrainInput:
        watched = self.grid.watched_twins(group.task)
        return TrainInput(
            images=self.pool(group.dataset).output.images,
            split=self.split(group).output.split,
            twins=self.twins_file(group.task),
            watched_twins=Path(self.paths.twins(group.dataset, watched)) if watched else None,
        )

    def twins_file(self, task: str) -> Path | None:
        """Return the file with a task's twins: the pool itself where it holds both versions."""
        dataset, attribute = self.grid.dataset(task), self.grid.twins(task)
        if attribute is None:
            return None
        if attribute == self.grid.both(dataset):
            return self.pool(dataset).output.images
        return Path(self.paths.twins(dataset, attribute))

    def _chosen(self, group: Group, method: str) -> Path | None:
        """Return the file of a method's tuned parameters, None where it is not tuned."""
        if method not in self.grid.tuned(group.task):
            return None
        at = self.grid.tuned_at(group)
        return self.choice_files(group.task, group.design, at, method).chosen

    def explained(self, group: Group, method: str) -> ExplainInput:
        """Return the files of a job that explains a method's network."""
        made = self.model_files(group, method)
        return ExplainInput(
            images=self.pool(group.dataset).output.images,
            split=self.split(group).output.split,
            model=made.model,
            metadata=made.metadata,
        )

    def explainers(self, name: str) -> tuple[Chosen, ...]:
        """Return the explainers of a set with their parameters."""
        return tuple(Chosen.of(e, given) for e, given in self.study.explain.sets[name].items())

    def _fenced_maps(self, group: Group, attribute: str) -> dict[str, Path]:
        """Return the maps of an attribute that a group's methods may see."""
        seeds = self.grid.fence(group.design, group.seed)
        made = self._fenced_files(group.task, group.design, seeds, region_name(attribute))
        return {"region": made.region, "confidence": made.confidence, "mean": made.mean}

    def _fenced_files(self, task: str, design: str, seeds: str, region: str) -> files.FencedRegion:
        return files.FencedRegion.below(self.paths.fenced_region(task, design, seeds, region))

    def _maps_of(self, where: tuple[str, str] | None) -> dict[str, Any]:
        """Return the attribution maps of an attribute of a dataset, or nothing."""
        if where is None:
            return {}
        made = self.region_files(*where)
        return {"region": made.region, "confidence": made.confidence, "mean": made.mean}

    def _normal(self, group: Group) -> list[Group]:
        """Return the group of the normal model, the original at level 0, if there is one."""
        if not self.grid.unbiased_zero(group.design):
            return []
        zero = [level for level in self.grid.levels(group.design) if level == 0]
        return [self.grid.group(group.task, group.design, level, group.seed) for level in zero]
