"""benchmarks/grids.py: its studies have the promised number of jobs; whose code a stack is in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rightreasons.study.grid import Grid
from rightreasons.study.load import load_config
from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import grids
import sampling


def test_a_grid_plans_with_the_promised_number_of_jobs(tmp_path: Path) -> None:
    run = grids.Run(tmp_path, grids.grid(100))
    listing, _ = run.plan()
    planned = run.workspace.planned()
    assert grids.total(listing) == planned["total"]
    assert 85 <= planned["total"] <= 120
    files = grids.outputs(listing)
    assert len(files) == len(set(files))
    assert sum(file.endswith("/maps.npy") for file in files) == planned["explain"]


@pytest.mark.parametrize("jobs", [300, 1000, 10_000])
def test_larger_grids_have_that_many_cells(jobs: int) -> None:
    config = grids.grid(jobs)
    groups = Grid(load_config(config)).groups()
    cells = len(groups) * grids.jobs_per_group(config)
    assert cells + grids.REPORT_JOBS == pytest.approx(jobs, rel=0.15)
    assert len({group.folder for group in groups}) == len(groups)


RULE, LIBRARY = ("rules/common.smk", "maps_of"), ("src/rightreasons/study/grid.py", "sets")
BUILD = ("site-packages/snakemake/workflow.py", "_build_dag")


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ([LIBRARY, RULE, BUILD], sampling.FUNCTIONS),
        ([("lib/re.py", "sub"), LIBRARY, ("Snakefile", "<module>")], sampling.READING),
        ([("lib/re.py", "sub"), BUILD], "Snakemake: jobs and their files"),
        ([("snakemake/dag.py", "update_needrun"), BUILD], "Snakemake: which jobs must run"),
        ([("snakemake/cli.py", "main")], sampling.START),
    ],
)
def test_whose_time_it_is(stack: list[tuple[str, str]], expected: str) -> None:
    assert sampling.phase(stack) == expected


def test_a_sampled_loop_is_seen() -> None:
    counts = sampling.sampled(lambda: sum(i * i for i in range(3_000_000)))
    assert set(counts) == {sampling.START}
