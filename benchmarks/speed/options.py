"""What a run of the benchmarks is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """root: the data folder; without CelebA in it, rendered faces are used. cores: processes and
    threads where work is shared out. quantus: the Python of an environment with Quantus, if any.
    toy: sizes that only show that everything runs.
    """

    root: Path = Path("data")
    cores: int = 1
    quantus: str | None = None
    toy: bool = False

    def pick(self, full: T, toy: T) -> T:
        """Return the size for this run."""
        return toy if self.toy else full


def quiet(iterable: Iterable[Any], description: str = "") -> Iterable[Any]:
    """Show no progress: a bar costs time."""
    return iterable
