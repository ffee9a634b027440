"""The process of a job: which of its files it says are broken."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from rightreasons.core.files import write_parquet
from rightreasons.core.job import Files, Job, Running
from rightreasons.runtime.damage import damaged
from rightreasons.runtime.job import run


class Tables(Files):
    one: Path
    more: tuple[Path, ...] = ()


class TablesJob(Job):
    input: Tables
    output: Files


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    handlers = logging.getLogger().handlers[:]
    yield
    logging.captureWarnings(False)
    logging.getLogger().handlers[:] = handlers


def table(path: Path, cut: int | None = None) -> Path:
    write_parquet(pd.DataFrame({"x": range(100)}), path)
    path.write_bytes(path.read_bytes()[:cut])
    return path


def process(given: Tables, folder: Path) -> Any:
    """Return what Snakemake gives the script of a job with these files."""
    return SimpleNamespace(
        input=given.named(),
        output={},
        params=SimpleNamespace(job=TablesJob(input=given, output=Files()).carried()),
        wildcards=[],
        threads=1,
        log=[str(folder / "log")],
    )


def read(job: TablesJob, running: Running) -> None:
    for path in (job.input.one, *job.input.more):
        pd.read_parquet(path)


@pytest.mark.parametrize("cut", [0, 2, 4, 100, -1])
def test_a_cut_table_is_named(tmp_path: Path, cut: int) -> None:
    given = Tables(one=table(tmp_path / "a.parquet"), more=(table(tmp_path / "b.parquet", cut),))
    assert damaged(given) == [str(tmp_path / "b.parquet")]
    with pytest.raises(SystemExit, match=r"^error: \S+/b\.parquet: damaged, no whole file"):
        run(read, TablesJob, process(given, tmp_path))
    assert "Traceback" in (tmp_path / "log").read_text()


def test_whole_tables_and_what_is_not_there_are_no_cut_ones(tmp_path: Path) -> None:
    given = Tables(one=table(tmp_path / "a.parquet"), more=(tmp_path / "none.parquet",))
    assert damaged(given) == []
    with pytest.raises(FileNotFoundError):
        run(read, TablesJob, process(given, tmp_path))
