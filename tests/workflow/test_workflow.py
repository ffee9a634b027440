from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from rightreasons.tables.schema import TABLES
from study import ROOT, Workspace, tiny

METHODS = ["vanilla", "finetune", "thropt", "mask_specific"]
CELLS = 2 * len(METHODS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    space = Workspace(tmp_path_factory.mktemp("finished"))
    space.configure(tiny())
    done = space.run()
    assert done.returncode == 0, done.stdout[-4000:]
    return space


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    space = object.__new__(Workspace)
    space.folder = tmp_path / "copy"
    return space


def test_every_table_has_every_cell(finished: Workspace) -> None:
    tables = finished.tables()
    off = {"runtimes", "sanity", "selection", "trials", "multiverse", "robustness"}
    off |= {"two_shortcuts", "probes"}
    assert set(tables) == set(TABLES) - off
    cells = tables["cell_metrics"]
    odds = cells[cells["metric"] == "equalized_odds"]
    assert len(odds) == CELLS
    assert len(cells[cells["metric"] == "rrf"]) == CELLS * 2
    assert len(tables["splits"]) == 2 * 4
    assert len(tables["feasibility"]) == 2
    assert set(tables["leaderboard"]["method"]) == set(METHODS)
    # One task of one dataset has no other half, and few groups whose original relies on anything.
    may_be_empty = {"yardstick_debiased", "yardstick_transfer"}
    for name, table in tables.items():
        if name in may_be_empty and table.empty:
            continue
        run = table["run"].dropna().unique()
        assert list(run) == list(tables["provenance"]["run"]), name


def test_a_threshold_method_has_vanillas_maps(finished: Workspace) -> None:
    cells = finished.tables()["cell_metrics"]
    zero = cells[cells["method"].isin(["thropt", "vanilla"])]
    for metric in ("adr", "dif", "rddt"):
        values = zero.loc[zero["metric"] == metric, "value"]
        assert len(values) == 8
        assert (values == 0).all()
    wide = cells[cells["metric"] == "rrf"].pivot(
        index=["level", "explainer"], columns="method", values="value"
    )
    assert (wide["thropt"] == wide["vanilla"]).all()
    assert (wide["finetune"] != wide["vanilla"]).any()


def test_figures_and_leaderboard_are_there(finished: Workspace) -> None:
    report = finished.folder / "results/tiny/report"
    assert "thropt" in (report / "leaderboard.txt").read_text()
    pictures = sorted((report / "figures").glob("*.png"))
    assert len(pictures) >= 6
    assert all(picture.with_suffix(".svg").exists() for picture in pictures)


def test_a_second_run_does_nothing_and_says_so(finished: Workspace) -> None:
    before = finished.tables()
    done = finished.run()
    assert "Nothing to be done" in done.stdout
    _same(before, finished.tables())


def test_a_methods_parameter_reruns_that_method_only(finished: Workspace) -> None:
    config = tiny(methods={**tiny()["methods"], "finetune": {"epochs": 3}})
    jobs = _plan(finished, config)
    assert jobs["debias"] == 2
    assert jobs["explain"] == 2
    assert jobs["measure"] == 2
    assert not {"fetch", "pool", "twins", "split", "train"} & set(jobs)


def test_a_new_level_is_drawn_with_all_that_share_its_number_of_images(finished: Workspace) -> None:
    config = tiny()
    config["designs"]["phi"]["levels"] = [0.0, 0.4, 0.8]
    jobs = _plan(finished, config)
    assert (jobs["split"], jobs["train"], jobs["debias"], jobs["measure"]) == (3, 3, 6, 3)
    assert not {"fetch", "pool", "twins", "region"} & set(jobs)


def test_a_new_seed_or_method_makes_new_cells_only(finished: Workspace) -> None:
    jobs = _plan(finished, tiny(seeds=[0, 1]))
    assert (jobs["split"], jobs["train"], jobs["debias"], jobs["measure"]) == (2, 2, 4, 2)
    assert jobs["compare"] == 2
    assert jobs["decide"] == 2
    jobs = _plan(finished, tiny(methods={**tiny()["methods"], "p_clarc": {}}))
    assert (jobs["debias"], jobs["explain"], jobs["measure"]) == (2, 2, 2)
    assert not {"pool", "split", "train"} & set(jobs)


def test_another_patch_classifier_leaves_other_methods_alone(finished: Workspace) -> None:
    config = tiny()
    config["regions"]["classifier"]["epochs"] = 2
    jobs = _plan(finished, config)
    assert (jobs["region"], jobs["debias"], jobs["explain"]) == (2, 2, 2)
    assert not {"fetch", "pool", "split", "train"} & set(jobs)


def test_attribution_maps_of_every_image_are_indexed(finished: Workspace) -> None:
    tables = finished.tables()
    maps = tables["region_maps"]
    assert maps.groupby(["attribute", "kind"]).size().to_dict() == {
        (attribute, kind): count
        for attribute in ("Wearing_Necktie", "coin_flip")
        for kind, count in (("image", 1200), ("mean", 1))
    }
    assert maps["iou"].notna().any()
    assert set(tables["region_calibration"]["attribute"]) == {"Wearing_Necktie", "coin_flip"}
    assert set(tables["data_attribution"]["kind"]) == {"vanilla", "mask_specific"}
    assert len(tables["region_positions"]) == 2 * 25


def test_an_explainer_in_a_set_of_its_own_leaves_finished_maps_alone(finished: Workspace) -> None:
    config = tiny()
    config["explain"]["sets"]["more"] = {"flat": {"kind": "lrp", "composite": "epsilon_plus_flat"}}
    jobs = _plan(finished, config)
    assert jobs["explain"] == 6
    assert "debias" not in jobs


NEW_METHOD = '''
"""Bias of the head moved: a method that a test made up."""

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.core.registry import Params


@METHODS.register("shifted", title="Shifted", paper="made up for a test", params=Params)
def shifted(context: Context, params: Params) -> Debiased:
    """Return vanilla with another bias."""
    import torch

    model = context.vanilla()
    with torch.no_grad():
        model.head.bias += torch.tensor([0.1, -0.1])
    return Debiased(model=model)
'''


def test_a_method_in_one_new_file_is_in_every_table(copied: Workspace) -> None:
    assert len(NEW_METHOD.splitlines()) < 40
    folder = copied.folder / "src/rightreasons/debias"
    (folder / "shifted.py").write_text(NEW_METHOD)
    copied.configure(tiny(methods={**tiny()["methods"], "shifted": {}}))
    done = copied.run("--", "tabulate", "figure_leaderboard", "figure_metrics_by_level")
    assert done.returncode == 0, done.stdout[-4000:]
    tables = copied.tables()
    for name in ("predictions", "image_metrics", "cell_metrics", "tests", "leaderboard"):
        assert "shifted" in set(tables[name]["method"]), name
    report = copied.folder / "results/tiny/report"
    assert "shifted" in (report / "leaderboard.txt").read_text()
    levels = next((report / "figures").glob("metrics_by_level-*-lrp.svg"))
    assert levels.stat().st_size > 0


def test_the_normal_model_is_vanilla_at_level_0(finished: Workspace) -> None:
    cells = finished.tables()["cell_metrics"]
    alike = cells[cells["metric"].isin(["fam", "ccm"])]
    normal = alike[(alike["level"] == 0) & alike["method"].isin(["vanilla", "thropt"])]
    assert len(normal) == 2 * 2 * 2
    assert (normal["value"] == 1).all()
    other = alike[(alike["level"] == 0.8) | ~alike["method"].isin(["vanilla", "thropt"])]
    assert other["value"].between(-1, 0.99).all()


def test_a_wrong_config_is_one_line(finished: Workspace) -> None:
    path = finished.folder / "study.yaml"
    path.write_text(path.read_text().replace("finetune:", "finetun:"))
    done = finished.run("-n")
    finished.configure(tiny())
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1].startswith("error: methods.finetun: ")
    assert "unknown method 'finetun' (did you mean 'finetune'?)" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_dry_run_needs_no_data(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    datasets = {"celeba": {"size": 32, "root": "nowhere"}}
    tasks = {"t": {"dataset": "celeba", "target": "Smiling", "protected": "Wearing_Hat",
                   "roi": [0.1, 0.1, 0.8, 0.3]}}  # fmt: skip
    space.configure(tiny(datasets=datasets, tasks=tasks, regions={}))
    done = space.run("-n")
    assert done.returncode == 0, done.stdout[-4000:]
    missing = space.run("--until", "fetch")
    assert missing.returncode != 0
    assert "list_attr_celeba.txt" in missing.stdout
    assert "Traceback" not in missing.stdout


def test_a_key_named_twice_is_refused(tmp_path: Path) -> None:
    """Snakemake's own reader would take the second."""
    space = Workspace(tmp_path)
    path = space.configure(tiny())
    path.write_text(path.read_text() + "seeds: [1]\n")
    done = space.run("-n")
    assert done.returncode != 0
    assert "study.yaml: the key seeds is named twice" in done.stdout
    assert "Traceback" not in done.stdout


EDITED = {
    "debias/finetune.py": {"debias": 2, "explain": 2, "measure": 2, "tabulate": 1},
    "debias/thropt.py": {"decide": 2, "measure": 2, "tabulate": 1},
    "saliency/lrp.py": {"explain": 6, "measure": 2, "tabulate": 1},
    "metrics/rrf.py": {"measure": 2, "compare": 2, "tabulate": 1},
    "tables/comparisons.py": {"compare": 2, "tabulate": 1},
    "splits/phi_design.py": {"split": 2, "train": 2, "debias": 4, "tabulate": 1},
    "tables/reliance.py": {"compare": 2, "tabulate": 1, "tabulate_reliance": 1},
    "tables/feasibility.py": {"tabulate_feasibility": 1},
    "figures/metrics_by_level.py": {"figure_metrics_by_level": 1},
}


@contextmanager
def edited(space: Workspace, change: Callable[[str], str], *files: str) -> Iterator[None]:
    """Change files of the library for as long as a block lasts."""
    paths = [space.folder / "src/rightreasons" / file for file in files]
    texts = [path.read_text() for path in paths]
    try:
        for path, text in zip(paths, texts, strict=True):
            path.write_text(change(text))
        yield
    finally:
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)


