"""Here the contract tests run over all components; built-in datasets in files have miniatures."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miniatures import celeba, fairface, own, pets
from rightreasons.contracts.chosen import ALL, VARIABLE
from rightreasons.contracts.samples import SAMPLES

os.environ.setdefault(VARIABLE, ALL)

#: What takes a minute or more, the longest first. Started last, one of them would keep one process
#: busy while the others have nothing left to do.
LONGEST = (
    "tests/slurm/test_slurm.py",
    "tests/workflow/test_workflow.py",
    "tests/workflow/test_kills.py",
    "tests/workflow",
    "tests/slurm",
    "tests/benchmarks/test_speed.py",
    "tests/docs",
    "tests/stages/test_scripts.py",
    "src/rightreasons/contracts/test_methods.py",
    "tests/runtime/test_devices.py",
)


def _of(make: Callable[[Path], Path], **params: Any) -> Callable[[Path], dict[str, Any]]:
    """Return what writes a miniature into a folder and returns its parameters."""
    return lambda folder: {"root": str(make(folder)), "size": 16, **params}


SAMPLES.update(
    celeba=_of(celeba),
    fairface=_of(fairface),
    pets=_of(pets),
    folder=_of(own, id_column="file", identity_column="Owner"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; processes take files in this order."""

    def place(item: pytest.Item) -> int:
        starts = (i for i, start in enumerate(LONGEST) if item.nodeid.startswith(start))
        return next(starts, len(LONGEST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Leave what the collection made alone: collecting garbage would look through it each time."""
    gc.collect()
    gc.freeze()
