"""Jobs do not import what costs them as long to start as PyTorch itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

COMPILER = ("torch._dynamo", "sympy", "torchvision", "matplotlib")
TRAINING = """
import torch
from rightreasons.learning.config import TrainingConfig
from rightreasons.models.architectures import build_classifier
from rightreasons.learning.training import make_optimizer
w = torch.nn.Parameter(torch.ones(3))
for kind in ("adam", "adamw"):
    optimizer = make_optimizer([w], TrainingConfig(optimizer=kind))
    (w * w).sum().backward()
    optimizer.step()
build_classifier("small_cnn")
"""
LRP = "import rightreasons.saliency._rules"
SPLIT = """
import pandas
from rightreasons.splits import DESIGNS
from rightreasons.core.files import write_parquet
"""


def imported(code: str, names: tuple[str, ...]) -> list[str]:
    """Return which modules a process of its own has imported after running the code."""
    code += f"\nimport json, sys\nprint(json.dumps([n for n in {names} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("code", [TRAINING, LRP], ids=["training", "lrp"])
def test_no_compiler_and_no_drawing(code: str) -> None:
    assert imported(code, COMPILER) == []


def test_a_split_needs_no_torch() -> None:
    assert imported(SPLIT, ("torch", "scipy", "sklearn")) == []
