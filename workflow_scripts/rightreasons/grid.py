"""The grid of a study: which cells there are, and the folder of each under `results/<study>/`."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from rightreasons.config import AttributionRoi, MaskRoi, StudyConfig
from rightreasons.data import DATASETS
from rightreasons.debias import METHODS
from rightreasons.errors import UserError


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
            for task in self.study.tasks
            for design, params in self.study.designs.items()
            for level in params["levels"]
            for seed in self.study.seeds
        ]

    def methods(self, changes: str | None = None) -> list[str]:
        """Return the methods' names; with `changes`, those that change weights or decisions."""
        return [
            name
            for name, params in self.study.methods.items()
            if changes in (None, METHODS[params["kind"]].traits["changes"])
        ]

    def explained(self, method: str) -> str:
        """Return the method whose maps `method` has: itself, or vanilla if it has its weights."""
        return method if method in self.methods("weights") else "vanilla"

    def dataset(self, task: str) -> str:
        """Return the name of a task's dataset."""
        return self.study.tasks[task].dataset

    def twins(self, task: str) -> str | None:
        """Return the protected attribute if the task's dataset can switch it, else None."""
        kind = self.study.datasets[self.dataset(task)]["kind"]
        protected = self.study.tasks[task].protected
        return protected if protected in DATASETS[kind].traits["twins"] else None

    def explainers(self) -> list[str]:
        """Return the names of all explainers, over all sets."""
        return [name for chosen in self.study.explain.sets.values() for name in chosen]

    def regions(self) -> dict[tuple[str, str], str]:
        """Return the attribute of every patch classifier, by (dataset, name of its folder).

        They are the study's `regions.attributes`, those that tasks take their ROI from, and the
        protected attributes of all tasks where a method looks away from them.
        """
        wanted = [(d, a) for d, chosen in self.study.regions.attributes.items() for a in chosen]
        for task in self.study.tasks.values():
            if isinstance(task.roi, AttributionRoi):
                wanted.append((task.dataset, task.roi.attribution.attribute))
            if self.looks_away():
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

    def looks_away(self) -> bool:
        """Return whether any method uses attribution maps."""
        return any(self.needs_region(method) for method in self.study.methods)

    def known_roi(self, dataset: str, attribute: str) -> list[float] | dict[str, str] | None:
        """Return where an attribute is known to be: from `regions.attributes`, or a task's ROI."""
        known = self.study.regions.attributes.get(dataset, {}).get(attribute)
        drawn = [
            task.roi
            for task in self.study.tasks.values()
            if (task.dataset, task.protected) == (dataset, attribute)
            and not isinstance(task.roi, AttributionRoi)
        ]
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
