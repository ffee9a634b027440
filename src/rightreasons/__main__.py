"""The command `rightreasons`: its first word says what to do, the module of that word does it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

#: What can be done: the module with `main(arguments) -> exit code`, and a line of help.
COMMANDS = {
    "audit": ("rightreasons.audit.command", "audit a model that was trained elsewhere"),
    "contracts": ("rightreasons.contracts.__main__", "test components of your own, or all"),
    "schema": ("rightreasons.study.schema", "print the JSON schema of a config, for editors"),
    "plan-seeds": ("rightreasons.tables.plan_seeds", "how many seeds find which difference"),
    "contact-sheet": (
        "rightreasons.study.contact_sheet",
        "draw images without and with what a task is about, and its region",
    ),
    "merge": ("rightreasons.study.merge", "results of one study from two machines"),
    "cost": (
        "rightreasons.study.cost_told",
        "what a study will cost: jobs, hours, disk",
    ),
    "orphans": ("rightreasons.runtime.orphans", "jobs that a killed run left in SLURM's queue"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand the command line over to the chosen command and return its exit code."""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="rightreasons",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parser.parse_args(given[:1])
    done: int = importlib.import_module(COMMANDS[chosen.command][0]).main(given[1:])
    return done


if __name__ == "__main__":
    sys.exit(main())
