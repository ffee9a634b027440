"""Results of two machines in one folder: what may be merged, what is refused, what is left."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from rightreasons.core.errors import UserError
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.merge import CONFIG, KEPT, OF_METHODS, main, merge
from rightreasons.study.paths import FOLDERS
from rightreasons.study.record import RECORD, check_record
from study import FEW, tiny

CELL = "smiling_by_necktie/phi-0.8"


def made(root: Path, seed: int, told: str = "same", method: str = "", **changes: Any) -> Path:
    """Make the folder of a study's results of one seed, with a file of each kind."""
    config = tiny(**{"seeds": [seed], **changes})
    study = load_config(config)
    record = json.loads(study.model_dump_json(exclude={"results", "data"}))
    folder = root / config["study"]
    files = {
        "pool/synthfaces/images.npy": told,
        f"train/{CELL}/seed-{seed}/model.safetensors": f"net of {seed}",
        f"debias/{CELL}/seed-{seed}/{method or 'finetune'}/model.json": f"{method} of {seed}",
        f"measure/{CELL}/seed-{seed}/tests.parquet": f"measures of {method} of {seed}",
        f"logs/train/{CELL}/seed-{seed}.log": f"on {root.name}",
        f"compare/{CELL}/tests.parquet": "of one machine's seeds",
        "tables/tests.parquet": "of one machine's seeds",
        "report/leaderboard.txt": "of one machine's seeds",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    content = {"study": study.study, "config": record, "code": "c0de", "id": root.name}
    (folder / RECORD).write_text(json.dumps(content))
    return folder


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_every_stage_is_taken_or_made_anew() -> None:
    stages = {folder.split("/")[0] for folder in FOLDERS.values()}
    assert {*KEPT, *OF_METHODS} | {"compare", "tables", "report"} == stages


def test_seeds_of_two_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = made(tmp_path / "a", 1), made(tmp_path / "b", 0)
    os.utime(second / "pool/synthfaces/images.npy", (10, 10))
    into = tmp_path / "c" / "tiny"
    into.parent.mkdir()
    assert merge(first, second, into)["seeds"] == [0, 1]
    cells = {f"{stage}/{CELL}/seed-{seed}" for stage in ("train", "measure") for seed in (0, 1)}
    assert cells <= {str(Path(name).parent) for name in names(into)}
    assert not {name.split("/")[0] for name in names(into)} & {"compare", "tables", "report"}
    dates = {path.stat().st_mtime for path in into.rglob("*") if path.is_file()}
    assert len(dates) == 1  # nothing is older than what it was made from
    # the config that is left beside it goes on with these results, and no other does
    whole = read_yaml(into / CONFIG)
    monkeypatch.setattr("rightreasons.study.record.code_of_all", lambda: "c0de")
    told = {"triggers": {"params"}, "forced": False}
    check_record(load_config(whole), tmp_path / ".snakemake", **told)
    with pytest.raises(UserError, match=r"seeds was \[0, 1\] and is \[0, 1, 2\]"):
        check_record(load_config({**whole, "seeds": [0, 1, 2]}), tmp_path / ".snakemake", **told)


def test_methods_of_two_machines_are_measured_together_again(tmp_path: Path) -> None:
    first = made(tmp_path / "a", 0, method="finetune", methods={"vanilla": {}, "finetune": FEW})
    second = made(tmp_path / "b", 0, method="leace", methods={"vanilla": {}, "leace": {}})
    into = tmp_path / "c" / "tiny"
    into.parent.mkdir()
    config = merge(first, second, into)
    assert set(config["methods"]) == {"vanilla", "finetune", "leace"}
    assert {name.split("/")[4] for name in names(into) if name.startswith("debias")} == {
        "finetune",
        "leace",
    }
    assert not any(name.startswith("measure") for name in names(into))


REFUSED = {
    "another size": (
        {"datasets": {"synthfaces": {"size": 64, "n_images": 1200}}},
        r"datasets\.synthfaces\.size was 32 and is 64",
    ),
    "other parameters of a method": (
        {"methods": {"vanilla": {}, "finetune": {"steps": 5}, "thropt": {}, "mask_specific": {}}},
        r"methods\.finetune\.steps was 30 and is 5",
    ),
    "another study": ({"study": "other"}, "two studies, 'tiny' and 'other'"),
    "images that differ": (
        {"told": "others"},
        "both have pool/synthfaces/images.npy, and they differ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_belong_together_is_refused_with_reasons(tmp_path: Path, name: str) -> None:
    changes, reason = REFUSED[name]
    first, second = made(tmp_path / "a", 0), made(tmp_path / "b", 1, **changes)
    with pytest.raises(UserError, match=f"cannot be merged:\n.*{reason}"):
        merge(first, second, tmp_path / "c" / "tiny")
    assert not (tmp_path / "c").exists()


def test_all_other_reasons(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a", 0), made(tmp_path / "b", 1)
    record = json.loads((second / RECORD).read_text())
    (second / RECORD).write_text(json.dumps({**record, "code": "other", "anew": True}))
    with pytest.raises(UserError) as caught:
        merge(first, second, first)
    for reason in ("exists already", "their code differs", "--forceall has not ended"):
        assert reason in str(caught.value)
    with pytest.raises(UserError, match="must bear the study's name, tiny"):
        merge(first, second, tmp_path / "c")
    with pytest.raises(UserError, match=r"no .*study\.json"):
        merge(first, tmp_path, tmp_path / "c" / "tiny")


def test_the_command_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = made(tmp_path / "a", 0), made(tmp_path / "b", 1)
    into = tmp_path / "tiny"
    assert main([str(first), str(second), "--into", str(into)]) == 0
    assert f"--configfile {into / CONFIG}" in capsys.readouterr().out
    assert yaml.safe_load((into / CONFIG).read_text())["results"] == str(tmp_path)
    with pytest.raises(SystemExit):
        main([str(first), str(second), "--into", str(into)])
    assert "exists already" in capsys.readouterr().err
