"""What a Snakemake that is started with such options would do without a word: refused."""

from __future__ import annotations

from collections.abc import Sequence

from rightreasons.core.errors import UserError

_FULL = "--configfiles"


def refuse_repeated(arguments: Sequence[str]) -> None:
    """Refuse `--configfile` given twice: Snakemake reads the files behind the last one only.

    Parameters
    ----------
    arguments
        Of the command line.

    Raises
    ------
    UserError
        With the files, and how to give them.
    """
    given: list[list[str]] = []
    inside = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("-"):
            inside = _FULL.startswith(name) and len(name) > len("--config")
            if inside:
                given.append([value] if equals else [])
        elif inside:
            given[-1].append(argument)
    if len(given) > 1:
        files = [file for group in given for file in group]
        raise UserError(
            f"--configfile is given {len(given)} times, and Snakemake reads the files behind the "
            f"last one only. Put all behind one, the study first: --configfile {' '.join(files)}."
        )
