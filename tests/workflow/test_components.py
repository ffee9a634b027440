"""A study with components from elsewhere: a file beside its config, and an installed plug-in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugin import install
from rightreasons.tables.schema import read_table
from study import ROOT, Workspace, tinier

TABLE = "results/tiny/tables/cell_metrics.parquet"


def config() -> dict[str, Any]:
    """Return a study of one level whose components but one are from elsewhere."""
    raw = tinier([0.8])
    raw["components"] = ["my_method.py"]
    raw["methods"] = {"vanilla": {}, "equal": {"kind": "subg"}, "reweighing": {"epochs": 1}}
    raw["explain"]["sets"] = {"main": {"gradient_length": {}}}
    return raw


def snakemake(folder: Path, *options: str) -> str:
    """Run the workflow in folder/workspace with the config of folder/mine; return what it says."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "2",
        "--configfile",
        "../mine/study.yaml",
    ]
    done = subprocess.run(
        [*command, *options, "--", TABLE],
        cwd=folder / "workspace",
        env={**os.environ, "PYTHONPATH": str(folder / "plugin" / "installed")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def planned(folder: Path) -> dict[str, int]:
    """Return how many jobs of each rule would run."""
    lines = snakemake(folder, "-n", "--quiet", "rules").partition("Job stats:")[2].splitlines()
    rows = [line.split() for line in lines]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("from") / "elsewhere"
    Workspace(folder / "workspace")
    install(folder / "plugin")
    (folder / "mine").mkdir()
    (folder / "mine" / "study.yaml").write_text(yaml.safe_dump(config()))
    example = ROOT / "examples" / "study_with_components" / "my_method.py"
    shutil.copy(example, folder / "mine")
    snakemake(folder)
    return folder


def test_methods_explainer_and_metric_are_in_the_tables(finished: Path) -> None:
    table = read_table(finished / "workspace" / TABLE)
    assert set(table["method"]) == {"vanilla", "equal", "reweighing"}
    assert set(table["explainer"].dropna()) == {"gradient_length"}
    precision = table[table["metric"] == "precision"]
    assert precision["value"].between(0, 1).any()
    of_maps = table[(table["metric"] == "rrf") & (table["explainer"] == "gradient_length")]
    assert set(of_maps["method"]) == {"vanilla", "equal", "reweighing"}


def test_provenance_names_the_plugin(finished: Path) -> None:
    table = read_table((finished / "workspace" / TABLE).with_name("provenance.parquet"))
    (versions,) = map(json.loads, json.loads(table["versions"].item()))
    assert versions["rightreasons-example"] == "0.1.0"
    assert json.loads(table["config"].item())["components"] == ["../mine/my_method.py"]


def test_a_changed_file_makes_what_it_made_anew_and_no_more(finished: Path) -> None:
    file = finished / "mine" / "my_method.py"
    text = file.read_text()
    assert planned(finished) == {}
    file.write_text(text.replace("[:smallest]", "[: smallest - 1]"))
    stale = ("debias", "explain", "measure", "compare", "tabulate")
    assert planned(finished) == {**dict.fromkeys(stale, 1), "total": len(stale)}
    file.write_text(text.replace("    data, gen", "    # a comment\n    data, gen"))
    assert planned(finished) == {}
    file.write_text(text)


def test_one_more_component_makes_nothing_anew(finished: Path) -> None:
    """But the tables, which may show it."""
    study, other = finished / "mine" / "study.yaml", finished / "mine" / "other.py"
    raw = config()
    other.write_text(
        (ROOT / "src/rightreasons/saliency/edges.py").read_text().replace('"edges"', '"rims"')
    )
    study.write_text(yaml.safe_dump({**raw, "components": ["other.py", "my_method.py"]}))
    assert planned(finished) == {"tabulate": 1, "total": 1}
    study.write_text(yaml.safe_dump(raw))
    other.unlink()


def test_a_moved_folder_makes_nothing_anew(finished: Path) -> None:
    there = finished.with_name("somewhere_else")
    finished.rename(there)
    try:
        assert planned(there) == {}
    finally:
        there.rename(finished)
