"""Here the contract tests run over all components; built-in datasets in files have miniatures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from miniatures import celeba, fairface, own, pets
from rightreasons.contracts.chosen import ALL, VARIABLE
from rightreasons.contracts.samples import SAMPLES

os.environ.setdefault(VARIABLE, ALL)


def _of(make: Callable[[Path], Path], **params: Any) -> Callable[[Path], dict[str, Any]]:
    """Return what writes a miniature into a folder and returns its parameters."""
    return lambda folder: {"root": str(make(folder)), "size": 16, **params}


SAMPLES.update(
    celeba=_of(celeba),
    fairface=_of(fairface),
    pets=_of(pets),
    folder=_of(own, id_column="file", identity_column="Owner"),
)
