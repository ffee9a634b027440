"""Components of a user's own: texts of files, and forgetting what a test has loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rightreasons.core import components
from rightreasons.core import registry as core
from rightreasons.study.load import scanned

METHOD = """\
from rightreasons.debias import METHODS, Debiased


@METHODS.register("{name}", title="Mine", paper="none")
def {name}(context, params):
    return Debiased()
"""
METRIC = """\
from rightreasons.metrics import METRICS


@METRICS.register("{name}", title="Mine", paper="none")
def {name}(view, params):
    return None
"""
EXPLAINER = """\
from rightreasons.saliency import EXPLAINERS


@EXPLAINERS.register("{name}", title="Mine", paper="none")
def {name}(model, params, generator):
    return None
"""
FIGURE = """\
from rightreasons.figures import FIGURES


@FIGURES.register(
    "{name}", title="Mine", paper="none", caption="What it shows.", category="1 Mine",
    label="mine", over=("task",), tables=("cell_metrics",),
)
def {name}(given, params):
    return None
"""


def write(path: Path | str, text: str) -> Path:
    """Write a file, its folder too."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@contextmanager
def forgotten() -> Iterator[None]:
    """Forget after the block which components were loaded in it."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in scanned().values():
            patch.setattr(registry, "_components", dict(registry._components))
        patch.setattr(core, "_REGISTERED", list(core._REGISTERED))
        patch.setenv(components.PACKAGES, "")
        try:
            yield
        finally:
            unload()


def unload() -> None:
    """Take the modules of loaded files away, so that they are loaded anew."""
    for name in [name for name in sys.modules if name.startswith(f"{components.__name__}.")]:
        del sys.modules[name]
