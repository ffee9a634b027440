"""Ours against another way, in turns: a comparison, how it is timed, and its row."""

from __future__ import annotations

import math
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

Work = Callable[[], object]
Clock = Literal["wall", "processor"]

#: Shorter work is repeated until one measurement takes about this many seconds.
LEAST = 0.1


class Seconds(float):
    """What a work returns that has timed itself, in another process."""


@dataclass(frozen=True)
class Comparison:
    """Two ways to the same result.

    data: on what: images, size, batch. unit: what is counted, `units` of them in a call of `ours`
    and `other_units` (default: as many) in a call of `other`. kind: a speed-up is our rate over
    the other's and at least `aim`; a cost is our time per unit over the other's and at most `aim`.
    aim: None where nothing was promised. threads: of torch, or the processes used.
    """

    group: str
    what: str
    data: str
    unit: str
    units: int
    ours: Work
    other: Work
    against: str
    kind: Literal["speed-up", "cost"] = "speed-up"
    aim: float | None = None
    other_units: int | None = None
    threads: int = 1


def compare(comparison: Comparison, repeats: int, clock: Clock, least: float = LEAST) -> dict:
    """Return the row of a comparison: rates, the median ratio and the lowest and highest.

    Both are called once without being counted, then in turns; who begins changes every time.
    """
    torch.set_num_threads(comparison.threads)
    works = (comparison.ours, comparison.other)
    calls = [max(1, min(1000, math.ceil(least / timed(work, clock, 1)))) for work in works]
    seconds = np.empty((repeats, 2))
    for repeat in range(repeats):
        for side in (0, 1) if repeat % 2 == 0 else (1, 0):
            seconds[repeat, side] = timed(works[side], clock, calls[side])
    units = (comparison.units, comparison.other_units or comparison.units)
    return row(comparison, seconds / units, clock)


def timed(work: Work, clock: Clock, calls: int) -> float:
    """Return the seconds that one call takes, the mean of several calls."""
    now = time.perf_counter if clock == "wall" else processor_seconds
    start, own = now(), 0.0
    for _ in range(calls):
        result = work()
        own += result if isinstance(result, Seconds) else 0.0
    return (own or max(now() - start, 1e-9)) / calls


def processor_seconds() -> float:
    """Return the processor time of this process and of all child processes that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def row(comparison: Comparison, seconds: np.ndarray, clock: Clock) -> dict[str, Any]:
    """Return a row from seconds per unit (repeats, 2), ours and the other's."""
    c = comparison
    ours, other = seconds.T
    ratios = other / ours if c.kind == "speed-up" else ours / other
    ratio = float(np.median(ratios))
    reached = None
    if c.aim is not None:
        reached = ratio >= c.aim if c.kind == "speed-up" else ratio <= c.aim
    return {
        "group": c.group,
        "what": c.what,
        "data": c.data,
        "threads": c.threads,
        "unit": f"{c.unit}/s",
        "ours": float(1 / np.median(ours)),
        "other": float(1 / np.median(other)),
        "against": c.against,
        "kind": c.kind,
        "ratio": ratio,
        "ratio_low": float(ratios.min()),
        "ratio_high": float(ratios.max()),
        "aim": c.aim,
        "reached": reached,
        "repeats": len(seconds),
        "clock": clock,
        **machine(),
    }


@cache
def machine() -> dict[str, Any]:
    """Return what the numbers depend on: processor, cores, versions."""
    return {
        "cpu": _processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
