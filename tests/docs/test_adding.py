"""The examples in docs/adding.md keep what the contract tests ask of every component."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from printed import ROOT, Example, examples

CONTRACTS = (
    "src/rightreasons/contracts",
    "tests/contracts/test_figures.py",
    "tests/docs/of_printed.py",
)
KINDS = {"debias", "saliency", "probes", "metrics", "data", "splits", "artifacts", "figures"}


def test_there_is_an_example_of_each_kind() -> None:
    assert {example.package for example in examples()} == KINDS
    assert len(examples()) == len(KINDS)


@pytest.fixture(scope="module")
def outcome() -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "tests/helpers"), os.environ.get("PYTHONPATH", "")])
    options = ["-p", "printed", "-p", "no:cacheprovider", "-v"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *CONTRACTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_the_examples_pass_the_contract_tests(outcome: subprocess.CompletedProcess[str]) -> None:
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-1000:]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_tests_were_run_on_each_example(
    example: Example, outcome: subprocess.CompletedProcess[str]
) -> None:
    passed = [line for line in outcome.stdout.splitlines() if " PASSED" in line]
    assert any(f"[{example.name}" in line or f"-{example.name}]" in line for line in passed)
