"""What a study will cost: held against studies that ran, and how it grows with the config."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rightreasons.runtime.clock import duration
from rightreasons.study.cost import TABLE, Estimate, known, map_passes, measured
from rightreasons.study.cost_told import main, printed, room
from rightreasons.study.load import load_config, read_merged, read_yaml
from rightreasons.study.plan import Plan
from study import ROOT, tiny

#: Processor seconds that finished studies took on one core, by stage, from their jobs' logs.
TOOK = {
    "config.yaml": {
        "pool": 47, "region": 81, "train": 160, "debias": 188, "explain": 211,
        "measure": 32, "tables": 16, "figures": 53,
    },
    # SmoothGrad with less noise: 5 of 15 sets of maps, to all of them
    "studies/watermark_published.yaml": {"train": 2247, "explain": 1167 + 53 * 15},
}  # fmt: skip


def estimated(config: dict[str, Any]) -> Estimate:
    return Estimate(Plan(load_config(config)))


@pytest.mark.parametrize("name", TOOK)
def test_within_a_factor_of_two_of_what_was_run(name: str) -> None:
    stages = estimated(read_yaml(ROOT / name)).stages
    for stage, took in TOOK[name].items():
        assert took / 2 < stages[stage].seconds < took * 2, stage


def test_the_demos_jobs_and_room_are_those_of_its_run() -> None:
    total = estimated(read_yaml(ROOT / "config.yaml")).total
    assert total.jobs == 221
    assert 420 / 2 < total.megabytes < 420 * 2
    assert 806 / 2 < total.seconds < 806 * 2


def test_hours_of_a_gpu_are_those_of_10000_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """113 minutes of jobs on one H100 (docs/celeba_10k.md), nearly all of them starts."""
    monkeypatch.setattr(Estimate, "_count", lambda self, dataset: 10_000)
    total = estimated(read_yaml(ROOT / "studies/celeba_10k.yaml")).total
    assert total.jobs == pytest.approx(553, abs=15)  # some tables are new
    assert 113 / 2 < total.gpu_seconds / 60 < 113 * 2


def changed(change: Callable[[dict[str, Any]], None]) -> Estimate:
    config = copy.deepcopy(tiny())
    change(config)
    return estimated(config)


def test_it_grows_as_the_config_does() -> None:
    base = estimated(tiny())
    starts = known("start", "torch")

    def work(estimate: Estimate, stage: str) -> float:
        cost = estimate.stages[stage]
        return cost.seconds - cost.jobs * starts

    more = changed(lambda c: c.update(seeds=[0, 1, 2]))
    assert work(more, "train") == pytest.approx(3 * work(base, "train"))
    more = changed(lambda c: c["designs"]["phi"].update(levels=[0.0, 0.4, 0.6, 0.8]))
    assert more.stages["explain"].jobs == 2 * base.stages["explain"].jobs
    more = changed(lambda c: c["datasets"]["synthfaces"].update(size=64))
    assert work(more, "train") == pytest.approx(4 * work(base, "train"))
    assert more.stages["pool"].megabytes == pytest.approx(4 * base.stages["pool"].megabytes)
    longer = changed(lambda c: c["training"].update(epochs=3))
    seen = 2 * (80 + 80) * known("share", "forward")
    assert base.stages["train"].passes == pytest.approx(2 * 120 + seen)
    assert longer.stages["train"].passes == pytest.approx(3 * 2 * 120 + seen)
    more = changed(lambda c: c["methods"].update(finetune={"steps": 60}))
    gained = more.stages["debias"].passes - base.stages["debias"].passes
    assert gained == pytest.approx(2 * 30 * 32)  # two levels, 30 steps more of 32 images


@pytest.mark.parametrize(
    ("explainer", "passes"),
    [
        ({"kind": "gradient"}, 1),
        ({"kind": "integrated_gradients", "steps": 8}, 8),
        ({"kind": "smoothgrad", "samples": 25}, 25),
        ({"kind": "occlusion", "grid": 8}, 64 * 0.4),
        ({"kind": "rise", "samples": 500}, 500 * 0.4),
        ({"kind": "random"}, 0),
        ({"kind": "of_a_plugin", "steps": 5}, 5),
    ],
)
def test_an_explainer_costs_what_it_repeats(explainer: dict[str, Any], passes: float) -> None:
    assert map_passes(explainer) == pytest.approx(passes)


def test_another_size_costs_by_its_pixels() -> None:
    assert known("pass", "resnet18", 64) == measured()["pass", "resnet18"][64]
    assert known("pass", "resnet18", 32) == known("pass", "resnet18", 64) / 4
    assert known("pass", "resnet18", 448) == known("pass", "resnet18", 224) * 4
    assert known("pass", "nobody_knows", 64, default=7.0) == 7.0


def test_every_row_of_the_table_is_a_number_that_can_be() -> None:
    assert TABLE.read_text().startswith("what,name,size,value\n")
    assert all(value >= 0 for sizes in measured().values() for value in sizes.values())


def test_the_command_prints_a_table_and_a_missing_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = tmp_path / "more.yaml"
    changes.write_text("seeds: [0]\nmodel: {architecture: resnet34}\n")
    assert main([str(ROOT / "config.yaml"), str(changes), "--cores", "2"]) == 0
    said = capsys.readouterr().out
    assert "demo: about" in said
    assert "on 2 cores" in said
    assert "resnet34 was never measured, and counts as resnet50" in said
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nope.yaml")])
    assert capsys.readouterr().err == f"error: there is no file {tmp_path / 'nope.yaml'}.\n"


def test_files_are_merged_as_snakemake_merges_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("study: a\ntraining: {epochs: 1, batch_size: 8}\nseeds: [0, 1]\n")
    second.write_text("training: {epochs: 2}\nseeds: [5]\n")
    assert read_merged([first, second]) == {
        "study": "a",
        "training": {"epochs": 2, "batch_size": 8},
        "seeds": [5],
    }


@pytest.mark.parametrize(
    ("seconds", "said"), [(40, "40 s"), (700, "12 min"), (12600, "3.5 h"), (1e7, "2,778 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_rooms() -> None:
    assert [room(x) for x in (12.3, 1234.0, 1.3e6)] == ["12 MB", "1.2 GB", "1,300 GB"]


def test_the_table_adds_up() -> None:
    estimate = estimated(tiny())
    rows = [line.split() for line in printed(estimate, 2).splitlines() if line]
    jobs = {row[0]: int(row[1]) for row in rows if len(row) > 6 and row[1].isdigit()}
    assert jobs.pop("all") == sum(jobs.values()) == estimate.total.jobs