@pytest.mark.parametrize(("file", "jobs"), EDITED.items())
def test_edited_code_reruns_its_jobs_and_what_follows(
    finished: Workspace, file: str, jobs: dict[str, int]
) -> None:
    order = ["fetch", "pool", "split", "train", "debias", "decide", "explain", "measure"]
    order += ["compare", "tabulate"]
    first = next(iter(jobs))
    others = order[: order.index(first)] if first in order else order
    with edited(finished, lambda text: text + "\n_CHANGED = 1\n", file):
        planned = finished.planned()
    assert {name: planned.get(name, 0) for name in jobs} == jobs
    assert not set(others) & set(planned)


def test_comments_and_docstrings_change_nothing_nor_does_code_as_it_was(
    finished: Workspace,
) -> None:
    """After all that was changed and changed back."""

    def remark(text: str) -> str:
        return text.replace('"""', '"""Said otherwise. ', 1) + "\n# a remark\n"

    with edited(finished, remark, *EDITED):
        assert finished.planned() == {}
    assert finished.planned() == {}


def test_a_copied_folder_with_another_config_is_refused(copied: Workspace) -> None:
    shutil.rmtree(copied.folder / ".snakemake")
    assert "Nothing to be done" in copied.run().stdout
    copied.configure(tiny(training={**tiny()["training"], "epochs": 5}))
    for options in ((), ("-n",)):
        done = copied.run(*options)
        assert done.returncode != 0
        assert "training.epochs was 1 and is 5" in done.stdout
        assert "Traceback" not in done.stdout
    assert copied.run("-n", "--forceall").returncode == 0


def test_results_under_another_name_are_refused(copied: Workspace) -> None:
    (copied.folder / "results/tiny").rename(copied.folder / "results/renamed")
    copied.configure(tiny(study="renamed"))
    done = copied.run()
    assert done.returncode != 0
    assert "results/renamed holds the results of the study 'tiny'" in done.stdout


def test_a_config_without_a_study_is_no_layer_over_the_demo(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    space.configure({"seeds": [3]})
    done = space.run("-n")
    assert done.returncode != 0
    assert "study is missing" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_default_study_lies_beside_the_snakefile(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--quiet", "rules"]
    options = ["-s", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    options += ["--config", "training={epochs: 2}"]  # keys alone are laid over the default study
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "measure" in done.stdout + done.stderr
    assert "demo: 3 seeds, 7 methods beside vanilla: a difference is found" in done.stdout


def _plan(space: Workspace, config: dict) -> dict[str, int]:
    space.configure(config)
    try:
        return space.planned()
    finally:
        space.configure(tiny())


def _same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name], check_exact=True, obj=name)
