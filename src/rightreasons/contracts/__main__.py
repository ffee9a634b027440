"""The command that runs the contract tests over components of the user's, or over all."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rightreasons.core.errors import UserError

HELP = "Run the contract tests over what files, folders and modules register."
EPILOG = "What follows -- is for pytest: rightreasons contracts my_method.py -- -x"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pytest over the chosen components and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser("rightreasons contracts", description=HELP, epilog=EPILOG)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="as in `components` of a study; default: plug-ins"
    )
    parser.add_argument("--all", action="store_true", help="test all that is registered")
    parsed = parser.parse_args(given[:cut])
    try:
        return examine(parsed.names, parsed.all, given[cut + 1 :])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def examine(names: Sequence[str], everything: bool = False, options: Sequence[str] = ()) -> int:
    """Test components.

    Parameters
    ----------
    names
        Files, folders and modules that register them; all installed plug-ins where there are none.
    everything
        Test all components that are registered.
    options
        Passed on to pytest.

    Returns
    -------
    int
        Exit code of pytest: 0 where all is well.

    Raises
    ------
    UserError
        Without pytest, where nothing is to be tested, and as `load_components` does.
    """
    try:
        import pytest
    except ImportError as error:
        raise UserError("the contract tests need pytest: pip install pytest.") from error
    from rightreasons.contracts.chosen import ALL, VARIABLE, sections

    os.environ[VARIABLE] = ALL if everything else os.pathsep.join(names)
    found = {section: components for section, components in sections().items() if components}
    if not found:
        raise UserError(
            "there is nothing to test: no plug-in is installed. Name files, folders or modules "
            "with components (my_method.py), or give --all."
        )
    for section, components in found.items():
        print(f"{section}: {', '.join(components)}")
    folder = Path(__file__).parent
    tests = [path for name in ("components", *found) for path in folder.glob(f"test_{name}*.py")]
    quiet = ("-q", "-p", "no:cacheprovider")  # nothing is left in the user's folder
    return int(pytest.main([*map(str, sorted(tests)), *quiet, *options]))


if __name__ == "__main__":
    sys.exit(main())
