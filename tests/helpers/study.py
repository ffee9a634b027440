"""A tiny study that runs through every stage in a minute, and how to run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from rightreasons.study.load import read_yaml
from rightreasons.tables.schema import read_table

ROOT = Path(__file__).parents[2]
PARTS = (
    "Snakefile",
    "rules",
    "workflow_scripts",
    "src",
    "captions",
    "profiles",
    "envs",
    "config.yaml",
)

#: Parameters of `finetune`; by default it takes at least 300 steps.
FEW = {"steps": 30}


def demo() -> dict[str, Any]:
    """Return the demo's config with its first task only, and nothing that this task restricts."""
    raw = read_yaml(ROOT / "config.yaml")
    name, task = next(iter(raw["tasks"].items()))
    kept = {key: task[key] for key in task if key not in ("designs", "methods", "sets")}
    raw["tasks"] = {name: kept}
    del raw["artifacts"], raw["designs"]["artifact_fraction"], raw["report"], raw["multiverse"]
    return raw


def tiny(**changes: Any) -> dict[str, Any]:
    """Return the config of a study of two levels and four methods on 32 px faces."""
    config = {
        "study": "tiny",
        "seeds": [0],
        "datasets": {"synthfaces": {"size": 32, "n_images": 1200}},
        "tasks": {
            "smiling_by_necktie": {
                "dataset": "synthfaces",
                "target": "Smiling",
                "protected": "Wearing_Necktie",
                "roi": {"mask": "Wearing_Necktie"},
            }
        },
        "designs": {
            "phi": {
                "levels": [0.0, 0.8],
                "max_images": {"train": 120, "debias": 80, "select": 80, "test": 80},
            }
        },
        "model": {"architecture": "small_cnn"},
        "training": {"epochs": 1, "batch_size": 32, "learning_rate": 1e-3},
        "methods": {"vanilla": {}, "finetune": FEW, "thropt": {}, "mask_specific": {}},
        "controls": False,
        "regions": {
            "classifier": {"network": "dense", "patch": 8, "positions": 25, "epochs": 1},
            "attributes": {"synthfaces": {"coin_flip": None}},
        },
        "explain": {
            "images": 16,
            "sets": {"main": {"lrp": {}, "integrated_gradients": {"steps": 4}}},
        },
        "measure": {"replicates": 50},
    }
    return {**config, **changes}


def tinier(levels: list[float], **changes: Any) -> dict[str, Any]:
    """Return the config of vanilla alone on a few images, for one stage by itself."""
    config = tiny(methods={"vanilla": {}}, regions={}, **changes)
    config["datasets"]["synthfaces"]["n_images"] = 400
    config["designs"]["phi"] = {
        "levels": levels,
        "max_images": {"train": 40, "debias": 20, "select": 20, "test": 20},
        "min_images": {"train": 8, "debias": 8, "select": 8, "test": 8},
        "select_cell": 2,
    }
    return config


class Workspace:
    """A copy of the workflow in a folder of its own, with a study's config."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source, goal = ROOT / part, folder / part
            if source.is_dir():
                shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, goal)

    def configure(self, config: dict[str, Any]) -> Path:
        """Write the study's config and return its path."""
        path = self.folder / "study.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def command(self, *options: str) -> list[str]:
        """Return the command that runs the study."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"]
        return [*command, *options]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake; its output is in `.stdout`, messages and progress included."""
        return subprocess.run(
            self.command(*options),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def planned(self) -> dict[str, int]:
        """Return how many jobs of each rule a dry run lists."""
        output = self.run("-n", "--quiet", "rules").stdout
        lines = output.partition("Job stats:")[2].splitlines()
        rows = [line.split() for line in lines]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all tables of the study but `runtimes`."""
        folder = self.folder / "results" / "tiny" / "tables"
        return {p.stem: read_table(p) for p in folder.glob("*.parquet") if p.stem != "runtimes"}
