"""Where the processor time of a Python command goes, by what is on its stack.

    python benchmarks/sampling.py OUT.json snakemake -n ...

A look at the stack every 5 ms of processor time. cProfile counts every call instead, which makes
small functions look three times as slow as they are: planning is made of them.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

INTERVAL = 0.005
Frame = tuple[str, str]  # file, function

# The first row that applies to a stack names what the time went to.
READING = "ours: reading config and rules"
FUNCTIONS = "ours: functions of the rules"
WHERE = {
    "update_needrun": "Snakemake: which jobs must run",
    "_build_dag": "Snakemake: jobs and their files",
    "schedule": "Snakemake: listing or running jobs",
    "execute": "Snakemake: checks of the graph",
}
START = "Snakemake: start-up"


def phase(stack: list[Frame]) -> str:
    """Return what a stack, innermost frame first, is about.

    Reading is everything below the Snakefile itself, our imports included; functions of the rules
    are everything below one of them or of the library.
    """
    ours = [name for file, name in stack if is_ours(file)]
    if "<module>" in ours:
        return READING
    if ours:
        return FUNCTIONS
    names = {name for _, name in stack}
    return next((what for name, what in WHERE.items() if name in names), START)


def is_ours(file: str) -> bool:
    """Return whether a file is the Snakefile, one of the rules or of the library."""
    parts = Path(file).parts
    return file.endswith(".smk") or "Snakefile" in parts or "rightreasons" in parts


def frames(frame: FrameType | None) -> Iterator[Frame]:
    """Yield file and function of a frame and of all below it."""
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_code.co_name
        frame = frame.f_back


def sampled(main: Callable[[], object]) -> Counter[str]:
    """Return how many looks fell into each phase of `main`, which may end by SystemExit."""
    counts: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        counts[phase(list(frames(frame)))] += 1

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    try:
        main()
    except SystemExit:
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return counts


def main() -> None:
    """Run the module that the arguments name and write seconds by phase as JSON."""
    out, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    counts = sampled(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))
    Path(out).write_text(json.dumps({what: n * INTERVAL for what, n in counts.items()}))


if __name__ == "__main__":
    main()
