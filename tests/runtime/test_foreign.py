"""The suite as a module: a profile's settings under other names, and hooks beside others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import yaml

from rightreasons.runtime.foreign import is_ours, join_hooks, share_groups, share_settings
from rightreasons.study.rules import STAGES
from study import ROOT


def test_every_rule_of_the_profile_is_ours() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert all(is_ours(rule, STAGES) for rule in (*profile["set-resources"], *profile["groups"]))
    assert not is_ours("align_reads", STAGES)


def test_settings_hold_under_the_new_names_and_the_others_own_ones_stay() -> None:
    settings = SimpleNamespace(
        _parsed_overwrite_resources={"train": 1, "a_debias": 2, "debias": 3, "align": 4},
        _parsed_overwrite_threads={"train": 8},
    )
    for name in ("a", "b"):
        share_settings(settings, f"{name}_{{}}".format, STAGES)
    kept = {"train": 1, "a_debias": 2, "debias": 3, "align": 4}
    assert settings._parsed_overwrite_resources == {
        **kept, "a_train": 1, "b_train": 1, "b_debias": 3,
    }  # fmt: skip
    assert settings._parsed_overwrite_threads == {"train": 8, "a_train": 8, "b_train": 8}
    groups = SimpleNamespace(overwrite_groups={"split": "splits", "figure_page": "figures"})
    share_groups(groups, "a_{}".format, STAGES)
    assert groups.overwrite_groups["a_split"] == "splits"
    assert groups.overwrite_groups["a_figure_page"] == "figures"


def test_hooks_of_two_modules_and_of_the_workflow_itself() -> None:
    said: list[str] = []
    workflow = SimpleNamespace(
        _onstart=lambda log: said.append(f"own start {log}"),
        _onsuccess=lambda log: said.append(f"own end {log}"),
    )
    for name in ("a", "b"):
        join_hooks(
            workflow,
            lambda name=name: said.append(f"{name} holds"),
            lambda name=name: said.append(f"{name} ends"),
        )
    workflow._onstart("x")
    workflow._onsuccess("x")
    assert said == ["b holds", "a holds", "own start x", "own end x", "a ends", "b ends"]


def test_a_foreign_workflow_imports_the_suite_twice_with_a_profile(tmp_path: Path) -> None:
    """A plan of the example, in another folder; the example was run to its end."""
    text = (ROOT / "examples/foreign_workflow/Snakefile").read_text()
    assert text.count('"../../Snakefile"') == 2
    (tmp_path / "Snakefile").write_text(text.replace("../../Snakefile", str(ROOT / "Snakefile")))
    for name in ("hats", "ties"):
        study = (ROOT / f"examples/foreign_workflow/{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(study)
    options = ["--cores", "1", "-n", "--workflow-profile", str(ROOT / "profiles/slurm")]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *options],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    for name in ("hats", "ties"):
        (job,) = re.findall(rf"\nrule {name}_train:.*?\n\n", said, re.DOTALL)
        assert "gres=gpu:1" in job
        assert re.search(rf"\n +rule {name}_split:", said)  # set in: of a group
    assert "rule both:" in said


def test_the_catalogues_files_are_there() -> None:
    """Standardised usage: workflow/Snakefile, config/README.md and the catalogue's own file."""
    text = (ROOT / "workflow/Snakefile").read_text()
    assert 'include: "../Snakefile"' in text
    assert "default_target: True" in text  # an included file's is passed over
    assert (ROOT / "config/README.md").is_file()
    assert (ROOT / "config/config.yaml").read_text() == (ROOT / "config.yaml").read_text()
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert usage["report"] is True
