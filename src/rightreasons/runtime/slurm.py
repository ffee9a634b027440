"""The user's own jobs in a SLURM queue: those that a killed Snakemake left behind are orphans.

Snakemake gives all jobs of a run one name, `<prefix>_<id of the run>`; after `kill -9` they go on,
and no later Snakemake takes them over. A run beside them would write the same files.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightreasons.core.errors import UserError, reason

PREFIX = "rightreasons"  # slurm-jobname-prefix in profiles/slurm
_FIELDS = "%i|%j|%T|%M|%N|%Z|%k"  # number, name, state, time, nodes, folder, comment
#: What Snakemake's plug-in calls: without these it fails job by job, or waits for ever.
_NEEDED = ("sbatch", "squeue", "scancel", "sacct")


@dataclass(frozen=True)
class Job:
    """A job in the queue.

    Attributes
    ----------
    number
        SLURM's.
    run
        The name that all jobs of one Snakemake share.
    state, time, nodes
        As squeue prints them.
    folder
        Where it was submitted.
    what
        Snakemake's comment: the rule and the wildcards.
    """

    number: str
    run: str
    state: str
    time: str
    nodes: str
    folder: str
    what: str  # Snakemake's comment: the rule and the wildcards


def refuse_absence() -> None:
    """Refuse to start where SLURM is not, or does not answer.

    Raises
    ------
    UserError
        With what is missing, and where to start instead.
    """
    instead = (
        "Start on a node from which SLURM takes jobs (a login node; some need `module load slurm`),"
        " or run on this machine: the same command without --workflow-profile."
    )
    if absent := [command for command in _NEEDED if shutil.which(command) is None]:
        raise UserError(
            f"jobs were to go to SLURM, and there is no {', '.join(absent)} on this machine. "
            f"{instead}"
        )
    try:
        queued()
    except UserError as error:
        raise UserError(f"jobs were to go to SLURM, and {error}. {instead}") from None


def report_refusals(executor: Any, submitted: Callable[[Any], Any]) -> None:
    """See that a group of jobs which SLURM does not take fails, and says why.

    In the plug-in (2.8) the handler of errors at submission asks a group for its rule, which it has
    not: the error is lost, and Snakemake waits for ever. And Snakemake (9.27) prints of a failed
    group everything but the reason.

    Parameters
    ----------
    executor
        Snakemake's, which is changed: its `run_job` and `report_job_error`.
    submitted
        From a job to what `report_job_error` takes.
    """
    run, report = executor.run_job, executor.report_job_error

    def report_job_error(info: Any, msg: str | None = None, **told: Any) -> None:
        if msg and info.job.is_group():
            executor.logger.error(f"group {info.job.groupid}: {msg.splitlines()[0]}")
        report(info, msg=msg, **told)

    def run_job(job: Any) -> None:
        try:
            run(job)
        except Exception as error:
            cause = error.__context__ if job.is_group() and error.__context__ else error
            report_job_error(submitted(job), msg=f"SLURM did not get it: {reason(cause)}")

    executor.report_job_error, executor.run_job = report_job_error, run_job


def queued() -> list[Job]:
    """Return the user's jobs that wait, run or are about to end.

    Raises
    ------
    UserError
        If SLURM does not answer or is not there.
    """
    text = _ask("squeue", "--noheader", f"--user={getpass.getuser()}", f"--format={_FIELDS}")
    return [Job(*line.split("|", 6)) for line in text.splitlines()]


def orphans(
    jobs: Iterable[Job], folder: Path, dead: Iterable[str] = (), living: Iterable[str] = ()
) -> list[Job]:
    """Return the jobs of runs that nobody waits for.

    Parameters
    ----------
    jobs
        All of the user's.
    folder
        Where Snakemake runs; jobs with our prefix that were submitted there count.
    dead, living
        Names of runs of which that is known, whatever their prefix.
    """
    dead, living = set(dead), set(living)
    return [
        job
        for job in jobs
        if job.run not in living
        and (job.run in dead or (job.run.startswith(f"{PREFIX}_") and job.folder == str(folder)))
    ]


def cancel(jobs: Iterable[Job]) -> None:
    """Cancel jobs.

    Raises
    ------
    UserError
        If SLURM refuses.
    """
    _ask("scancel", *(job.number for job in jobs))


def describe(jobs: list[Job], most: int = 5) -> str:
    """Return one line per job: number, state, time, node, rule and wildcards."""
    lines = [
        f"  {job.number:>8}  {job.state:<10} {job.time:>10}  {job.nodes or '-':<8} {job.what}"
        for job in jobs[:most]
    ]
    more = [f"  ... and {len(jobs) - most} more"] if len(jobs) > most else []
    return "\n".join([*lines, *more])


def _ask(*command: str) -> str:
    """Return what a command of SLURM prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    except FileNotFoundError:
        raise UserError(
            f"there is no {command[0]} on this machine, so nobody can say which jobs SLURM has"
        ) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = getattr(error, "stderr", None) or error
        raise UserError(f"SLURM does not answer: {command[0]} says {reason(said)}") from None
    return done.stdout
