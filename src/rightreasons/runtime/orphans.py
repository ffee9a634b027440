"""Jobs that a killed Snakemake left in SLURM's queue: list them, wait for them, or cancel them.

Run it where Snakemake runs:

    python -m rightreasons.runtime.orphans             # list; exit code 1 if there are any
    python -m rightreasons.runtime.orphans --wait      # return when the last one has ended
    python -m rightreasons.runtime.orphans --cancel    # cancel, and return when they are gone

Jobs of a study whose Snakemake is alive are no orphans.
"""

import argparse
import sys
import time
from pathlib import Path

from rightreasons.core.errors import UserError
from rightreasons.runtime.guard import held, last_run
from rightreasons.runtime.slurm import Job, cancel, describe, orphans, queued


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--wait", action="store_true", help="return when the last one has ended")
    choice.add_argument("--cancel", action="store_true", help="cancel them all")
    parser.add_argument("--results", default="results", type=Path, help="the folder of studies")
    parser.add_argument("--poll", default=10.0, type=float, help="seconds between two looks")
    chosen = parser.parse_args(arguments)
    try:
        return look(chosen.results, chosen.wait, chosen.cancel, chosen.poll)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def look(results: Path, wait: bool, stop: bool, poll: float) -> int:
    """List the orphans of all studies, and wait for them or cancel them if asked.

    Parameters
    ----------
    results
        The folder of the studies' folders.
    wait, stop
        Return when they have ended; cancel them first.
    poll
        Seconds between two looks.

    Returns
    -------
    int
        The exit code: 1 if there are orphans and nothing is to be done about them, else 0.

    Raises
    ------
    UserError
        If SLURM does not answer.
    """
    found = left_behind(results)
    if not found:
        print("No orphans: no jobs of a killed run are in SLURM's queue.")
        return 0
    print(f"{len(found)} jobs of killed runs are in SLURM's queue:\n{describe(found, len(found))}")
    if stop:
        cancel(found)
    if not (wait or stop):
        print("Wait for them with --wait, or cancel them with --cancel, before the next run.")
        return 1
    while left_behind(results):
        time.sleep(poll)
    print("They are gone.")
    return 0


def left_behind(results: Path) -> list[Job]:
    """Return the jobs of runs that ended without them."""
    living: list[str] = []
    dead: list[str] = []
    for path in results.glob("*/.lock"):
        (living if held(path) else dead).append(last_run(path).jobs)
    return orphans(queued(), Path.cwd(), set(dead) - {""}, living)


if __name__ == "__main__":
    sys.exit(main())
