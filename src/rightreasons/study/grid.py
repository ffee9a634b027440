"""The grid of a study: which cells there are, and the folder of each under `results/<study>/`."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.data import DATASETS
from rightreasons.debias import METHODS
from rightreasons.study.sections import ArtifactRoi, AttributionRoi, MaskRoi, StudyConfig


def region_name(attribute: str) -> str:
    """Return an attribute expression as the name of a folder: `gender == Male` is gender_Male."""
    return "_".join(re.findall(r"\w+", attribute))


@dataclass(frozen=True)
class Group:
    """All cells that share a split: one task, design, level and seed."""

    task: str
    design: str
    level: str
    seed: str

    @property
    def folder(self) -> str:
        """The group's folder below a stage."""
        return f"{self.task}/{self.design}-{self.level}/seed-{self.seed}"

    def as_dict(self) -> dict[str, str]:
        """The group as wildcards."""
        return asdict(self)


class Grid:
    """The cells of a study, in a fixed order."""

    def __init__(self, study: StudyConfig) -> None:
        self.study = study

    def groups(self) -> list[Group]:
        """Return every (task, design, level, seed) of the study."""
        return [
            Group(task, design, f"{level:g}", str(seed))
            for task, design in self.pairs()
            for level in self.study.designs[design]["levels"]
            for seed in self.study.seeds
        ]

    def pairs(self) -> list[tuple[str, str]]:
        """Return every task with each of its designs."""
        return [
            (name, design)
            for name, task in self.study.tasks.items()
            for design in self.study.designs
            if task.designs is None or design in task.designs
        ]

    def methods(self, task: str | None = None, changes: str | None = None) -> list[str]:
        """Return the methods' names: of a task or of all; those that change weights or decisions.

        changes: "weights", "decision" or None for both.
        """
        chosen = None if task is None else self.study.tasks[task].methods
        return [
            name
            for name, params in self.study.methods.items()
            if (chosen is None or name in (*chosen, "vanilla"))
            and changes in (None, METHODS[params["kind"]].traits["changes"])
        ]

    def models(self, task: str) -> list[str]:
        """Return the methods of a task that have maps of their own, vanilla first."""
        return ["vanilla", *self.methods(task, "weights")]

    def explained(self, method: str) -> str:
        """Return the method whose maps `method` has: itself, or vanilla if it has its weights."""
        return method if method in self.methods(changes="weights") else "vanilla"

    def dataset(self, task: str) -> str:
        """Return the name of a task's dataset."""
        return self.study.tasks[task].dataset

    def artifact(self, task: str) -> str | None:
        """Return the artifact that is a task's protected attribute, or None."""
        protected = self.study.tasks[task].protected
        return protected if protected in self.study.artifacts else None

    def twins(self, task: str) -> str | None:
        """Return the protected attribute if the task's dataset can switch it, else None."""
        kind = self.study.datasets[self.dataset(task)]["kind"]
        protected = self.study.tasks[task].protected
        able = DATASETS[kind].traits["twins"]
        return protected if protected in able and self.artifact(task) is None else None

    def twinned(self) -> list[str]:
        """Return the tasks whose test images have twins, so that true reliance is known."""
        return [t for t in self.study.tasks if self.artifact(t) or self.twins(t)]

    def elsewhere(self) -> list[str]:
        """Return the tasks whose ROI is the place of an artifact that is not their own."""
        return [
            name
            for name, task in self.study.tasks.items()
            if isinstance(task.roi, ArtifactRoi) and task.roi.artifact != task.protected
        ]

    def controls(self) -> list[str]:
        """Return the names of the explainers that are noise."""
        return [
            name
            for group in self.study.explain.sets.values()
            for name, chosen in group.items()
            if chosen["kind"] == "random"
        ]

    def sets(self, task: str) -> list[str]:
        """Return the names of the sets of explainers of a task."""
        chosen = self.study.tasks[task].sets
        return [name for name in self.study.explain.sets if chosen is None or name in chosen]

    def explainers(self, task: str) -> list[str]:
        """Return the names of a task's explainers, over all its sets."""
        return [name for group in self.sets(task) for name in self.study.explain.sets[group]]

    def shows_images(self, dataset: str) -> bool:
        """Return whether figures and pages may show single images of a dataset."""
        chosen = self.study.report.show_images
        if chosen is None:
            return self.study.datasets[dataset]["kind"] == "synthfaces"
        return dataset in chosen

    def shown_explainers(self, task: str) -> list[str]:
        """Return the explainers with figures and a place in the pages: the config's, or four."""
        chosen, known = self.study.report.explainers, self.explainers(task)
        return known[:4] if chosen is None else [name for name in chosen if name in known]

    def regions(self) -> dict[tuple[str, str], str]:
        """Return the attribute of every patch classifier, by (dataset, name of its folder).

        They are the study's `regions.attributes`, those that tasks take their ROI from, and the
        protected attributes of all tasks where a method looks away from them.
        """
        wanted = [(d, a) for d, chosen in self.study.regions.attributes.items() for a in chosen]
        for name, task in self.study.tasks.items():
            if isinstance(task.roi, AttributionRoi):
                wanted.append((task.dataset, task.roi.attribution.attribute))
            if self.looks_away(name):
                wanted.append((task.dataset, task.protected))
        found: dict[tuple[str, str], str] = {}
        for dataset, attribute in wanted:
            known = found.setdefault((dataset, region_name(attribute)), attribute)
            if known != attribute:
                raise UserError(
                    f"the patch classifiers of {known!r} and {attribute!r} ({dataset}) would share "
                    f"the folder {region_name(attribute)!r}. Write both in the same way."
                )
        return found

    def needs_region(self, method: str) -> bool:
        """Return whether a method uses the attribution maps of the protected attribute."""
        return bool(METHODS[self.study.methods[method]["kind"]].traits["regions"])

    def looks_away(self, task: str | None = None) -> bool:
        """Return whether any method (of a task) uses attribution maps."""
        return any(self.needs_region(method) for method in self.methods(task))

    def known_roi(self, dataset: str, attribute: str) -> list[float] | dict[str, str] | None:
        """Return where an attribute is known to be: from `regions.attributes`, or a task's ROI."""
        known = self.study.regions.attributes.get(dataset, {}).get(attribute)
        drawn = [
            task.roi
            for task in self.study.tasks.values()
            if (task.dataset, task.protected) == (dataset, attribute)
            and not isinstance(task.roi, AttributionRoi | ArtifactRoi)
        ]
        if known is None and attribute in self.study.artifacts:
            return {"artifact": attribute}
        roi = known or next(iter(drawn), None)
        return roi.model_dump() if isinstance(roi, MaskRoi) else roi

    @staticmethod
    def group(wildcards: Any) -> dict[str, str]:
        """Return the part of Snakemake's wildcards that names a group."""
        return {key: getattr(wildcards, key) for key in ("task", "design", "level", "seed")}


