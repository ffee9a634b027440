"""benchmarks/timeline.py: what it reads from logs, and what it makes of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import timeline

LOG = """2026-01-01 10:00:02,500 on node, SLURM job none, CUDA_VISIBLE_DEVICES not set
2026-01-01 10:00:0{ready},000 ready after 2.00 s, 1.00 s of the processor
2026-01-01 10:00:0{end},000 done in 2.5 s, {cpu:.2f} s of the processor
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two jobs that trained, from second 1 to 5 and from 3 to 9, a table, and one that failed."""
    logs = {
        "train/a/phi-0/seed-0.log": LOG.format(ready=3, end=5, cpu=4),
        "train/a/phi-0/seed-1.log": LOG.format(ready=5, end=9, cpu=3),
        "tabulate_regions.log": LOG.format(ready=8, end=9, cpu=1.5),
        "train/a/phi-0/seed-2.log": LOG.format(ready=3, end=5, cpu=4).partition("\n")[0],
    }
    for name, text in logs.items():
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_jobs_are_read_from_their_logs(results: Path) -> None:
    jobs = timeline.read_jobs(results)
    assert jobs["job"].tolist() == ["train/a/phi-0/seed-0", "train/a/phi-0/seed-1",
                                    "tabulate_regions"]  # fmt: skip
    assert jobs["stage"].tolist() == ["train", "train", "tabulate"]
    times = jobs[["begin", "ready", "end"]].to_numpy()
    assert times.tolist() == [[0, 2, 4], [2, 4, 8], [5, 7, 8]]


def test_shares_of_start_up(results: Path) -> None:
    table = timeline.by_stage(timeline.read_jobs(results))
    assert table["jobs"].to_dict() == {"train": 2, "tabulate": 1, "all": 3}
    assert table.loc["train", "share"] == pytest.approx(4 / 10)
    assert table.loc["all", "share"] == pytest.approx(6 / 13)
    assert table.loc["all", "share_cpu"] == pytest.approx(3 / 8.5)


def test_cores_in_use(results: Path) -> None:
    jobs = timeline.read_jobs(results)
    assert timeline.utilisation(jobs, 2) == pytest.approx(8.5 / (2 * 8))
    busy = timeline.busy(jobs, np.array([0.0, 2, 4, 5, 8]))
    assert busy == pytest.approx([1, 1.5, 0.5, 1.0])


def test_a_picture_and_no_jobs(results: Path, tmp_path: Path) -> None:
    timeline.draw(timeline.read_jobs(results), 2, tmp_path / "jobs.png")
    assert (tmp_path / "jobs.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="no log of a finished job"):
        timeline.read_jobs(tmp_path / "logs")
