"""What the terminal shows of a run: told by records as Snakemake makes them."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rightreasons.runtime.terminal import QUIET, Display, opened, stage_of, take_over, wanted

SECONDS = {"train": 10.0, "figures": 1.0}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Run:
    """A display with a logger of its own, and a clock that is set by hand."""

    def __init__(self, stream: io.StringIO | None = None) -> None:
        self.now = 0.0
        self.asked: list[Mapping[str, int]] = []
        self.stream = stream or io.StringIO()
        self.snakemakes = io.StringIO()
        self.display = Display(
            "mine", self.costs, lambda: ["  Open first: x"], self.stream, lambda: self.now
        )
        self.logger = logging.Logger("a run", logging.INFO)
        own = logging.StreamHandler(self.snakemakes)
        own.name = "DefaultStreamHandler"
        self.logger.addHandler(own)
        take_over(self.display, self.logger)

    def costs(self, jobs: Mapping[str, int]) -> tuple[str, dict[str, float]]:
        self.asked.append(jobs)
        return "about 9 min on 2 cores", SECONDS

    def say(self, event: str | None, message: str = "", **told: Any) -> None:
        extra = {"event": event, **told} if event else told
        self.logger.info(message, extra=extra)

    def begin(self, **stats: int) -> None:
        self.say("run_info", "Job stats: ...", stats={**stats, "all": 1, "total": 99})

    def start(self, number: int, rule: str, local: bool = True, **wildcards: str) -> None:
        self.say("job_info", jobid=number, rule_name=rule, wildcards=wildcards, local=local, log=[])

    def finish(self, number: int) -> None:
        self.say("job_finished", f"Finished jobid: {number}", job_id=number)

    def fail(self, number: int, rule: str, log: list[str]) -> None:
        self.logger.error(
            "Error in rule",
            extra={"event": "job_error", "jobid": number, "rule_name": rule, "log": log},
        )

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def test_a_line_a_stage_and_what_is_left() -> None:
    run = Run()
    run.begin(train=2, figure_page=1, figure_runtimes=1)
    assert run.asked == [{"train": 2, "figures": 2}]
    for number, rule in enumerate(("train", "train", "figure_page", "figure_runtimes")):
        run.start(number, rule)
        run.now += 30
        run.finish(number)
    # 20 of 22 s of work took 60 s: 6 s are left
    assert run.lines == [
        "mine: 4 jobs, about 9 min on 2 cores",
        "  train        2 jobs, done after   60 s   91 %, about 6 s left",
        "  figures      2 jobs, done after  2 min   100 %",
    ]
    assert run.snakemakes.getvalue() == ""


def test_what_snakemake_says_of_jobs_is_in_its_log_only() -> None:
    run = Run()
    for message in ("Building DAG of jobs...", "Using shell: bash"):
        run.say(None, message)
    run.say(None, "mine: 3 seeds")
    run.begin(train=1)
    run.say(None, "Select jobs to execute...")
    run.logger.warning("No SLURM account given")
    run.logger.error("LockException", extra={"event": "error"})
    assert run.snakemakes.getvalue() == "mine: 3 seeds\nNo SLURM account given\nLockException\n"


def test_a_failed_job_is_told_with_its_log_and_the_way_on(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("on n1, SLURM job 7\nValueError: 5 is no 4\n")
    for local in (True, False):
        run = Run()
        run.begin(train=2)
        run.start(1, "train", local=local, task="t", seed="0")
        run.fail(1, "train", [str(log)])
        assert run.lines[1] == f"  failed: train t/0. Its log: {log}"
        assert ("    ValueError: 5 is no 4" in run.lines) != local
        run.display.end("full.log")
        assert run.lines[-2].startswith("1 job failed; what was made is kept. The same command")
        assert run.lines[-1] == "Full log: full.log"
        assert not any("Open first" in line for line in run.lines)


def test_a_job_that_never_began_has_no_log_of_an_earlier_run(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("done last week\n")
    os.utime(log, (10, 10))
    run = Run()
    run.begin(train=1)
    run.start(1, "train", local=False)
    run.fail(1, "train", [str(log)])
    assert run.lines[1:] == ["  failed: train. It did not begin."]


def test_a_job_that_works_at_the_second_try_has_not_failed() -> None:
    run = Run()
    run.begin(train=1)
    run.start(1, "train", seed="0")
    run.fail(1, "train", [])
    run.start(1, "train", seed="0")
    run.finish(1)
    run.display.end()
    assert run.lines[-2:] == ["mine: done in 0 s.", "  Open first: x"]


def test_nothing_to_be_done_tells_what_to_open() -> None:
    run = Run()
    run.say(None, "Nothing to be done (all requested files are present and up to date).")
    assert run.lines == ["mine: done.", "  Open first: x"]
    assert run.snakemakes.getvalue().startswith("Nothing to be done")


def test_a_terminal_has_one_line_that_is_written_over() -> None:
    run = Run(Terminal())
    run.begin(train=2, measure=1)
    run.start(1, "train")
    run.start(2, "train")
    run.finish(1)
    last = run.stream.getvalue().split("\r")[-1]
    assert last == "  train 1 of 2 | 48 %, about 0 s left"
    run.finish(2)
    assert run.stream.getvalue().count("\n") == 2


def test_a_file_gets_a_line_now_and_then() -> None:
    run = Run()
    run.begin(train=100)
    for number in range(50):
        run.start(number, "train")
        run.finish(number)
        run.start(100 + number, "train")
        run.now += QUIET / 10
    between = [line for line in run.lines if "of 100" in line]
    assert 3 <= len(between) <= 5


@pytest.mark.parametrize(
    ("rule", "stage"),
    [
        ("train", "train"), ("decide", "debias"), ("twins", "pool"), ("tabulate", "tables"),
        ("tabulate_ranks", "tables"), ("figure_page", "figures"), ("tune_decisions", "tune"),
    ],
)  # fmt: skip
def test_rules_count_as_stages(rule: str, stage: str) -> None:
    assert stage_of(rule) == stage


def settings(**told: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"dryrun": False, "quiet": None, "verbose": False, **told})


def test_who_asks_snakemake_for_something_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted(settings())
    for told in ({"dryrun": True}, {"quiet": {"rules"}}, {"verbose": True}):
        assert not wanted(settings(**told))
    monkeypatch.setenv("RIGHTREASONS_TERMINAL", "snakemake")
    assert not wanted(settings())


def test_the_explorer_comes_first_where_there_is_one(tmp_path: Path) -> None:
    assert opened(tmp_path) == []
    for name in ("report/leaderboard.txt", "report/explorer/index.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lines = opened(tmp_path)
    assert [line.split(":")[0].strip() for line in lines] == [
        "Open first",
        "Leaderboard",
        "One file",
    ]
    assert str(tmp_path / "report/explorer/index.html") in lines[0]
