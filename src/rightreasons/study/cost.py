"""What a study will cost, before it runs: jobs, images, hours of cores or GPUs, room on the disk.

From costs that were measured on one core (`costs.csv`, made by `benchmarks/costs.py`) and from what
the config asks for. The aim is a factor of two, so that nobody is surprised.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

from rightreasons.core.job import Group
from rightreasons.core.search import Passes
from rightreasons.debias import METHODS
from rightreasons.metrics import WITNESSES
from rightreasons.probes import PROBES
from rightreasons.splits import DESIGNS
from rightreasons.study.plan import Plan
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.study.plan_probes import ProbePlan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.plan_tuning import TuningPlan
from rightreasons.study.plan_witness import WitnessPlan
from rightreasons.study.rules import STAGES

TABLE = Path(__file__).with_name("costs.csv")
#: Of the passes that a trial may take, how many it takes on average: log-uniform shares.
TRIAL = 0.3


@dataclass
class Cost:
    """What the jobs of a stage cost together.

    Attributes
    ----------
    jobs
        How many there are.
    passes
        Images that go forward and backward through a network.
    seconds
        Of one core, starts included.
    gpu_seconds
        Of one GPU, where there is one, for stages that use it.
    megabytes
        On the disk.
    """

    jobs: int = 0
    passes: float = 0.0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    megabytes: float = 0.0


@cache
def measured() -> dict[tuple[str, str], dict[int, float]]:
    """Return the measured costs by what and name, each by image size (0 where there is none)."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            sizes = found.setdefault((row["what"], row["name"]), {})
            sizes[int(row["size"] or 0)] = float(row["value"])
    return found


def known(what: str, name: str, size: int = 0, default: float | None = None) -> float:
    """Return a measured cost; at another size by the number of pixels of the nearest one measured.

    Parameters
    ----------
    what, name
        As `costs.csv` has them.
    size
        Side of the images in pixels, 0 where it does not matter.
    default
        What stands for names that nobody measured.
    """
    sizes = measured().get((what, name))
    if sizes is None:
        if default is None:
            raise KeyError((what, name))
        return default
    if not size or 0 in sizes:
        return next(iter(sizes.values()))
    nearest = min(sizes, key=lambda one: abs(math.log(one / size)))
    return sizes[nearest] * (size / nearest) ** 2


