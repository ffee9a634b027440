"""The example plug-in: installed, found, planned with, and held to the contracts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugin import install
from rightreasons.contracts.chosen import VARIABLE
from study import ROOT, tiny

PLAN = """
import json, sys
from pathlib import Path
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.rules import Rules
study = load_config(json.loads(Path(sys.argv[1]).read_text()))
rules = Rules(Plan(study))
group = {"task": "smiling_by_necktie", "design": "phi", "level": "0.8", "seed": "0"}
debias = rules.job("debias", {**group, "method": "reweighing"})
measure = rules.job("measure", group)
slow = [name for name in ("torch", "scipy.stats", "matplotlib") if name in sys.modules]
print(json.dumps([debias.method.params, sorted(measure.metrics), measure.components, slow]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of processes that find the plug-in."""
    target = install(tmp_path_factory.mktemp("plugin"))
    path = os.pathsep.join([str(target), str(ROOT / "src")])
    given = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return {**given, "PYTHONPATH": path}


def run(
    environment: dict[str, str], folder: Path, *command: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_study_is_planned_with_it(installed: dict[str, str], tmp_path: Path) -> None:
    config = tiny(methods={"vanilla": {}, "reweighing": {"epochs": 3}})
    config["explain"]["sets"]["own"] = {"gradient_length": {}}
    (tmp_path / "study.json").write_text(json.dumps(config))
    done = run(installed, tmp_path, "-c", PLAN, "study.json")
    assert done.returncode == 0, done.stderr
    params, metrics, components, slow = json.loads(done.stdout)
    assert params == {"epochs": 3, "batch_size": 128, "learning_rate": 1e-4}
    assert "precision" in metrics
    assert components == []  # every process finds what is installed
    assert slow == []


def test_it_keeps_the_contracts(installed: dict[str, str], tmp_path: Path) -> None:
    done = run(installed, tmp_path, "-m", "rightreasons", "contracts")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "methods: reweighing",
        "explainers: gradient_length",
        "metrics: precision",
    ]


def test_the_example_beside_a_study_keeps_the_contracts(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    file = ROOT / "examples" / "study_with_components" / "my_method.py"
    done = run(environment, tmp_path, "-m", "rightreasons", "contracts", str(file))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert done.stdout.startswith("methods: subg\n")
