"""The jobs that draw a study's figures: one per figure, for all its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from rightreasons.core.job import Chosen, Group
from rightreasons.core.registry import Component
from rightreasons.figures import FIGURES, FILES
from rightreasons.figures._given import DatasetFacts, DesignFacts, StudyFacts, TaskFacts
from rightreasons.stages.figure import Drawing, FigureInput, FigureJob, FigureOutput
from rightreasons.study.grid import Grid
from rightreasons.study.groups import surely_two
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.tables.parameters import FEWEST


@dataclass(frozen=True)
class Scope:
    """What a drawing can be of: a dataset, and a task of it, its design, its explainer."""

    dataset: str
    task: str = ""
    design: str = ""
    explainer: str = ""

    def of(self, wildcards: tuple[str, ...]) -> tuple[str, ...]:
        """Return the values of some wildcards."""
        return tuple(getattr(self, name) for name in wildcards)


def scopes(grid: Grid) -> Iterator[Scope]:
    """Yield everything that a drawing of a study can be of, in the study's order."""
    for dataset in grid.study.datasets:
        pairs = [(t, d) for t, d in grid.pairs() if grid.dataset(t) == dataset]
        for task, design in pairs:
            for explainer in grid.shown_explainers(task) or [""]:
                yield Scope(dataset, task, design, explainer)
        if not pairs:
            yield Scope(dataset)


def _enough_to_rank(grid: Grid) -> bool:
    """Return whether three methods or more have three blocks or more in common."""
    rivals = {t: {m for m in grid.methods(t) if not grid.control_of(m)} for t in grid.study.tasks}
    blocks = [rivals[t] for t, d in grid.pairs() for _ in grid.levels(d) if len(rivals[t]) > 1]
    return len(blocks) >= FEWEST and len(set.intersection(*blocks)) >= FEWEST


#: Whether a scope meets a condition of `rightreasons.figures.CONDITIONS`.
MEETS: dict[str, Callable[[Plan, Scope], bool]] = {
    "regions": lambda plan, s: any(dataset == s.dataset for dataset, _ in plan.regions),
    "looks_away": lambda plan, s: bool(s.task) and plan.grid.looks_away(s.task),
    "artifact": lambda plan, s: bool(s.task) and plan.grid.artifact(s.task) is not None,
    "twins": lambda plan, s: s.task in plan.grid.twinned() and plan.grid.unbiased_zero(s.design),
    "two_groups": lambda plan, s: bool(s.task) and surely_two(plan.study, s.task, s.design),
    "watched": lambda plan, s: bool(s.task) and plan.grid.watched(s.task) is not None,
    "shows_images": lambda plan, s: plan.grid.shows_images(s.dataset),
    "boxes": lambda plan, s: bool(s.task) and len(plan.grid.boxes(s.task)) > 1,
    "rivals": lambda plan, s: bool(s.task) and len(plan.grid.methods(s.task)) > 1,
    "strengths": lambda plan, s: bool(s.task) and len(plan.grid.strengths(s.task)) > 1,
    "shown": lambda plan, s: bool(s.explainer),
    "signal": lambda plan, s: bool(s.explainer) and s.explainer not in plan.grid.roles.noise,
    "blocks": lambda plan, _: _enough_to_rank(plan.grid),
}


@dataclass(frozen=True)
class Picture:
    """One picture of a figure.

    Attributes
    ----------
    figure
        The figure.
    wildcards
        What it is of, by the names that the figure's trait `over` asks for.
    scopes
        All that is in it.
    """

    figure: Component
    wildcards: dict[str, str]
    scopes: tuple[Scope, ...]

    @property
    def name(self) -> str:
        """What its files are called."""
        return "-".join([self.figure.traits["stem"] or self.figure.name, *self.wildcards.values()])

    @property
    def tasks(self) -> list[str]:
        """The tasks that it is about."""
        return list(dict.fromkeys(scope.task for scope in self.scopes if scope.task))

    def labels(self) -> dict[str, str]:
        """Return what Snakemake's report calls it."""
        return {"figure": self.figure.traits["label"], **self.wildcards}


