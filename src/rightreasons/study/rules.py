"""From the plan to what Snakemake's rules are made of: patterns and functions of wildcards.

A rule hands its wildcards over and takes files and parameters from here::

    rule train:
        input:
            unpack(RULES.input("train")),
        output:
            **RULES.output("train"),
        params:
            job=RULES.params("train"),
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from rightreasons.core.components import load_components
from rightreasons.core.job import Files, Group, Job
from rightreasons.core.registry import Registered
from rightreasons.figures import FIGURES
from rightreasons.stages import files
from rightreasons.stages.choose import Choice
from rightreasons.stages.compare import Compared
from rightreasons.stages.pool import Twins
from rightreasons.stages.tabulate import Tables
from rightreasons.stages.tabulate_attribution import AttributionTables
from rightreasons.stages.tabulate_feasibility import FeasibilityTable
from rightreasons.stages.tabulate_multiverse import MultiverseTables
from rightreasons.stages.tabulate_probes import ProbeTable
from rightreasons.stages.tabulate_ranks import RankTables
from rightreasons.stages.tabulate_regions import RegionTables
from rightreasons.stages.tabulate_reliance import RelianceTables
from rightreasons.stages.tabulate_runtimes import Runtimes
from rightreasons.stages.tabulate_sanity import SanityTable
from rightreasons.stages.tabulate_shortcuts import ShortcutsTable
from rightreasons.stages.tabulate_tuning import TuningTables
from rightreasons.stages.tune import Trials
from rightreasons.stages.universe import Universe
from rightreasons.study.plan import Plan
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.study.plan_probes import ProbePlan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.plan_tuning import TuningPlan
from rightreasons.study.plan_witness import WitnessPlan

#: A job's wildcards: text by name.
Wildcards = Mapping[str, str]


@dataclass(frozen=True)
class Stage:
    """A kind of job with wildcards.

    Attributes
    ----------
    describe
        From the plan and the wildcards to the description of one job.
    output
        Its files with Snakemake's wildcards in their paths.
    folder
        Where its logs and benchmark files lie: a key of `study.paths.FOLDERS`, or its own name.
    """

    describe: Callable[[Plan, Wildcards], Job]
    output: Callable[[Plan], Files]
    folder: str


def _group(plan: Plan, wildcards: Wildcards) -> Group:
    names = ("task", "design", "level", "seed")
    return plan.grid.group(*(wildcards[name] for name in names))


def _below(kind: type[Files], folder: str) -> Callable[[Plan], Files]:
    return lambda plan: kind.below(plan.paths.pattern(folder))


def _tables(kind: type[Files]) -> Callable[[Plan], Files]:
    return lambda plan: kind.below(plan.paths.folder("tables"))


STAGES = {
    "fetch": Stage(
        lambda plan, w: plan.fetch(w["dataset"]), _below(files.Fetched, "fetch"), "fetch"
    ),
    "pool": Stage(lambda plan, w: plan.pool(w["dataset"]), _below(files.Pool, "pool"), "pool"),
    "twins": Stage(
        lambda plan, w: plan.twins(w["dataset"], w["attribute"]),
        lambda plan: Twins(twins=Path(plan.paths.twins("{dataset}", "{attribute}"))),
        "twins",
    ),
    "region": Stage(
        lambda plan, w: plan.region(w["dataset"], w["region"]),
        _below(files.Region, "region"),
        "region",
    ),
    "fenced_region": Stage(
        lambda plan, w: plan.fenced_region(w["task"], w["design"], w["seeds"], w["region"]),
        _below(files.FencedRegion, "fenced_region"),
        "fenced_region",
    ),
    "split": Stage(
        lambda plan, w: plan.split(_group(plan, w)), _below(files.Split, "split"), "split"
    ),
    "train": Stage(
        lambda plan, w: plan.train(_group(plan, w)), _below(files.Trained, "train"), "train"
    ),
    "debias": Stage(
        lambda plan, w: plan.debias(_group(plan, w), w["method"]),
        _below(files.Model, "debias"),
        "debias",
    ),
    "tune": Stage(
        lambda plan, w: TuningPlan(plan).tune(_group(plan, w), w["method"]),
        _below(Trials, "tune"),
        "tune",
    ),
    "choose": Stage(
        lambda plan, w: TuningPlan(plan).choose(w["task"], w["design"], w["at"], w["method"]),
        _below(Choice, "choose"),
        "choose",
    ),
    "explain": Stage(
        lambda plan, w: plan.explain(_group(plan, w), w["method"], w["explainers"]),
        _below(files.Maps, "explain"),
        "explain",
    ),
    "witness": Stage(
        lambda plan, w: WitnessPlan(plan).train(_group(plan, w), w["witness"]),
        _below(files.Trained, "witness"),
        "witness",
    ),
    "explain_witness": Stage(
        lambda plan, w: WitnessPlan(plan).explain(_group(plan, w), w["witness"], w["explainers"]),
        _below(files.Maps, "explain_witness"),
        "explain_witness",
    ),
    "sanity": Stage(
        lambda plan, w: ProbePlan(plan).sanity(_group(plan, w), w["explainers"]),
        _below(files.Sanity, "sanity"),
        "sanity",
    ),
    "probe": Stage(
        lambda plan, w: ProbePlan(plan).probe(_group(plan, w), w["method"], w["explainers"]),
        _below(files.Probed, "probe"),
        "probe",
    ),
    "measure": Stage(
        lambda plan, w: plan.measure(_group(plan, w)),
        _below(files.Measures, "measure"),
        "measure",
    ),
    "universe": Stage(
        lambda plan, w: MultiversePlan(plan).universe(_group(plan, w)),
        _below(Universe, "universe"),
        "universe",
    ),
    "compare": Stage(
        lambda plan, w: TablePlan(plan).compare(w["task"], w["design"], w["level"]),
        _below(Compared, "compare"),
        "compare",
    ),
    "tabulate": Stage(lambda plan, _: TablePlan(plan).tabulate(), _tables(Tables), "tabulate"),
    "tabulate_feasibility": Stage(
        lambda plan, _: TablePlan(plan).feasibility(),
        _tables(FeasibilityTable),
        "tabulate_feasibility",
    ),
    "tabulate_ranks": Stage(
        lambda plan, _: TablePlan(plan).ranks(), _tables(RankTables), "tabulate_ranks"
    ),
    "tabulate_runtimes": Stage(
        lambda plan, _: TablePlan(plan).runtimes(), _tables(Runtimes), "tabulate_runtimes"
    ),
    "tabulate_regions": Stage(
        lambda plan, _: TablePlan(plan).regions(), _tables(RegionTables), "tabulate_regions"
    ),
    "tabulate_attribution": Stage(
        lambda plan, _: TablePlan(plan).attribution(),
        _tables(AttributionTables),
        "tabulate_attribution",
    ),
    "tabulate_reliance": Stage(
        lambda plan, _: TablePlan(plan).reliance(), _tables(RelianceTables), "tabulate_reliance"
    ),
    "tabulate_tuning": Stage(
        lambda plan, _: TablePlan(plan).tuning(), _tables(TuningTables), "tabulate_tuning"
    ),
    "tabulate_multiverse": Stage(
        lambda plan, _: TablePlan(plan).multiverse(),
        _tables(MultiverseTables),
        "tabulate_multiverse",
    ),
    "tabulate_shortcuts": Stage(
        lambda plan, _: TablePlan(plan).shortcuts(), _tables(ShortcutsTable), "tabulate_shortcuts"
    ),
    "tabulate_sanity": Stage(
        lambda plan, _: TablePlan(plan).sanity(), _tables(SanityTable), "tabulate_sanity"
    ),
    "tabulate_probes": Stage(
        lambda plan, _: TablePlan(plan).probes(), _tables(ProbeTable), "tabulate_probes"
    ),
}


#: Stages whose jobs know all components that they use (`Job.modules`). The others make tables and
#: figures, and look up what tables name.
NAMING = frozenset(
    {
        *(
            "fetch",
            "pool",
            "twins",
            "region",
            "fenced_region",
            "split",
            "train",
            "tune",
            "choose",
            "debias",
        ),
        *(
            "explain",
            "witness",
            "explain_witness",
            "sanity",
            "probe",
            "measure",
            "universe",
            "compare",
        ),
    }
)


class Rules:
    """What the rules of a study take from its plan.

    Parameters
    ----------
    plan
        The study's.
    first
        Called once, before the first job is described: Snakemake's options are known by then.
    """

    def __init__(self, plan: Plan, first: Callable[[], None] = lambda: None) -> None:
        self.plan = plan
        self._first = cache(first)
        self._figures = FigurePlan(plan)
        self._stages = {
            **STAGES,
            **{f"figure_{name}": self._figure(name) for name in FIGURES.names()},
        }
        self._known: dict[tuple[str, ...], Job] = {}

    def job(self, stage: str, wildcards: Wildcards) -> Job:
        """Return the description of one job; each is made once.

        Parameters
        ----------
        stage
            A key of STAGES, or `figure_<name>`.
        wildcards
            The job's, text by name.
        """
        self._first()
        key = (stage, *(f"{name}={value}" for name, value in sorted(wildcards.items())))
        if key not in self._known:
            job = self._stages[stage].describe(self.plan, wildcards).coded()
            used = self.components(stage, job.modules())
            self._known[key] = job.model_copy(update={"components": used})
        return self._known[key]

    def components(self, stage: str, modules: tuple[str, ...]) -> tuple[str, ...]:
        """Return the user's files, folders and modules that a job has to load.

        They are those that register what the job names, so that one more file in a study makes no
        finished job run again. Jobs that make tables and figures get all.

        Parameters
        ----------
        stage
            A key of STAGES, or `figure_<name>`.
        modules
            What the job's `modules` returns.
        """
        return tuple(
            name
            for name, made in self._loaded.items()
            if stage not in NAMING or any(one.component.module in modules for one in made)
        )

    @cached_property
    def _loaded(self) -> dict[str, tuple[Registered, ...]]:
        return load_components(self.plan.study.components)

    def input(self, stage: str) -> Callable[[Any], dict[str, str | list[str]]]:
        """Return the function of Snakemake's wildcards that names a job's input files."""
        return lambda wildcards: self.job(stage, dict(wildcards.items())).input.named()

    def output(self, stage: str) -> dict[str, str | list[str]]:
        """Return the patterns of a stage's output files by name."""
        return self._stages[stage].output(self.plan).named()

    def params(self, stage: str) -> Callable[[Any], dict[str, Any]]:
        """Return the function of Snakemake's wildcards that gives what a job is told."""
        return lambda wildcards: self.job(stage, dict(wildcards.items())).carried()

    def tables(self) -> dict[str, Path]:
        """Return every table of the study by name."""
        return TablePlan(self.plan).files()

    def figures(self) -> list[str]:
        """Return the figures that the study has pictures of."""
        return list(self._figures.pictures)

    def pictures(self, figure: str) -> list[tuple[list[str], dict[str, Any] | None]]:
        """Return the files of each picture of a figure, and what `report` is told of the first.

        It is told nothing (None) of those that Snakemake's report is not to hold.
        """
        return [
            (
                [str(path) for path in self._figures.files(picture)],
                {
                    "caption": str(self._figures.caption(picture).absolute()),
                    "category": picture.figure.traits["category"],
                    "labels": picture.labels(),
                }
                if picture.figure.traits["in_report"]
                else None,
            )
            for picture in self._figures.pictures[figure]
        ]

    def log(self, stage: str) -> str:
        """Return the pattern of a stage's logs."""
        return self.plan.paths.log(self._stages[stage].folder)

    def benchmark(self, stage: str) -> str:
        """Return the pattern of a stage's benchmark files."""
        return self.plan.paths.benchmark(self._stages[stage].folder)

    def _figure(self, name: str) -> Stage:
        return Stage(
            lambda plan, _: self._figures.job(name),
            lambda plan: self._figures.output(name),
            f"report/{name}",
        )
