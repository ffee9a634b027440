"""The process of a job: its log, progress bars, readable errors, thread counts."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from rightreasons.core.components import load_components
from rightreasons.core.errors import UserError
from rightreasons.core.files import cannot_write
from rightreasons.core.job import Job, Running
from rightreasons.runtime.damage import damaged
from rightreasons.runtime.lifeline import SNAKEMAKE, end_with

J = TypeVar("J", bound=Job)
#: The environment variable that keeps progress bars off the terminal, where it says `off`.
BARS = "RIGHTREASONS_BARS"


def run(work: Callable[[J, Running], None], kind: type[J], snakemake: Any) -> None:
    """Do the job of a script.

    The log gets the place, the end and any traceback; the terminal gets progress bars, and one
    line when something is wrong with the user's input.

    Parameters
    ----------
    work
        The function of `rightreasons.stages` that does such jobs.
    kind
        The class of their descriptions.
    snakemake
        What Snakemake gives a script: input, output, params.job, wildcards, threads, log.
    """
    if starter := os.getenv(SNAKEMAKE):
        end_with(starter)
    begin_log(Path(snakemake.log[0]))
    limit_threads(snakemake.threads)
    job = kind.received(snakemake.input, snakemake.output, snakemake.params.job)
    if job.deterministic:
        from rightreasons.runtime.devices import be_deterministic

        be_deterministic()
    started = time.perf_counter()
    label = " ".join(map(str, snakemake.wildcards))
    try:
        load_components(job.components)
        work(job, Running(partial(progress_bar, label=label), snakemake.threads, ready))
    except UserError as error:
        logging.info(traceback.format_exc())
        sys.exit(f"error: {error}")
    except BaseException as error:
        logging.info(traceback.format_exc())
        if isinstance(error, Exception) and (broken := damaged(job.input)):
            sys.exit(
                f"error: {', '.join(broken)}: damaged, no whole file. Delete it and run again."
            )
        raise
    logging.info("done in %.1f s, %.2f s of the processor", time.perf_counter() - started, used())


def begin_log(path: Path) -> None:
    """Write the log's first line, and let what is logged and warned of follow it.

    A disk that is full or read-only is so known before a job has worked for hours: then the process
    ends, with one line.

    Parameters
    ----------
    path
        The log's file, which is written anew.
    """
    try:
        now = datetime.now().isoformat(" ", "milliseconds").replace(".", ",")  # as logging has it
        path.write_text(f"{now} {place()}\n")
    except OSError as error:
        sys.exit(f"error: {path} cannot be written: {cannot_write(error) or error}")
    logging.raiseExceptions = False  # a disk that fills up later is told of by what is written
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(message)s", force=True
    )
    logging.captureWarnings(True)


def place() -> str:
    """Return where a job runs: the node, and in SLURM the job's number and GPUs."""
    import socket

    node = os.getenv("SLURMD_NODENAME", socket.gethostname())
    number, gpus = os.getenv("SLURM_JOB_ID", "none"), os.getenv("CUDA_VISIBLE_DEVICES", "not set")
    return f"on {node}, SLURM job {number}, CUDA_VISIBLE_DEVICES {gpus}"


def limit_threads(threads: int) -> None:
    """Give torch and the BLAS libraries as many threads as Snakemake gave the job."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)


@cache  # once in a process
def ready() -> None:
    """Log that imports are over and the job's own work begins, and what came before it.

    Progress bars call it; a script without one calls it after its imports.
    """
    logging.info("ready after %.2f s, %.2f s of the processor", age(), used())


def age() -> float:
    """Return the seconds since this process started.

    psutil alone is off by up to a second on Linux: it adds to the boot's time, in whole seconds.
    """
    import psutil

    start = psutil.Process().create_time()
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return time.time() - start
    return time.clock_gettime(time.CLOCK_BOOTTIME) - (start - psutil.boot_time())


def used() -> float:
    """Return the seconds of processor time of this process and of those that it waited for."""
    return sum(os.times()[:4])


def progress_bar(items: Iterable[Any], description: str, label: str = "") -> Any:
    """Wrap an iterable in a tqdm bar that says which cell it belongs to.

    Parameters
    ----------
    items
        What is iterated over.
    description
        What is done.
    label
        The job's wildcards.
    """
    from tqdm import tqdm

    ready()
    pause = 0.5 if sys.stderr.isatty() else 10
    text, off = f"{label} {description}".strip(), os.getenv(BARS) == "off"
    return tqdm(items, desc=text, mininterval=pause, leave=False, disable=off)
