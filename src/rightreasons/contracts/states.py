"""The global random states, which no component may move."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def unmoved() -> Iterator[None]:
    """Check that a block leaves the global random states of Python, numpy and torch alone."""
    before = _states()
    yield
    after = _states()
    for library in before:
        assert before[library] == after[library], f"the global random state of {library} moved"


def _states() -> dict[str, Any]:
    """Return the states, torch's only where it is imported."""
    drawn: Any = np.random.get_state()  # noqa: NPY002
    states = {"Python": random.getstate(), "numpy": (drawn[1].tolist(), *drawn[2:])}
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.get_rng_state().tolist()
    return states