class Paths:
    """Where results lie: one folder per stage, named by the stage."""

    def __init__(self, study: StudyConfig) -> None:
        self.root = f"{study.results}/{study.study}"

    def stage(self, stage: str) -> str:
        """Return the folder of a stage."""
        return f"{self.root}/{stage}"

    def pool(self, dataset: str) -> str:
        """Return the folder of a dataset's pool."""
        return f"{self.root}/pool/{dataset}"

    def split(self, **group: str) -> str:
        """Return the file of a group's split."""
        return f"{self.root}/split/{Group(**group).folder}/split.parquet"

    def model(self, method: str, **group: str) -> str:
        """Return the folder of a method's model: vanilla's is the stage `train`'s."""
        folder = Group(**group).folder
        if method == "vanilla":
            return f"{self.root}/train/{folder}"
        return f"{self.root}/debias/{folder}/{method}"

    def maps(self, method: str, explainers: str, **group: str) -> str:
        """Return the folder of the maps of a model and a set of explainers."""
        return f"{self.root}/explain/{Group(**group).folder}/{method}/{explainers}"

    def sanity(self, explainers: str, **group: str) -> str:
        """Return the folder of the sanity check of a set of explainers."""
        return f"{self.root}/sanity/{Group(**group).folder}/{explainers}"

    def region(self, dataset: str, attribute: str) -> str:
        """Return the folder of the patch classifier of an attribute."""
        return f"{self.root}/region/{dataset}/{region_name(attribute)}"

    def measures(self, **group: str) -> str:
        """Return the folder of a group's measures."""
        return f"{self.root}/measure/{Group(**group).folder}"
