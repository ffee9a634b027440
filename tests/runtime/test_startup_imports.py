"""What ruff's TID253 (pyproject.toml) cannot see: imports by other libraries and in functions."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest

from study import ROOT

COMPILER = ("torch._dynamo", "sympy", "torchvision", "matplotlib")
TRAINING = """
import torch
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import make_optimizer
from rightreasons.models.architectures import build_classifier
w = torch.nn.Parameter(torch.ones(3))
for kind in ("adam", "adamw"):
    optimizer = make_optimizer([w], TrainingConfig(optimizer=kind))
    (w * w).sum().backward()
    optimizer.step()
build_classifier("small_cnn")
"""
LRP = """
import torch
from rightreasons.models.architectures import build_classifier
from rightreasons.saliency import EXPLAINERS
lrp = EXPLAINERS["lrp"]
with lrp.run(build_classifier("small_cnn"), lrp.params(), torch.Generator()) as explain:
    explain(torch.ones(2, 3, 16, 16), torch.tensor([0, 1]))
"""


def imported(code: str, names: tuple[str, ...]) -> list[str]:
    """Return which modules a process of its own has imported after running the code."""
    code += f"\nimport json, sys\nprint(json.dumps([n for n in {names} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("code", [TRAINING, LRP], ids=["training", "lrp"])
def test_no_compiler_and_no_drawing(code: str) -> None:
    assert imported(code, COMPILER) == []


def test_a_module_that_may_be_imported_anywhere_imports_nothing_slow() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    banned = lint["flake8-tidy-imports"]["banned-module-level-imports"]
    slow = tuple(f"{name}." for name in banned if name.startswith("rightreasons."))
    free = [name for name in modules() if not f"{name}.".startswith(slow)]
    assert {"rightreasons.study.load", "rightreasons.saliency.lrp"} < set(free)
    libraries = tuple(name for name in banned if not name.startswith("rightreasons."))
    assert imported("".join(f"import {name}\n" for name in free), libraries) == []


def modules() -> list[str]:
    """Return the names of all modules of the library."""
    paths = [path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*.py")]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
