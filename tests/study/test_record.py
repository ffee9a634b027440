"""Results under another config, name or code are refused where Snakemake cannot make them anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rightreasons.core.errors import UserError
from rightreasons.study import record
from rightreasons.study.load import load_config
from rightreasons.study.record import check_record, end_record, write_record
from rightreasons.study.sections import StudyConfig
from study import tiny

ALL = {"mtime", "params", "input", "code"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(**changes: Any) -> StudyConfig:
    return load_config({**tiny(), **changes})


def check(
    chosen: StudyConfig, triggers: set[str] = ALL, forced: bool = False, touched: bool = False
) -> None:
    place = Path(".snakemake")
    check_record(chosen, place, triggers=triggers, forced=forced, touched=touched)


def finish(chosen: StudyConfig) -> None:
    """Leave behind what a run does: its record, results, Snakemake's records."""
    check(chosen)
    write_record(chosen, Path(".snakemake"))
    (Path("results/tiny/train")).mkdir(parents=True)
    Path(".snakemake/metadata").mkdir(parents=True, exist_ok=True)
    Path(".snakemake/metadata/abc").write_text("{}")


def forget() -> None:
    """Lose Snakemake's records, as a copied folder does."""
    for path in sorted(Path(".snakemake").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_the_same_config_goes_on_and_so_does_another_that_snakemake_knows_of(place: Path) -> None:
    finish(study())
    check(study())
    check(study(seeds=[0, 1]))
    write_record(study(seeds=[0, 1]), Path(".snakemake"))
    kept = json.loads(Path("results/tiny/study.json").read_text())
    assert kept["config"]["seeds"] == [0, 1]


def test_a_copied_folder_goes_on_with_the_same_config_only(place: Path) -> None:
    finish(study())
    forget()
    check(study())
    changed = {**tiny()["training"], "epochs": 5}
    with pytest.raises(UserError, match=r"training\.epochs was 1 and is 5.*not in \.snakemake"):
        check(study(training=changed))
    check(study(training=changed), forced=True)
    write_record(study(training=changed), Path(".snakemake"), forced=True)
    end_record(study())
    check(study())  # made anew from here on: Snakemake knows


def test_a_run_that_was_to_make_all_anew_and_was_killed_leaves_nothing_to_go_on_with(
    place: Path,
) -> None:
    finish(study())
    forget()
    for _ in range(2):  # a second run that is killed changes nothing
        write_record(study(seeds=[5]), Path(".snakemake"), forced=True)
        with pytest.raises(UserError, match="has not ended well"):
            check(study(seeds=[5]))
    check(study(seeds=[5]), forced=True)
    end_record(study(seeds=[5]))
    check(study(seeds=[5]))


def test_what_snakemake_knows_of_may_be_made_anew_in_parts(place: Path) -> None:
    finish(study())
    write_record(study(seeds=[5]), Path(".snakemake"), forced=True)
    check(study(seeds=[5]))


def test_a_copy_within_the_working_directory_is_a_copy(place: Path) -> None:
    finish(study())
    shutil.copytree("results", "other")
    check(study(results="other"))
    with pytest.raises(UserError, match="seeds was"):
        check(study(results="other", seeds=[3]))
    check(study(seeds=[3]))


def test_two_results_folders_of_one_study_do_not_meet(place: Path) -> None:
    finish(study())
    check(study(results="other"))
    write_record(study(results="other"), Path(".snakemake"))
    check(study(seeds=[3]))


def test_touching_gives_no_results_to_another_config(place: Path) -> None:
    finish(study())
    check(study(), touched=True)
    for forced in (False, True):
        with pytest.raises(UserError, match=r"seeds was.*Leave out --touch"):
            check(study(seeds=[3]), touched=True, forced=forced)


def test_touching_is_for_code_that_changes_no_number(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(study())
    monkeypatch.setattr(record, "code_of_all", lambda: "another")
    check(study(), touched=True)


def test_results_without_records_of_snakemakes_go_on_with_the_same_config_only(
    place: Path,
) -> None:
    finish(study())
    write_record(study(), Path(".snakemake"), kept=False)
    check(study())
    with pytest.raises(UserError, match="seeds was"):
        check(study(seeds=[3]))


def test_going_on_in_a_copied_folder_does_not_hide_that_it_was_copied(place: Path) -> None:
    finish(study())
    forget()
    write_record(study(), Path(".snakemake"))
    with pytest.raises(UserError, match="seeds was"):
        check(study(seeds=[0, 1]))


def test_another_study_takes_no_results_for_its_own(place: Path) -> None:
    finish(study())
    Path("results/tiny").rename("results/renamed")
    with pytest.raises(UserError, match=r"renamed holds the results of the study 'tiny'"):
        check(study(study="renamed"))
    with pytest.raises(UserError, match="results of the study 'tiny'"):
        check(study(study="renamed"), forced=True)


def test_triggers_without_params_hide_no_change(place: Path) -> None:
    finish(study())
    check(study(), triggers={"mtime"})
    with pytest.raises(UserError, match="--rerun-triggers leaves out params"):
        check(study(seeds=[3]), triggers={"mtime"})


def test_other_code_is_another_origin(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(study())
    forget()
    monkeypatch.setattr(record, "code_of_all", lambda: "another")
    with pytest.raises(UserError, match="the code of the suite or of a component"):
        check(study())


def test_results_that_nothing_is_known_of_are_refused(place: Path) -> None:
    Path("results/tiny/train").mkdir(parents=True)
    Path(".snakemake/metadata").mkdir(parents=True)
    Path(".snakemake/metadata/abc").write_text("{}")  # of another study
    with pytest.raises(UserError, match=r"no results/tiny/study\.json that says"):
        check(study())
    check(study(), forced=True)


def test_a_broken_record_is_named(place: Path) -> None:
    finish(study())
    Path("results/tiny/study.json").write_text("{")
    with pytest.raises(UserError, match=r"study\.json cannot be read"):
        check(study())


def test_where_results_and_data_lie_does_not_matter(place: Path) -> None:
    finish(study())
    forget()
    check(study(data="elsewhere"))


def test_a_fresh_study_begins(place: Path) -> None:
    check(study())


def test_the_code_of_all_covers_stages_and_components(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(record, "digest", lambda *modules: seen.extend(modules) or "d")
    assert record.code_of_all() == "d"
    for name in ("stages.train", "stages.measure", "debias.zhang", "saliency.lrp", "metrics.rrf",
                 "data.faces", "splits.phi_design", "artifacts.watermark"):  # fmt: skip
        assert f"rightreasons.{name}" in seen