class FigurePlan:
    """The jobs that draw the figures of a plan.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.grid = plan.grid
        self.folder = Path(plan.paths.folder("report"))

    @cached_property
    def pictures(self) -> dict[str, list[Picture]]:
        """The pictures of every figure that has any, by the figure's name."""
        every, tables = list(scopes(self.grid)), self.tables
        found = {
            figure.name: self._pictures_of(figure, every)
            for figure in FIGURES
            if set(figure.traits["tables"]) <= set(tables)
        }
        return {name: pictures for name, pictures in found.items() if pictures}

    @cached_property
    def tables(self) -> dict[str, Path]:
        """Every table of the study by name."""
        return TablePlan(self.plan).files()

    def job(self, name: str) -> FigureJob:
        """Return the job that draws all pictures of a figure."""
        figure, pictures = FIGURES[name], self.pictures[name]
        files: dict[Path, int] = {}
        drawings = tuple(self._drawing(picture, files) for picture in pictures)
        return FigureJob(
            input=FigureInput(
                tables=tuple(
                    self.tables[table]
                    for table in (*figure.traits["tables"], *figure.traits["marks"])
                    if table in self.tables
                ),
                files=tuple(files),
            ),
            output=self.output(name),
            figure=Chosen(name=name, kind=name, params=self._params(figure)),
            study=self._facts(pictures),
            drawings=drawings,
        )

    def _params(self, figure: Component) -> dict[str, JsonValue]:
        """Return a figure's parameters: its defaults, and what the study changes."""
        chosen = self.plan.study.report.figures.get(figure.name, {})
        return figure.params(**chosen).model_dump(mode="json")

    def output(self, name: str) -> FigureOutput:
        """Return the files of all pictures of a figure."""
        pictures = self.pictures[name]
        return FigureOutput(
            drawings=tuple(path for picture in pictures for path in self.files(picture)),
            captions=tuple(self.caption(picture) for picture in pictures),
        )

    def files(self, picture: Picture) -> list[Path]:
        """Return the files of one picture, one a format."""
        formats = picture.figure.traits["formats"]
        folder = self.folder / "figures" if "png" in formats else self.folder
        return [folder / f"{picture.name}.{ending}" for ending in formats]

    def caption(self, picture: Picture) -> Path:
        """Return the file that says what a picture shows."""
        name = "-".join([picture.figure.name, *picture.wildcards.values()])
        return self.folder / "captions" / f"{name}.rst"

    def _pictures_of(self, figure: Component, every: list[Scope]) -> list[Picture]:
        over = figure.traits["over"]
        met = [s for s in every if all(MEETS[c](self.plan, s) for c in figure.traits["when"])]
        parts: dict[tuple[str, ...], list[Scope]] = {}
        for scope in met:
            if all(values := scope.of(over)):
                parts.setdefault(values, []).append(scope)
        return [
            Picture(figure, dict(zip(over, values, strict=True)), tuple(part))
            for values, part in parts.items()
        ]

    def _drawing(self, picture: Picture, places: dict[Path, int]) -> Drawing:
        """Return one picture's description; its files get places of their own."""
        needs = picture.figure.traits["files"]
        groups = (
            self._groups(picture) if {"mean_maps", "dots", "maps", "browser"} & set(needs) else []
        )
        wanted: dict[str, list[Path]] = {}
        for need in needs:
            wanted |= getattr(self, f"_{need}")(picture, groups)
        return Drawing(
            name=picture.name,
            wildcards=picture.wildcards,
            groups=tuple(groups),
            files={
                name: tuple(places.setdefault(path, len(places)) for path in paths)
                for name, paths in wanted.items()
            },
            roi=self.plan.roi(picture.wildcards["task"]) if "roi" in needs else None,
        )

    def _groups(self, picture: Picture) -> list[Group]:
        """Return the groups that a picture is about."""
        grid, traits = self.grid, picture.figure.traits
        seeds = self.plan.study.seeds[: 1 if traits["seeds"] == "first" else None]
        return [
            grid.group(task, design, level, seed)
            for task, design in dict.fromkeys((s.task, s.design) for s in picture.scopes)
            for level in (
                [grid.strongest(design)] if traits["levels"] == "strongest" else grid.levels(design)
            )
            for seed in seeds
        ]

    # What a picture can need, by the names in `rightreasons.figures.FILES`

    def _mean_maps(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        return {"mean_maps": [self.plan.measure_files(group).mean_maps for group in groups]}

    def _dots(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        plan, original = self.plan, self.grid.original
        return {
            "image_metrics": [plan.measure_files(group).image_metrics for group in groups],
            "predictions": [plan.model_files(group, original).predictions for group in groups],
        }

    def _maps(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        made = [
            self.plan.map_files(group, self.grid.original, name)
            for group in groups
            for name in self.grid.sets(group.task)
        ]
        return {"maps": [m.maps for m in made], "map_index": [m.index for m in made]}

    def _browser(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        plan, grid, task = self.plan, self.grid, picture.wildcards["task"]
        explained = {method: grid.explained(method) for method in grid.methods(task)}
        made = [
            plan.map_files(group, model, name)
            for group in groups
            for model in dict.fromkeys(explained.values())
            for name in grid.sets(task)
        ]
        twins = plan.twins_file(task)
        return {
            "image_metrics": [plan.measure_files(group).image_metrics for group in groups],
            "model_predictions": [
                plan.model_files(group, method).predictions
                for group in groups
                for method in explained
            ],
            "model_maps": [m.maps for m in made],
            "model_index": [m.index for m in made],
            "twins": [twins] if twins else [],
        }

    def _pool(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        made = self.plan.pool(picture.scopes[0].dataset).output
        return {name: [getattr(made, name)] for name in FILES["pool"]}

    def _roi(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        pool = self._pool(picture, groups)
        where = self.plan.roi_attribution(picture.wildcards["task"])
        made = [self.plan.region_files(*where)] if where else []
        return {
            **{name: pool[name] for name in ("images", "masks", "pool")},
            "roi_region": [files.region for files in made],
            "roi_confidence": [files.confidence for files in made],
            "roi_mean": [files.mean for files in made],
        }

    def _regions(self, picture: Picture, groups: list[Group]) -> dict[str, list[Path]]:
        dataset = picture.scopes[0].dataset
        attributes = [a for (d, _), a in self.plan.regions.items() if d == dataset]
        if "task" in picture.wildcards:
            attributes = [self.plan.study.tasks[picture.wildcards["task"]].protected]
        made = [self.plan.region_files(dataset, attribute) for attribute in attributes]
        return {name: [getattr(files, name) for files in made] for name in FILES["regions"]}

    # What a figure is told

    def _facts(self, pictures: list[Picture]) -> StudyFacts:
        """Return what a figure is told: of the tasks, designs and datasets that it is about."""
        study, every = self.plan.study, [scope for picture in pictures for scope in picture.scopes]
        datasets, tasks, designs = (
            [name for name in known if name in {getattr(scope, key) for scope in every}]
            for key, known in (
                ("dataset", study.datasets),
                ("task", study.tasks),
                ("design", study.designs),
            )
        )
        return StudyFacts(
            seeds=tuple(study.seeds),
            roles=self.grid.roles,
            tasks={task: self._task(task) for task in tasks},
            designs={design: self._design(design) for design in designs},
            datasets={dataset: self._dataset(dataset) for dataset in datasets},
            quantile=study.regions.quantile,
            page_images=study.report.page_images,
        )

    def _task(self, task: str) -> TaskFacts:
        grid, chosen = self.grid, self.plan.study.tasks[task]
        return TaskFacts(
            dataset=chosen.dataset,
            target=chosen.target,
            protected=chosen.protected,
            artifact=grid.chosen_artifact(grid.artifact(task)),
            watched=grid.watched(task),
            watched_artifact=self.plan.watched(task),
            methods=tuple(m for m in grid.methods(task) if not grid.control_of(m)),
            explained={method: grid.explained(method) for method in grid.methods(task)},
            sets=tuple(grid.sets(task)),
            explainers=tuple(grid.explainers(task)),
            shown=tuple(grid.shown_explainers(task)),
            boxes=tuple(grid.boxes(task)),
        )

    def _design(self, design: str) -> DesignFacts:
        return DesignFacts(
            levels=tuple(self.grid.levels(design)),
            strongest=self.grid.strongest(design),
            symbol=self.grid.symbol(design),
        )

    def _dataset(self, dataset: str) -> DatasetFacts:
        attributes = [a for (d, _), a in self.plan.regions.items() if d == dataset]
        artifacts = {a: self.grid.chosen_artifact(a) for a in attributes}
        return DatasetFacts(
            shows_images=self.grid.shows_images(dataset),
            attributes={a: self.grid.known_roi(dataset, a) for a in attributes},
            artifacts={a: chosen for a, chosen in artifacts.items() if chosen is not None},
        )
