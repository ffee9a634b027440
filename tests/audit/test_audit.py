"""Whole audits of two programs that are known: one reads a corner of the image, one does not."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from rightreasons.audit import command
from rightreasons.audit.findings import document_of
from rightreasons.audit.html import as_html
from rightreasons.audit.pdf import as_pdf
from rightreasons.audit.results import Audited
from rightreasons.core.errors import UserError
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.rules import Rules
from scripts import run_script

N, SIDE = 96, 32
EVIL = "<img src=x onerror=alert(1)>"
GROUPS = ("a & b", EVIL, "third")


class Reader(nn.Module):
    """Decides by the brightness of the middle, and of the lower left corner `corner` times."""

    def __init__(self, corner: float) -> None:
        super().__init__()
        self.corner = corner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        middle = images[:, :, 10:22, 10:22].mean(dim=[1, 2, 3]) - 0.5
        corner = images[:, :, 27:31, 1:15].mean(dim=[1, 2, 3])
        said = 20 * middle + self.corner * (corner - 0.2)
        return torch.stack([torch.zeros_like(said), said], dim=1)


def make_data(folder: Path) -> None:
    """Draw images whose middle is bright where the target is 1, and their table."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image_id", "bright", "origin"])
        for i in range(N):
            target = i % 2
            pixels = rng.uniform(0, 0.4, (SIDE, SIDE, 3))
            pixels[10:22, 10:22] = rng.uniform(0.35, 0.55) + 0.2 * (target - 0.5)
            image = Image.fromarray((255 * pixels).astype(np.uint8))
            image.save(folder / "images" / f"{i}.png")
            table.writerow([f"{i}.png", target, GROUPS[i // 2 % 3]])


def asked(folder: Path, name: str, *more: str) -> list[str]:
    return [
        *("--model", str(folder / f"{name}.pt"), "--architecture", "torchscript"),
        *("--images", str(folder / "images"), "--attributes", str(folder / "labels.csv")),
        *("--target", "bright", "--protected", "origin", "--size", str(SIDE)),
        *("--mean", "0", "0", "0", "--std", "1", "1", "1"),
        *("--explainers", "gradient_squared", "--maps", "24", "--out", str(folder / name), *more),
    ]


def run(folder: Path, name: str, corner: float) -> Plan:
    """Run all jobs of an audit of a reader that its report needs, by their scripts."""
    torch.jit.script(Reader(corner)).save(folder / f"{name}.pt")
    assert command.main(asked(folder, name, "--config-only")) == 0
    return run_config(folder, name)


def run_config(folder: Path, name: str) -> Plan:
    """Run all jobs of an audit whose config is written."""
    config = yaml.safe_load((folder / name / "study.yaml").read_text())
    config["measure"] = {"replicates": 50}
    (folder / name / "study.yaml").write_text(yaml.safe_dump(config))
    rules = Rules(Plan(load_config(config)))
    for stage in ("fetch", "pool"):
        run_script(rules, stage, dataset="images")
    for task in config["tasks"]:
        key = {"task": task, "design": "as_is", "level": "0", "seed": "0"}
        for stage in ("split", "train"):
            run_script(rules, stage, **key)
        run_script(rules, "explain", **key, method="vanilla", explainers="main")
        run_script(rules, "measure", **key)
    return rules.plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with images and a table."""
    made = tmp_path_factory.mktemp("audit")
    make_data(made)
    return made


@pytest.fixture(scope="module")
def plans(folder: Path) -> dict[str, Plan]:
    """Return both audits."""
    return {"biased": run(folder, "biased", 60.0), "clean": run(folder, "clean", 0.0)}


def test_a_program_that_reads_the_corner_is_told_from_one_that_does_not(
    plans: dict[str, Plan],
) -> None:
    effects = {
        name: {effect.mark: effect for effect in Audited(plan).effects}
        for name, plan in plans.items()
    }
    marks = {"watermark", "watermark_opaque", "plain", "frame", "tint"}
    assert set(effects["biased"]) == marks
    assert effects["biased"]["watermark"].strong
    assert effects["biased"]["watermark"].away == 0
    assert not effects["clean"]["watermark"].sways
    assert effects["clean"]["watermark"].changed == 0
    words = {name: document_of(plan).words() for name, plan in plans.items()}
    assert "“watermark”, laid over the images, sways the model strongly" in words["biased"]
    assert "“watermark”, laid over" not in words["clean"]


def test_groups_are_counted_as_by_hand(plans: dict[str, Plan], folder: Path) -> None:
    it = Audited(plans["clean"])
    assert set(it.groups) == set(GROUPS)
    with (folder / "labels.csv").open() as file:
        rows = {row["image_id"]: row for row in csv.DictReader(file)}
    for number, name in enumerate(it.groups):
        right = [
            (np.asarray(Image.open(folder / "images" / i))[10:22, 10:22].mean() > 127.5)
            == (row["bright"] == "1")
            for i, row in rows.items()
            if row["origin"] == name
        ]
        found = it.rates(number)["accuracy"]
        assert (found.value, found.n) == (pytest.approx(np.mean(right)), len(right))


def test_nothing_of_the_users_reaches_the_page_unescaped(plans: dict[str, Plan]) -> None:
    page = as_html(document_of(plans["biased"], show_images=True))
    assert EVIL not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not re.search(r"<script|\son\w+=|https?://|<link", re.sub(r"&lt;.*?&gt;", "", page))
    assert page.count("<h2>") == 5


def test_all_numbers_of_groups_are_those_of_the_studys_tables(plans: dict[str, Plan]) -> None:
    it = Audited(plans["clean"])
    cells = pd.read_parquet(it.plan.measure_files(it.group("audit")).cell_metrics)
    [odds] = cells[(cells["metric"] == "equalized_odds")].to_dict("records")
    shown = it.overall["equalized_odds"]
    assert (shown.value, shown.low, shown.high) == (odds["value"], odds["ci_low"], odds["ci_high"])
    assert {"worst_group_accuracy", "demographic_parity_ratio", "accuracy_gap"} <= set(it.overall)


def test_a_named_region_is_said_of_any_number_of_groups(folder: Path) -> None:
    torch.jit.script(Reader(0.0)).save(folder / "placed.pt")
    given = asked(folder, "placed", "--config-only", "--no-marks")
    middle = (10 / 32, 10 / 32, 22 / 32, 22 / 32)
    assert command.main([*given, "--roi", *map(str, middle)]) == 0
    plan = run_config(folder, "placed")
    found = Audited(plan).of_maps("audit", "rrf")
    assert found["gradient_squared"].value == pytest.approx(1)  # it reads the middle alone
    words = document_of(plan).words()
    assert (
        "The region is 0.14 of the image; of the relevance it has: gradient_squared 1.00." in words
    )
    assert "no mark was laid over the images" in words


def test_a_study_that_was_edited_is_run_again_as_it_is(
    folder: Path, plans: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Path] = []
    monkeypatch.setattr(command, "run", lambda where, cores: ran.append(where))
    before = (folder / "clean" / "study.yaml").read_text()
    assert command.main(["--out", str(folder / "clean"), "--again", "--no-pdf"]) == 0
    assert ran == [folder / "clean"]
    assert (folder / "clean" / "study.yaml").read_text() == before
    monkeypatch.undo()
    with pytest.raises(UserError, match="no folder of an audit"):
        command.run(folder / "nowhere", 1)


def test_the_pdf_is_one(plans: dict[str, Plan]) -> None:
    content = as_pdf(document_of(plans["clean"]))
    assert content.startswith(b"%PDF-")
    assert len(content) > 20_000


def test_a_report_is_written_of_results_that_are_there(folder: Path, plans: object) -> None:
    files = command.report(folder / "clean", show_images=False, pdf=True)
    assert [path.name for path in files] == ["report.html", "report.pdf"]
    assert all(path.stat().st_size > 10_000 for path in files)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--model": "none.pt"}, "--model: none.pt does not exist"),
        ({"--architecture": None}, "--architecture is missing"),
        ({"--images": "nowhere"}, "--images: nowhere does not exist"),
        ({"--attributes": "nowhere.csv"}, "--attributes: nowhere.csv does not exist"),
        ({"--explainers": "gradient_squard"}, "unknown explainer 'gradient_squard'"),
        ({"--target": "brigt >"}, "brigt >"),
        ({"--target": None}, "--target: missing"),
        ({"--model": "$NO_SUCH_PLACE/x.pt"}, "'NO_SUCH_PLACE' is not set"),
        ({"--mark": "logo=[1, 2]"}, "after the name come its parameters"),
        ({"--mark": "logo={kind: stamp}"}, "stamp"),
    ],
)
def test_mistakes_end_in_one_line(
    folder: Path,
    plans: object,
    change: dict[str, Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = asked(folder, "clean", "--config-only")
    for option, value in change.items():
        if option in given:
            place = given.index(option)
            del given[place : place + 2]
        given += [] if value is None else [option, value]
    given[given.index("--out") + 1] = str(folder / "other")
    assert command.main(given) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert not (folder / "other" / "study.yaml").exists()


class Third(nn.Module):
    """Has a class for dark, middling and bright images, and turns to bright by the corner."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        light = images[:, :, 10:22, 10:22].mean(dim=[1, 2, 3])
        corner = images[:, :, 27:31, 1:15].mean(dim=[1, 2, 3])
        bright = light + (corner - 0.2).clamp(min=0) * 2
        return -100 * torch.stack([bright - 0.35, bright - 0.45, bright - 0.55], dim=1) ** 2


def test_more_than_two_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three classes, three outputs: rates are of the accuracy, and marks change classes."""
    torch.jit.script(Third()).save(folder / "third.pt")
    table = pd.read_csv(folder / "labels.csv")
    light = [
        np.asarray(Image.open(folder / "images" / i))[10:22, 10:22].mean() / 255
        for i in table["image_id"]
    ]
    words = np.select(
        [np.array(light) < 0.4, np.array(light) < 0.5], ["a dark", "b mid"], "c light"
    )
    table.assign(shade=words).to_csv(folder / "shades.csv", index=False)
    given = asked(folder, "third", "--config-only")
    given[given.index("--attributes") + 1] = str(folder / "shades.csv")
    given[given.index("--target") + 1] = "shade"
    assert command.main(given) == 1
    said = "the target has 3 classes, and the network tells 2 apart"
    assert said in capsys.readouterr().err
    assert command.main([*given, "--classes", "0", "1", "2"]) == 0
    plan = run_config(folder, "third")
    it = Audited(plan)
    assert it.classes == ["a dark", "b mid", "c light"]
    assert it.overall["accuracy"].value > 0.9
    document = document_of(plan)
    assert "accuracy" in document.words()
    assert as_html(document)
    watermark = next(effect for effect in it.effects if effect.mark == "watermark")
    assert watermark.changed > 0.3
