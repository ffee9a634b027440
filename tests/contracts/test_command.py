"""The command that holds components from anywhere to the contracts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from foreign import write
from rightreasons.contracts.chosen import VARIABLE
from study import ROOT

ARTIFACT = """\
import numpy as np

from rightreasons.artifacts import ARTIFACTS, ArtifactParams, Stamp, colour_of


@ARTIFACTS.register("dot", title="Dot", paper="Own", params=ArtifactParams)
def dot(size, params):
    rng = np.random.default_rng({seed})
    return Stamp(np.ones((3, 3), np.float32), colour_of([255, 0, 0]), int(rng.integers(9)), 2)
"""
DATASET = """\
import numpy as np
import pandas as pd

from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams
from rightreasons.core.files import write_json


@DATASETS.register(
    "shades", title="Shades", paper="none", params=DatasetParams, licence="CC0", page="none"
)
class Shades(Dataset):
    kind = "shades"

{sample}
    def fetch(self, folder):
        table = pd.DataFrame({{"image_id": [f"{{i}}" for i in range(6)], "Dark": [0, 1] * 3}})
        table.assign(identity=None, partition=None).to_parquet(folder / "attributes.parquet")
        write_json({{"licence": "CC0"}}, folder / "source.json")

    def load(self, folder, rows):
        images = np.zeros((len(rows), self.params.size, self.params.size, 3), np.uint8)
        images += rows["image_id"].astype(int).to_numpy(np.uint8)[:, None, None, None]
        return Batch({images})
"""
SAMPLE = """\
    @classmethod
    def sample(cls, folder):
        return {"size": 8}

"""


def contracts(
    folder: Path, *arguments: str, start: str = "from rightreasons.__main__ import main"
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    code = f"import sys; {start}; sys.exit(main(['contracts', *sys.argv[1:]]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_what_a_file_registers_is_tested(tmp_path: Path) -> None:
    write(tmp_path / "dot.py", ARTIFACT.format(seed=0))
    done = contracts(tmp_path, "dot.py", "--", "-vv")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("artifacts: dot\n")
    named = {line.partition("[")[2].partition("]")[0] for line in done.stdout.splitlines()}
    assert {"dot", "artifacts-dot", "16-dot"} <= named
    assert not any("watermark" in name for name in named)


def test_a_component_that_breaks_its_contract_fails(tmp_path: Path) -> None:
    write(tmp_path / "dot.py", ARTIFACT.format(seed=""))
    done = contracts(tmp_path, "dot.py")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "test_it_is_the_same_each_time[dot]" in done.stdout


def test_a_dataset_is_tested_on_its_sample(tmp_path: Path) -> None:
    good = DATASET.format(sample=SAMPLE, images="images")
    write(tmp_path / "good.py", good)
    done = contracts(tmp_path, "good.py", "--", "-rs")
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    write(tmp_path / "bad.py", DATASET.format(sample=SAMPLE, images="images[::-1]"))
    done = contracts(tmp_path, "bad.py")
    assert done.returncode == 1
    assert "test_an_image_does_not_depend_on_the_others[shades]" in done.stdout


def test_a_dataset_without_a_sample_is_tested_as_far_as_that_goes(tmp_path: Path) -> None:
    write(tmp_path / "shades.py", DATASET.format(sample="", images="images"))
    done = contracts(tmp_path, "shades.py", "--", "-rs")
    assert done.returncode == 0, done.stdout
    assert "shades has no sample of its images: let it define `sample`" in done.stdout
    assert " passed" in done.stdout


def test_nothing_to_test_and_nothing_to_test_with(tmp_path: Path) -> None:
    done = contracts(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is nothing to test: no plug-in is installed.")
    done = contracts(tmp_path, "gone.py")
    assert done.returncode == 1
    assert done.stderr.startswith("error: components: there is no gone.py in ")
    hidden = "sys.modules['pytest'] = None; from rightreasons.__main__ import main"
    done = contracts(tmp_path, "--all", start=hidden)
    assert done.returncode == 1
    assert done.stderr == "error: the contract tests need pytest: pip install pytest.\n"


@pytest.mark.parametrize("command", ["", "contract"])
def test_commands_that_there_are(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rightreasons", *filter(None, [command])],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "COMMAND" in done.stderr