class Estimate:
    """The costs of a study by stage.

    Parameters
    ----------
    plan
        The study's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.grid, self.study = plan, plan.grid, plan.study
        self.stages: dict[str, Cost] = {}
        self._images: dict[str, int] = {}
        self._datasets()
        for group in self.grid.groups():
            self._group(group)
        self._witnesses()
        self._tuning()
        self._reports()

    @cached_property
    def total(self) -> Cost:
        """All stages together."""
        costs = self.stages.values()
        return Cost(
            jobs=sum(cost.jobs for cost in costs),
            passes=sum(cost.passes for cost in costs),
            seconds=sum(cost.seconds for cost in costs),
            gpu_seconds=sum(cost.gpu_seconds for cost in costs),
            megabytes=sum(cost.megabytes for cost in costs),
        )

    def images(self, dataset: str) -> int:
        """Return how many images a dataset has: what was fetched, said, or is known of its kind."""
        if dataset not in self._images:
            self._images[dataset] = self._count(dataset)
        return self._images[dataset]

    def _count(self, dataset: str) -> int:
        chosen = self.study.datasets[dataset]
        fetched = self.plan.fetch(dataset).output.attributes
        if fetched.exists():
            import pyarrow.parquet as pq

            return int(pq.read_metadata(fetched).num_rows)
        nested = chosen.get("foreground")
        said = (nested if isinstance(nested, dict) else chosen).get("n_images")
        return int(said or known("images", chosen["kind"], default=10_000))

    def roles(self, group: Group) -> dict[str, int]:
        """Return how many images the roles of a group have, at most.

        The rarest cell of target and protected attribute limits them, by the frequencies of
        attributes that are known.
        """
        design = self.study.designs[group.design]
        task = self.study.tasks[group.task]
        total = self.images(group.dataset) * (1 + self.grid.doubled(group.task))
        level = max(map(abs, self.grid.levels(group.design)), default=0.0)
        kind = self.study.datasets[group.dataset]["kind"]
        named = (f"{kind} {attribute}" for attribute in (task.target, task.protected))
        rare = [known("frequency", name, default=0.5) for name in named]
        natural = DESIGNS[design.get("kind", group.design)].traits["many_groups"]
        least = 1.0 if natural else math.prod(min(share, 1 - share) for share in rare)
        most = {"train": 4 / (1 + level) if level < 1 else 2.0}
        found = {}
        for role, share in design.get("shares", {"train": 0.5, "test": 0.5}).items():
            room = total * share * min(1.0, least * most.get(role, 4.0))
            found[role] = round(min(room, design.get("max_images", {}).get(role, math.inf)))
        return found

    def pass_seconds(self, task: str) -> float:
        """Return the seconds that an image takes, there and back, through the network of a task."""
        model = self.study.task_model(task)
        size = (model.input and model.input.size) or self.size(task)
        default = known("pass", "resnet50", size)
        return known("pass", model.architecture, size, default)

    def size(self, task: str) -> int:
        """Return the side of a task's images in pixels."""
        return int(self.study.datasets[self.grid.dataset(task)].get("size", 64))

    def _add(
        self,
        stage: str,
        *,
        passes: float = 0.0,
        per_pass: float = 0.0,
        seconds: float = 0.0,
        megabytes: float = 0.0,
        torch: bool = False,
    ) -> None:
        cost = self.stages.setdefault(stage, Cost())
        work = passes * per_pass
        cost.jobs += 1
        cost.passes += passes
        cost.seconds += known("start", "torch" if torch else "plain") + work + seconds
        cost.gpu_seconds += (known("start", "gpu") + work / known("gpu", "speed")) * torch
        cost.megabytes += megabytes

    def _datasets(self) -> None:
        for name, chosen in self.study.datasets.items():
            count, size = self.images(name), int(chosen.get("size", 64))
            each = known("image", chosen["kind"], size, known("image", "any", size))
            room = count * 3 * size**2 / 1e6
            self._add("fetch", seconds=count * known("image", "fetch"))
            self._add("pool", seconds=count * each, megabytes=room)
            for _ in (one for dataset, one in self.plan.switched() if dataset == name):
                self._add("pool", seconds=count * each, megabytes=room)
        classifier = self.study.regions.classifier
        for dataset, *_ in [*self.plan.regions, *self._fenced()]:
            self._region("region", dataset, classifier)

    def _fenced(self) -> Iterator[tuple[str]]:
        yield from ((self.grid.dataset(task),) for task, *_ in self.plan.fences)

    def _region(self, stage: str, dataset: str, classifier: Any) -> None:
        size = int(self.study.datasets[dataset].get("size", 64))
        count = self.images(dataset)
        trained = min(count, classifier.max_images or count)
        passes = trained * classifier.epochs + count
        if classifier.network == "published":  # patch by patch
            patches = (classifier.patch / size) ** 2
            passes = trained * classifier.epochs + count * classifier.positions * patches
        room = count * classifier.positions * 2 / 1e6
        per_pass = known("pass", "small_cnn", size) * 0.5
        self._add(stage, passes=passes, per_pass=per_pass, megabytes=room, torch=True)

    def _group(self, group: Group) -> None:
        task, per_pass = group.task, self.pass_seconds(group.task)
        roles = self.roles(group)
        architecture = self.study.task_model(task).architecture
        weights = known("weights", architecture, default=100.0)
        seen = sum(roles.get(role, 0) for role in ("select", "test")) * known("share", "forward")
        training = self.training(group, roles)
        self._add("split")
        self._add("train", passes=training + seen, per_pass=per_pass, megabytes=weights, torch=True)
        for method in self.grid.methods(task):
            if self.grid.changes(method) == "weights":
                passes = self.method_passes(method, roles, training) + seen
                self._add("debias", passes=passes, per_pass=per_pass, megabytes=weights, torch=True)
            elif self.grid.changes(method) == "decision":
                self._add("debias")
        self._maps(group, roles, per_pass)

    def training(self, group: Group, roles: Mapping[str, int]) -> int:
        """Return the image passes that train a group's network, none where it is not trained."""
        epochs = self.study.task_training(group.task).epochs
        return roles.get("train", 0) * epochs * self.study.task_model(group.task).train

    def _witnesses(self) -> None:
        """Add the networks of the region-rank audit: training, predictions and maps."""
        for group, _ in product(WitnessPlan(self.plan).groups(), WITNESSES):
            roles, per_pass = self.roles(group), self.pass_seconds(group.task)
            seen = roles["test"] * known("share", "forward")
            passes = self.training(group, roles) + seen
            self._add("witness", passes=passes, per_pass=per_pass, torch=True)
            asked = self.study.explain
            images = roles["test"] if asked.images == "all" else min(asked.images, roles["test"])
            for name in self.grid.sets(group.task):
                each = sum(map(map_passes, asked.sets[name].values()))
                self._add("witness", passes=images * each, per_pass=per_pass, torch=True)

    def _maps(self, group: Group, roles: Mapping[str, int], per_pass: float) -> None:
        task, size, asked = group.task, self.size(group.task), self.study.explain
        explained = roles["test"] if asked.images == "all" else min(asked.images, roles["test"])
        models = self.grid.models(task)
        for name in self.grid.sets(task):
            chosen = asked.sets[name]
            each = sum(map(map_passes, chosen.values()))
            for method in models:
                room = explained * len(chosen) * size**2 * 4 / 1e6
                self._add(
                    "explain",
                    passes=explained * each,
                    per_pass=per_pass,
                    megabytes=room,
                    torch=True,
                )
                if (group, method, name) in self._probed_cells:
                    passes = self.study.probe.images * self._probe_passes(each, len(chosen))
                    self._add("probe", passes=passes, per_pass=per_pass, torch=True)
            if (group, name) in self._sanity_cells:
                check = self.study.sanity
                passes = check.images * each * (check.stages + 1)
                self._add("sanity", passes=passes, per_pass=per_pass, torch=True)
        maps = explained * len(models) * len(self.grid.explainers(task))
        self._add("measure", seconds=maps * known("map", "measure", size), megabytes=1.0)

    @cached_property
    def _probed_cells(self) -> set[tuple[Group, str, str]]:
        cells = ProbePlan(self.plan).probed_cells()
        return {(cell.group, cell.method, name) for cell, name in cells}

    @cached_property
    def _sanity_cells(self) -> set[tuple[Group, str]]:
        return set(ProbePlan(self.plan).sanity_cells())

    def _probe_passes(self, each: float, explainers: int) -> float:
        """Return the passes of all probes of an image by a set of explainers."""
        passes = 0.0
        for chosen in self.study.probe.probes.values():
            needs = PROBES[chosen["kind"]].traits["needs"]
            once = units(chosen, ("steps", "samples"), 8) * known("share", "forward")
            if "passes" in needs:
                passes += explainers * once * max(len(chosen.get("shares", ())), 1)
            if "maps" in needs or "fresh" in needs:
                passes += each * units(chosen, ("samples", "stages"), 1)
        return passes

    def method_passes(self, method: str, roles: Mapping[str, int], training: float) -> float:
        """Return the images that go through networks while a method works.

        Parameters
        ----------
        method
            Its name.
        roles
            Images of each role.
        training
            Image passes of training the original, which methods without epochs of their own take.
        """
        given = self.study.methods[method]
        debias, batch = roles.get("debias", 0), given.get("batch_size") or 32
        total = float(debias)
        budgets: Mapping[str, Any] = METHODS[given["kind"]].traits["search"]
        for name, budget in budgets.items():
            if not isinstance(budget, Passes):
                continue
            count = given.get(name)
            if budget.unit == "steps":
                least = max(given.get("min_steps") or 0, 0)
                steps = count or max(math.ceil(debias / batch) * (given.get("epochs") or 1), least)
                total += steps * batch * budget.each
            elif count is None:
                total += training * budget.each
            else:
                total += count * roles.get(budget.role, 0) * budget.each
        return total

    def _tuning(self) -> None:
        plan, tuning = TuningPlan(self.plan), self.study.tuning
        for group in plan.groups():
            roles, per_pass = self.roles(group), self.pass_seconds(group.task)
            epochs = self.study.task_training(group.task).epochs
            budget = tuning.budget or max(roles.get("train", 0) * epochs, 12_000)
            for method in self.grid.tuned(group.task):
                changes = self.grid.changes(method) == "weights"
                passes = tuning.trials * budget * TRIAL * changes
                self._add("tune", passes=passes, per_pass=per_pass, torch=changes)
        for _ in plan.choices():
            self._add("choose")

    def _reports(self) -> None:
        groups = len(self.grid.groups())
        for _, design in self.grid.pairs():
            for _ in self.grid.levels(design):
                self._add("compare", seconds=known("job", "compare"))
        for _ in MultiversePlan(self.plan).measured() if self.study.multiverse else ():
            self._add("universe", seconds=known("job", "universe"))
        each = known("job", "table") + groups * known("group", "table")
        tables = {str(path) for path in TablePlan(self.plan).files().values()}
        for name, stage in STAGES.items():
            made = stage.output(self.plan).named().values()
            if name.startswith("tabulate") and tables & {str(path) for path in made}:
                self._add("tables", seconds=each, megabytes=0.3 + groups * 0.03)
        for pictures in FigurePlan(self.plan).pictures.values():
            drawn = len(pictures)
            seconds = known("job", "figure") + drawn * known("job", "picture")
            self._add("figures", seconds=seconds, megabytes=0.5 * drawn)


def map_passes(chosen: Mapping[str, Any]) -> float:
    """Return how many passes there and back an explainer takes for a map."""
    once = known("share", chosen["kind"], default=1.0)
    if grid := chosen.get("grid"):
        return float(grid) ** 2 * known("share", "forward")
    return once * units(chosen, ("steps", "samples"), 1)


def units(chosen: Mapping[str, Any], names: Iterable[str], default: int) -> float:
    """Return the product of those of a component's parameters that repeat its work."""
    found = [float(chosen[name]) for name in names if chosen.get(name)]
    return math.prod(found) if found else float(default)
