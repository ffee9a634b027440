"""What the terminal shows of a run: a line a stage, how far it is, how long it will take.

Snakemake prints some 15 lines a job. Here its records are counted; the full log is in its file.
What is wrong is shown at once, with the log of the job.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rightreasons.runtime.clock import TOLERANCE, duration

#: The environment variable that asks for Snakemake's own messages, where it says `snakemake`.
TERMINAL = "RIGHTREASONS_TERMINAL"
#: Rules that count as another stage.
STAGES = {
    "twins": "pool",
    "fenced_region": "region",
    "decide": "debias",
    "explain_witness": "witness",
    "tune_decisions": "tune",
}
#: Messages without an event that say nothing to a user.
_IDLE = (
    "Assuming unrestricted",
    "Building DAG",
    "Using shell",
    "Conda environments: ignored",
    "Group jobs: inactive",
    "Config file ",
)
_EVENTS = frozenset(
    {
        *("workflow_started", "resources_info", "run_info", "job_info", "job_started"),
        *("job_finished", "group_info", "progress", "shellcmd", "job_error", "group_error"),
    }
)
_NOTHING = "Nothing to be done"
#: Seconds between two lines on how far it is, where no terminal can be written over.
QUIET = 600.0


def stage_of(rule: str) -> str:
    """Return the stage that a rule's jobs count as."""
    for begin, stage in (("figure_", "figures"), ("tabulate", "tables")):
        if rule.startswith(begin):
            return stage
    return STAGES.get(rule, rule)


@dataclass
class Progress:
    """How far a stage is.

    Attributes
    ----------
    total, done, running
        Its jobs.
    """

    total: int = 0
    done: int = 0
    running: int = 0


#: From the jobs of each stage to what they cost, in words, and the seconds of one job by stage.
Costs = Callable[[Mapping[str, int]], tuple[str, Mapping[str, float]]]


