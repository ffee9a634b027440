"""Running the job scripts one by one, as Snakemake would, without Snakemake."""

from __future__ import annotations

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rightreasons.core.job import Job
from rightreasons.runtime.job import ready
from rightreasons.study.rules import Rules
from study import ROOT

#: Rules whose script has another name.
SCRIPTS = {"decide": "debias"}


def described(rules: Rules, stage: str, changes: dict[str, Any], wildcards: dict[str, str]) -> Job:
    """Return the description of a job, with some of its parameters changed."""
    return rules.job(stage, wildcards).model_copy(update=changes)


def run_script(
    rules: Rules, stage: str, changes: dict[str, Any] | None = None, threads: int = 1, **w: str
) -> Job:
    """Run the script of a job in this process and return the job's description.

    Parameters
    ----------
    changes
        Parameters that differ from the plan's.
    w
        The job's wildcards.
    """
    job = described(rules, stage, changes or {}, w)
    log = Path(rules.log(stage).format(**w))
    for path in [*_flat(job.output.named()), log]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    snakemake = SimpleNamespace(
        input=job.input.named(),
        output=job.output.named(),
        params=SimpleNamespace(job=job.carried()),
        wildcards=list(w.values()),
        threads=threads,
        log=[str(log)],
    )
    ready.cache_clear()
    handlers = logging.getLogger().handlers[:]
    script = ROOT / "workflow_scripts" / f"{SCRIPTS.get(stage, stage)}.py"
    try:
        runpy.run_path(str(script), init_globals={"snakemake": snakemake}, run_name="__main__")
    finally:
        logging.captureWarnings(False)
        logging.getLogger().handlers[:] = handlers
    return job


def _flat(named: dict[str, str | list[str]]) -> list[str]:
    return [
        path for given in named.values() for path in (given if isinstance(given, list) else [given])
    ]
