"""One rule for every path of a config: what a shell would fill in is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightreasons.core.components import load_components
from rightreasons.core.errors import UserError
from rightreasons.core.user_paths import expanded
from rightreasons.data import create
from rightreasons.models.config import ModelConfig
from rightreasons.study.load import load_config
from rightreasons.study.sections import StudyConfig


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FACES", f"{tmp_path}/faces")
    monkeypatch.delenv("NOWHERE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("~", "{home}"),
        ("~/res", "{home}/res"),
        ("$FACES/a", "{home}/faces/a"),
        ("${FACES}/a", "{home}/faces/a"),
        ("x/$FACES", "x/{home}/faces"),
        ("results", "results"),
        ("results/", "results/"),
        ("a~b/~", "a~b/~"),
        ("cost$ and $", "cost$ and $"),
    ],
)
def test_what_a_shell_fills_in(home: Path, written: str, meant: str) -> None:
    assert expanded(written) == meant.format(home=home)


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("$NOWHERE/a", "'NOWHERE' is not set"),
        ("${NOWHERE}", "'NOWHERE' is not set"),
        ("~nobody_of_that_name/a", "no home folder '~nobody_of_that_name'"),
    ],
)
def test_what_cannot_be_filled_in_is_no_name(written: str, part: str) -> None:
    with pytest.raises(UserError, match="data: ") as error:
        expanded(written, "data")
    assert part in str(error.value)


def raw(**changed: object) -> dict[str, object]:
    task = {"dataset": "faces", "target": "Smiling", "protected": "Male", "roi": [0, 0, 1, 1]}
    return {
        "study": "tiny",
        "seeds": [0],
        "datasets": {"faces": {"kind": "synthfaces"}},
        "tasks": {"one": task},
        "designs": {"phi": {"levels": [0]}},
        "methods": {"vanilla": {}},
        **changed,
    }


@pytest.mark.parametrize("key", ["results", "data"])
def test_folders_of_a_study(home: Path, key: str) -> None:
    assert getattr(load_config(raw(**{key: "~/res"})), key) == f"{home}/res"
    assert getattr(load_config(raw(**{key: "$FACES"})), key) == f"{home}/faces"
    with pytest.raises(UserError, match=rf"{key}.*'NOWHERE' is not set"):
        load_config(raw(**{key: "$NOWHERE/res"}))


def test_components(home: Path) -> None:
    (home / "mine.py").write_text("nothing = None\n")
    with pytest.raises(UserError, match=f"{home}/mine.py registers no component"):
        load_components(["~/mine.py"])


@pytest.mark.parametrize(
    ("written", "meant"),
    [("~/w.pth", "{home}/w.pth"), ("$FACES/w.pth", "{home}/faces/w.pth"), ("imagenet", "imagenet")],
)
def test_weights_of_a_study_and_of_a_task(home: Path, written: str, meant: str) -> None:
    meant = meant.format(home=home)
    (home / "faces").mkdir()
    for place in (home / "w.pth", home / "faces" / "w.pth"):
        place.write_bytes(b"")
    assert ModelConfig(weights=written).weights == meant
    task = {"dataset": "faces", "target": "Smiling", "protected": "Male", "roi": [0, 0, 1, 1]}
    given = raw(tasks={"one": {**task, "model": {"weights": written}}})
    assert StudyConfig.model_validate(given).task_model("one").weights == meant
    assert ModelConfig(architecture="hf:~/net").architecture == f"hf:{home}/net"
    with pytest.raises(UserError, match=r"model\.weights.*'NOWHERE' is not set"):
        load_config(raw(model={"weights": "$NOWHERE/w.pth"}))


@pytest.mark.parametrize("written", ["~", "$HOME"])
def test_every_path_of_a_dataset(home: Path, tmp_path: Path, written: str) -> None:
    from miniatures import own

    own(home / "faces")
    for params in (
        {"root": f"{written}/faces"},
        {"images": f"{written}/faces/images", "attributes": f"{written}/faces/attributes.csv"},
    ):
        made = create("folder", {"id_column": "file", **params}, name="x", data_dir="nowhere")
        made.fetch(tmp_path / "out")
