"""Datasets in miniature, for their contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from rightreasons.data import DATASETS, Dataset

#: Makers for datasets that bring none of their own, by name: they do what `Dataset.sample` does.
SAMPLES: dict[str, Callable[[Path], dict[str, Any]]] = {}


def sample(name: str, folder: Path) -> dict[str, Any] | None:
    """Write a dataset in miniature into `folder`; return its parameters, or None if it has none."""
    params = cast(type[Dataset], DATASETS[name].run).sample(folder)
    return SAMPLES[name](folder) if params is None and name in SAMPLES else params