class Display(logging.Handler):
    """Counts Snakemake's records and prints what matters of them.

    Parameters
    ----------
    study
        Its name.
    costs
        What a run costs; asked for when it begins.
    ending
        What to open at the end, line by line.
    stream
        Where to print.
    clock
        Seconds that only grow.
    """

    def __init__(
        self,
        study: str,
        costs: Costs = lambda jobs: ("", {}),
        ending: Callable[[], list[str]] = list,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.study, self.costs, self.ending, self.clock = study, costs, ending, clock
        self.stream = stream or sys.stderr
        self.stages: dict[str, Progress] = {}
        self.weights: Mapping[str, float] = {}
        self.jobs: dict[int, tuple[str, str, bool]] = {}
        self.failed: set[str] = set()
        self.started = self.said = clock()
        self.begun = time.time()
        self.live = ""
        self.active = False

    # What Snakemake's own handler is to leave out

    def passes(self, record: logging.LogRecord) -> bool:
        """Return whether Snakemake's handler is to print a record as well."""
        if getattr(record, "event", None) in _EVENTS:
            return False
        if record.levelno >= logging.WARNING:
            self.clear()
            return True
        text = str(record.msg)
        return not self.active and not text.startswith(_IDLE)

    # What is printed

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record and print what it changes."""
        try:
            event = getattr(record, "event", None)
            reader = getattr(self, f"_on_{event}", None)
            if reader is not None:
                reader(record)
            elif str(record.msg).startswith(_NOTHING):
                self.end()
        except Exception:
            self.handleError(record)

    def _on_run_info(self, record: Any) -> None:
        stats = getattr(record, "stats", None)
        if not isinstance(stats, Mapping) or self.active:
            return
        self.active, self.started = True, self.clock()
        for rule, count in stats.items():
            if rule not in ("all", "total"):
                self.stages.setdefault(stage_of(rule), Progress()).total += count
        jobs = {name: stage.total for name, stage in self.stages.items()}
        try:
            cost, self.weights = self.costs(jobs)
        except Exception as error:  # an estimate is never worth a run
            cost, self.weights = f"cost unknown ({type(error).__name__}: {error})", {}
        count = sum(jobs.values())
        self.print(f"{self.study}: {count} job{'s' * (count > 1)}{cost and f', {cost}'}")

    def _on_job_info(self, record: Any) -> None:
        stage = self.stages.get(stage_of(record.rule_name))
        if stage is None:
            return
        where = "/".join(map(str, dict(record.wildcards).values()))
        self.jobs[record.jobid] = (record.rule_name, where, record.local)
        stage.running += 1
        self.show()

    def _on_job_finished(self, record: Any) -> None:
        rule, where, _ = self.jobs.get(record.job_id, ("all", "", True))
        self.failed.discard(f"{rule} {where}")  # after another try
        stage = self.stages.get(stage_of(rule))
        if stage is None:
            return
        stage.done, stage.running = stage.done + 1, max(stage.running - 1, 0)
        if stage.done == stage.total:
            self.print(self.line(stage_of(rule), stage))
            self.said = self.clock()
        self.show()

    def _on_job_error(self, record: Any) -> None:
        rule, where, local = self.jobs.get(record.jobid, (record.rule_name, "", True))
        if stage := self.stages.get(stage_of(rule)):
            stage.running = max(stage.running - 1, 0)
        self.failed.add(f"{rule} {where}")
        logs = [path for path in record.log if self._is_new(Path(path))]
        told = f"Its log: {' '.join(logs)}" if logs else "It did not begin."
        self.print(f"  failed: {f'{rule} {where}'.strip()}. {told}")
        if logs and not local:  # what a job on this machine says is on the terminal already
            self.print(_tail(Path(logs[0])))

    def _is_new(self, log: Path) -> bool:
        """Return whether a log is of this run."""
        return log.is_file() and log.stat().st_mtime >= self.begun - TOLERANCE

    # Lines

    def line(self, name: str, stage: Progress) -> str:
        """Return the line of a stage that is done."""
        after = duration(self.clock() - self.started)
        jobs = f"{stage.total} job{'s' * (stage.total > 1)}"
        return f"  {name:9} {jobs:>9}, done after {after:>6}   {self.far()}".rstrip()

    def far(self) -> str:
        """Return how much is done, and how long the rest will take."""
        weights = {name: self.weights.get(name, 1.0) for name in self.stages}
        whole = sum(weights[name] * stage.total for name, stage in self.stages.items())
        done = sum(weights[name] * stage.done for name, stage in self.stages.items())
        if done >= whole:
            return "100 %"
        share = done / whole
        if share < 0.02:
            return f"{share:.0%}".replace("%", " %")
        left = (self.clock() - self.started) * (1 - share) / share
        return f"{share:.0%}, about {duration(left)} left".replace("%", " %")

    def show(self) -> None:
        """Write over the last line of a terminal; elsewhere print a line now and then."""
        working = {n: s for n, s in self.stages.items() if s.running}
        text = ", ".join(f"{name} {stage.done} of {stage.total}" for name, stage in working.items())
        if not working:
            return
        if self.stream.isatty():
            self.clear()
            self.live = f"  {text} | {self.far()}"[: _columns() - 1]
            self.stream.write(self.live)
            self.stream.flush()
        elif self.clock() - self.said > QUIET:
            self.said = self.clock()
            self.print(f"  {text} | {self.far()}")

    def clear(self) -> None:
        """Take the line that is written over off the terminal."""
        if self.live:
            self.stream.write("\r" + " " * len(self.live) + "\r")
            self.live = ""

    def print(self, text: str) -> None:
        """Print lines that stay."""
        self.clear()
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def end(self, log: str = "") -> None:
        """Print what to open, or what failed and how to go on.

        Parameters
        ----------
        log
            The file with all that Snakemake said.
        """
        self.clear()
        if self.failed:
            count = len(self.failed)
            self.print(
                f"{count} job{'s' * (count > 1)} failed; what was made is kept. The same command "
                "goes on from here."
            )
        else:
            took = f" in {duration(self.clock() - self.started)}" if self.active else ""
            for text in (f"{self.study}: done{took}.", *self.ending()):
                self.print(text)
        if log:
            self.print(f"Full log: {log}")


def wanted(settings: Any) -> bool:
    """Return whether a run is to be shown in lines by stage.

    Not in a dry run, nor where Snakemake was told what to print (`--quiet`, `--verbose`,
    `--printshellcmds`, `--logger`), nor where the environment variable TERMINAL says `snakemake`.
    """
    told = ("dryrun", "quiet", "verbose", "printshellcmds", "debug_dag", "log_handler_settings")
    return os.environ.get(TERMINAL) != "snakemake" and not any(
        getattr(settings, name, None) for name in told
    )


def take_over(display: Display, logger: logging.Logger) -> None:
    """Print through a display what Snakemake's own handler would print; its log stays as it is."""
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(display.passes)
    logger.addHandler(display)


def opened(root: Path) -> list[str]:
    """Return what of a study's results to open, the first thing first.

    Parameters
    ----------
    root
        The folder of its results.
    """
    named = [
        ("Open first", root / "report/explorer/index.html"),
        ("Leaderboard", root / "report/leaderboard.txt"),
        ("Tables", root / "tables"),
        ("Figures", root / "report/figures"),
        ("Report", root / "report.html"),
    ]
    lines = [f"  {what + ':':13}{path}" for what, path in named if path.exists()]
    if (root / "report/leaderboard.txt").exists() and not (root / "report.html").exists():
        lines.append(f"  {'One file:':13}snakemake --report {root / 'report.html'}")
    return lines


def _tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log, set in."""
    found = path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in found)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
