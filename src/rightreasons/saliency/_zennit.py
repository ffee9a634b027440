"""The parts of zennit that LRP is made of, without the rest.

`import zennit` imports torchvision, and that PyTorch's compiler: as long as `import torch` itself,
in every job that makes maps. Only submodules are imported here; a later `import zennit` is whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec


@contextmanager
def submodules_only(package: str) -> Iterator[None]:
    """Let submodules of a package be imported without its `__init__`, unless that has been run.

    Raises ModuleNotFoundError where the package is not installed.
    """
    if package in sys.modules:
        yield
        return
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    sys.modules[package] = module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[package]


with submodules_only("zennit"):
    from zennit.core import Hook, stabilize
    from zennit.rules import (
        AlphaBeta,
        Epsilon,
        Flat,
        Gamma,
        Norm,
        Pass,
        ZBox,
        ZPlus,
    )

__all__ = [
    "AlphaBeta",
    "Epsilon",
    "Flat",
    "Gamma",
    "Hook",
    "Norm",
    "Pass",
    "ZBox",
    "ZPlus",
    "stabilize",
]
