"""What a job is: its files, its parameters, and what its process gives it.

A job's description says everything that the job needs. `study.plan` makes it, Snakemake carries it
(`carried`, `received`), and one function of `rightreasons.stages` does the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from pydantic import Field, JsonValue

from rightreasons.core.code import digest
from rightreasons.core.sections import Section

T = TypeVar("T")

#: The folder of a group's results below a stage, with Snakemake's wildcards.
GROUP_FOLDER = "{task}/{design}-{level}/seed-{seed}"


class Group(Section):
    """All cells that share a split: one task, design, level and seed.

    Attributes
    ----------
    level
        Level of the design, with the six digits that the names of folders keep.
    """

    dataset: str
    task: str
    design: str
    level: float
    seed: int

    @property
    def folder(self) -> str:
        """The group's folder below a stage."""
        return GROUP_FOLDER.format(
            task=self.task, design=self.design, level=f"{self.level:g}", seed=self.seed
        )

    @property
    def stream(self) -> tuple[str, str, str]:
        """Task, design and level: with the seed, the key of the group's random streams."""
        return self.task, self.design, f"{self.level:g}"


class Cell(Section):
    """A method in a group.

    Attributes
    ----------
    group
        Its split and original network.
    method
        What the study calls it.
    """

    group: Group
    method: str


class Chosen(Section):
    """A component as a study has it.

    Attributes
    ----------
    name
        What the study calls it.
    kind
        Its name in the registry.
    params
        All its parameters.
    """

    name: str
    kind: str
    params: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any]) -> Self:
        """Return the component from its keys in a config, where `kind` defaults to the name."""
        params = {key: value for key, value in given.items() if key != "kind"}
        return cls(name=name, kind=given.get("kind", name), params=params)


class Files(Section):
    """Files of a job by name: a path, several paths, or none.

    A subclass has a field per file: `Path`, `tuple[Path, ...]`, or `Path | None`. Where a stage's
    files always have the same names these are the defaults (`below`).
    """

    @classmethod
    def below(cls, folder: str | Path) -> Self:
        """Return the files in `folder`, each called what its default says."""
        return cls(**{
            name: Path(folder) / field.default for name, field in cls.model_fields.items()
        })  # fmt: skip

    def named(self) -> dict[str, str | list[str]]:
        """Return the paths as text by name, without those that are None."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: [str(path) for path in value] if isinstance(value, tuple) else str(value)
            for name, value in given.items()
            if value is not None
        }


class Job(Section):
    """The description of a job. Subclasses add its parameters.

    Attributes
    ----------
    input, output
        The files that it reads and writes; subclasses narrow the type.
    code
        Digest of the code that does the job (`core.code`): a job runs again when it changes.
    components
        The user's files, folders and modules that register what the job names: to be loaded first.
    deterministic
        Whether a GPU has to give the same numbers in every run.
    """

    input: Files
    output: Files
    code: str = ""
    components: tuple[str, ...] = ()
    deterministic: bool = False

    def modules(self) -> tuple[str, ...]:
        """Return the modules of the components that do the job, beside the stage's own."""
        return ()

    def coded(self) -> Self:
        """Return the description with the digest of the code that does the job."""
        return self.model_copy(update={"code": digest(type(self).__module__, *self.modules())})

    def carried(self) -> dict[str, Any]:
        """Return all but the files, as what JSON can hold: Snakemake compares it between runs."""
        return self.model_dump(mode="json", exclude={"input", "output"})

    @classmethod
    def received(cls, files: Any, written: Any, carried: dict[str, Any]) -> Self:
        """Return the description as Snakemake gives it to a job's script.

        Parameters
        ----------
        files, written
            Snakemake's `input` and `output`: paths by name.
        carried
            What `carried` returned when the job was planned.

        Raises
        ------
        pydantic.ValidationError
            Where it is not the description of such a job.
        """
        named = {"input": dict(files.items()), "output": dict(written.items())}
        return cls.model_validate({**carried, **named})


class Progress(Protocol):
    """Wraps an iterable in a progress bar."""

    def __call__(self, items: Iterable[T], description: str) -> Iterable[T]:
        """Return `items` unchanged, and show how far they are."""


@dataclass(frozen=True)
class Running:
    """What a job's process gives the function that does the job.

    Attributes
    ----------
    progress
        Wraps an iterable in a progress bar: progress(iterable, description).
    threads
        How many threads or processes it may use.
    ready
        To be called when imports are over and the work begins; a progress bar calls it too.
    """

    progress: Progress
    threads: int = 1
    ready: Callable[[], None] = lambda: None
