"""The grid of a study: which cells there are, and what is to be known of them."""

from __future__ import annotations

import re
from functools import cached_property

from pydantic import JsonValue

from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen, Group
from rightreasons.core.roles import Roles
from rightreasons.data import DATASETS
from rightreasons.debias import METHODS
from rightreasons.saliency import EXPLAINERS
from rightreasons.splits import DESIGNS
from rightreasons.splits._roles import BaseRoles
from rightreasons.study.methods import parameters
from rightreasons.study.section_tasks import ArtifactRoi, AttributionRoi, BoxesRoi, MaskRoi
from rightreasons.study.sections import TUNED, StudyConfig

#: In place of a level: the choice of levels that are tuned together.
TOGETHER = "together"


def region_name(attribute: str) -> str:
    """Return an attribute expression as the name of a folder: `gender == Male` is gender_Male."""
    return "_".join(re.findall(r"\w+", attribute))


class Grid:
    """The cells of a study, in a fixed order.

    Parameters
    ----------
    study
        The checked config: traits of its components say what is original, reference, noise.
    """

    def __init__(self, study: StudyConfig) -> None:
        self.study = study

    def groups(self) -> list[Group]:
        """Return every (task, design, level, seed) of the study."""
        return [
            self.group(task, design, level, seed)
            for task, design in self.pairs()
            for level in self.levels(design)
            for seed in self.study.seeds
        ]

    def group(self, task: str, design: str, level: float | str, seed: int | str) -> Group:
        """Return one group.

        Parameters
        ----------
        task, design
            Their names.
        level, seed
            Numbers, or what the names of folders say. A level is rounded to the six digits that
            these keep.
        """
        return Group(
            dataset=self.dataset(task),
            task=task,
            design=design,
            level=float(f"{float(level):g}") + 0.0,  # -0 is 0
            seed=int(seed),
        )

    def levels(self, design: str) -> list[float]:
        """Return a design's levels in the config's order."""
        levels: list[float] = self.study.designs[design]["levels"]
        return levels

    def strongest(self, design: str) -> float:
        """Return the level of a design that is farthest from zero, the positive one of two."""
        return max(self.levels(design), key=lambda level: (abs(level), level))

    def pairs(self) -> list[tuple[str, str]]:
        """Return every task with each of its designs."""
        return [
            (name, design)
            for name, task in self.study.tasks.items()
            for design in self.study.designs
            if task.designs is None or design in task.designs
        ]

    @cached_property
    def original(self) -> str:
        """The method that changes nothing: its network is the one that all others start from."""
        return next(name for name in self.study.methods if self.changes(name) == "nothing")

    def changes(self, method: str) -> str:
        """Return what a method changes: "weights", "decision" or "nothing"."""
        return str(self.trait(method, "changes"))

    def trait(self, method: str, trait: str) -> object:
        """Return a trait of a method's kind."""
        return METHODS[self.study.methods[method]["kind"]].traits[trait]

    def methods(self, task: str | None = None, changes: str | None = None) -> list[str]:
        """Return the methods' names in the study's order.

        Parameters
        ----------
        task
            The task whose methods are asked for, the original always among them; all without.
        changes
            Only those that change this: "weights", "decision" or "nothing".
        """
        chosen = None if task is None else self.study.tasks[task].methods
        return [
            name
            for name in self.study.methods
            if (chosen is None or (self.control_of(name) or name) in (*chosen, self.original))
            and changes in (None, self.changes(name))
        ]

    def method(self, name: str) -> Chosen:
        """Return a method of the study with its parameters."""
        given = self.study.methods[name]
        return Chosen(name=name, kind=given["kind"], params=parameters(given))

    def control_of(self, method: str) -> str | None:
        """Return the method that another is the matched control of, or None."""
        return self.study.methods[method].get("control_of")

    def knob(self, method: str) -> str:
        """Return the name of a method's strength, empty where it has none."""
        return str(self.trait(method, "knob"))

    def preset(self, method: str) -> str:
        """Return what a method's parameters come from: "default", a preset's name or "tuned"."""
        return str(self.study.methods[method]["preset"])

    def tuned(self, task: str | None = None) -> list[str]:
        """Return the methods whose parameters are tuned (of a task), without their controls."""
        return [m for m in self.methods(task) if self.preset(m) == TUNED and not self.control_of(m)]

    def tuned_together(self, design: str) -> list[float]:
        """Return the levels of a design that are tuned together; none where each is by itself."""
        levels = self.study.tuning.levels
        return [] if levels == "each" else [x for x in self.levels(design) if x in levels]

    def tuning_groups(self, task: str, design: str, at: str) -> list[Group]:
        """Return the groups whose trials a choice rests on.

        Parameters
        ----------
        task, design
            Their names.
        at
            The level whose choice it is, as the names of folders say it, or TOGETHER.
        """
        levels = self.tuned_together(design) if at == TOGETHER else [float(at)]
        seeds = self.study.tuning.seeds
        return [self.group(task, design, level, seed) for level in levels for seed in seeds]

    def tuned_at(self, group: Group) -> str:
        """Return which choice a group has: that of its level, or TOGETHER."""
        return TOGETHER if self.tuned_together(group.design) else f"{group.level:g}"

    def references(self) -> list[str]:
        """Return the methods that others are compared with, the original first."""
        named = [name for name in self.study.methods if self.trait(name, "reference")]
        return sorted(named, key=lambda name: name != self.original)

    def models(self, task: str) -> list[str]:
        """Return the methods of a task that have maps of their own, the original first."""
        return [self.original, *self.methods(task, "weights")]

    def explained(self, method: str) -> str:
        """Return the method whose maps `method` has: itself, or the original's weights' maps."""
        return method if self.changes(method) == "weights" else self.original

    def dataset(self, task: str) -> str:
        """Return the name of a task's dataset."""
        return self.study.tasks[task].dataset

    def artifact(self, task: str) -> str | None:
        """Return the artifact that is a task's protected attribute, or None."""
        protected = self.study.tasks[task].protected
        return protected if protected in self.study.artifacts else None

    def trains(self, task: str) -> bool:
        """Return whether a task's network is trained here, not taken as it is."""
        return bool(getattr(self.study.task_model(task), "train", True))

    def chosen_artifact(self, name: str | None) -> Chosen | None:
        """Return an artifact of the study with its parameters, or None for any other name."""
        if name is None or name not in self.study.artifacts:
            return None
        return Chosen.of(name, self.study.artifacts[name])

    def twins(self, task: str) -> str | None:
        """Return the protected attribute if the task's dataset can switch it, else None."""
        kind = self.study.datasets[self.dataset(task)]["kind"]
        protected = self.study.tasks[task].protected
        able = DATASETS[kind].traits["twins"]
        return protected if protected in able and self.artifact(task) is None else None

    def both(self, dataset: str) -> str:
        """Return the attribute of which a pool holds both versions of its images, or nothing."""
        return str(DATASETS[self.study.datasets[dataset]["kind"]].traits["both"])

    def doubled(self, task: str) -> bool:
        """Return whether a task's images are all there twice, without and with the attribute."""
        protected = self.study.tasks[task].protected
        return self.artifact(task) is not None or protected == self.both(self.dataset(task))

    def watched(self, task: str) -> str | None:
        """Return the second attribute whose reliance a task measures as well, or None."""
        chosen = self.study.tasks[task].watched
        return None if chosen is None else chosen.attribute

    def watched_artifact(self, task: str) -> str | None:
        """Return the artifact that a task watches, or None."""
        name = self.watched(task)
        return name if name in self.study.artifacts else None

    def watched_twins(self, task: str) -> str | None:
        """Return the attribute of its dataset that a task watches by the dataset's twins."""
        return None if self.watched_artifact(task) else self.watched(task)

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

    @cached_property
    def roles(self) -> Roles:
        """The parts that methods and explainers play."""
        study = self.study
        explainers = {
            name: str(chosen["kind"])
            for group in study.explain.sets.values()
            for name, chosen in group.items()
        }
        with_trait = {
            trait: tuple(e for e, kind in explainers.items() if EXPLAINERS[kind].traits[trait])
            for trait in ("noise", "control")
        }
        return Roles(
            original=self.original,
            references=tuple(self.references()),
            methods={name: str(chosen["kind"]) for name, chosen in study.methods.items()},
            matched={name: of for name in study.methods if (of := self.control_of(name))},
            chance=tuple(name for name in study.methods if self.trait(name, "noise")),
            explainers=explainers,
            noise=with_trait["noise"],
            controls=with_trait["control"],
        )

    def sets(self, task: str) -> list[str]:
        """Return the names of the sets of explainers of a task."""
        chosen = self.study.tasks[task].sets
        return [name for name in self.study.explain.sets if chosen is None or name in chosen]

    def explainers(self, task: str) -> list[str]:
        """Return the names of a task's explainers, over all its sets."""
        return [name for group in self.sets(task) for name in self.study.explain.sets[group]]

    def floor(self, sets: list[str]) -> list[Chosen]:
        """Return the controls among all explainers that none of some sets has, with defaults."""
        known = self.study.explain.sets
        kinds = {str(chosen["kind"]) for name in sets for chosen in known[name].values()}
        return [
            Chosen(name=one.name, kind=one.name, params=one.params().model_dump(mode="json"))
            for one in EXPLAINERS
            if one.traits["control"] and one.name not in kinds
        ]

    def floor_taken(self) -> str | None:
        """Return an explainer that is called as a control of another kind is, or None."""
        controls = {one.name for one in EXPLAINERS if one.traits["control"]}
        named = self.roles.explainers.items()
        return next((name for name, kind in named if name in controls and name != kind), None)

    def shows_images(self, dataset: str) -> bool:
        """Return whether figures and pages may show single images of a dataset."""
        chosen = self.study.report.show_images
        if chosen is None:
            return bool(DATASETS[self.study.datasets[dataset]["kind"]].traits["shows_images"])
        return dataset in chosen

    def shown_explainers(self, task: str) -> list[str]:
        """Return the explainers with figures and a place in the pages: the config's, or four."""
        chosen, known = self.study.report.explainers, self.explainers(task)
        return known[:4] if chosen is None else [name for name in chosen if name in known]

    def boxes(self, task: str) -> list[str]:
        """Return a task's explainers that hide boxes, from the coarsest grid to the finest."""
        chosen = {e: p for s in self.sets(task) for e, p in self.study.explain.sets[s].items()}
        named = {e: EXPLAINERS[p["kind"]].traits["boxes"] for e, p in chosen.items()}
        grids = {e: chosen[e][parameter] for e, parameter in named.items() if parameter}
        return sorted(grids, key=lambda explainer: grids[explainer])

    def strengths(self, task: str) -> set[float]:
        """Return how much of an image the methods of a task hide, where they hide any of it."""
        named = {method: str(self.trait(method, "hides")) for method in self.methods(task)}
        return {self.study.methods[method][name] for method, name in named.items() if name}

    def composition(self, design: str) -> dict[str, str]:
        """Return what each role of a design's splits holds, nothing where it does not say."""
        params = self._roles(design)
        return {} if params is None else params.composition()

    def leaves_empty(self, design: str, level: float) -> bool:
        """Return whether a design leaves a cell of the debias role empty at a level."""
        params = self._roles(design)
        return params is not None and params.leaves_empty("debias", level)

    def _roles(self, design: str) -> BaseRoles | None:
        """Return a design's parameters, None where they are not those of roles."""
        chosen = self.study.designs[design]
        given = {key: value for key, value in chosen.items() if key != "kind"}
        params = DESIGNS[chosen["kind"]].params.model_validate(given)
        return params if isinstance(params, BaseRoles) else None

    def unbiased_zero(self, design: str) -> bool:
        """Return whether target and protected attribute are unrelated at a design's level 0."""
        return bool(DESIGNS[self.study.designs[design]["kind"]].traits["unbiased_zero"])

    def judges(self) -> bool:
        """Return whether claims of maps can be held against true reliance: twins, and a level 0."""
        known = self.twinned()
        return any(task in known and self.unbiased_zero(design) for task, design in self.pairs())

    def symbol(self, design: str) -> str:
        """Return what figures call a design's level."""
        kind = self.study.designs[design]["kind"]
        return str(DESIGNS[kind].traits["symbol"]) or design

    def regions(self) -> dict[tuple[str, str], str]:
        """Return the attribute of every patch classifier, by (dataset, name of its folder).

        They are the study's `regions.attributes`, those that tasks take their ROI from, and the
        protected attributes of all tasks where a method looks away from them.

        Raises
        ------
        UserError
            Where two of them would share a folder.
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

    def fences(self) -> dict[tuple[str, str, str, str], str]:
        """Return the attribute of every patch classifier that has to be kept from test images.

        They are those that methods look through: the protected attribute's where a method needs
        its maps, the ROI's where a method needs a ROI that is the top of a map.

        Returns
        -------
        dict
            By task, design, seed and name of the attribute's folder. The seed is "all" where all
            seeds of a design hold out the same images.
        """
        return {
            (task, design, seeds, region_name(attribute)): attribute
            for task, design in self.pairs()
            for attribute in self._looked_through(task)
            for seeds in dict.fromkeys(self.fence(design, seed) for seed in self.study.seeds)
        }

    def fence(self, design: str, seed: int) -> str:
        """Return whose held-out images a seed's patch classifiers are kept from: "all" or its own.

        A design with the parameter `held_out: fixed` holds out the same images for all seeds.
        """
        return "all" if self.study.designs[design].get("held_out") == "fixed" else str(seed)

    def _looked_through(self, task: str) -> list[str]:
        """Return the attributes whose maps methods of a task are given."""
        chosen = self.study.tasks[task]
        wanted = [chosen.protected] if self.looks_away(task) else []
        if isinstance(chosen.roi, AttributionRoi) and self.needs("roi", task):
            wanted.append(chosen.roi.attribution.attribute)
        return list(dict.fromkeys(wanted))

    def needs(self, need: str, task: str) -> list[str]:
        """Return the methods of a task that need something: see the trait `needs`."""
        return [m for m in self.methods(task) if need in self.needed(m)]

    def needed(self, method: str) -> tuple[str, ...]:
        """Return what a method needs beside images and labels."""
        found: tuple[str, ...] = METHODS[self.study.methods[method]["kind"]].traits["needs"]
        return found

    def needs_region(self, method: str) -> bool:
        """Return whether a method uses the attribution maps of the protected attribute."""
        return "regions" in self.needed(method)

    def looks_away(self, task: str | None = None) -> bool:
        """Return whether any method (of a task) uses attribution maps."""
        return any(self.needs_region(method) for method in self.methods(task))

    def known_roi(self, dataset: str, attribute: str) -> list[float] | dict[str, JsonValue] | None:
        """Return where an attribute is known to be, to hold its attribution map against.

        Parameters
        ----------
        dataset
            Its name.
        attribute
            An expression.

        Returns
        -------
        list, dict or None
            A rectangle in fractions, a mask or an artifact: from `regions.attributes`, else the ROI
            that a task draws for it. None where nobody says.
        """
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
        return roi.model_dump() if isinstance(roi, MaskRoi | BoxesRoi) else roi
