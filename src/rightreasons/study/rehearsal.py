"""Which networks of a study are tried when a run starts, before the first job."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.models.facts import is_outside
from rightreasons.study.check_models import images_of
from rightreasons.study.grid import Grid
from rightreasons.study.sections import StudyConfig


def cases(study: StudyConfig) -> list[dict[str, Any]]:
    """Return what is tried: networks with weights of a file, and those of other libraries.

    Of all others everything is known by their names (`study.check_models`).
    """
    grid = Grid(study)
    found: list[dict[str, Any]] = []
    for task in study.tasks:
        model = study.task_model(task)
        if model.path() is None and model.train and not is_outside(model.architecture):
            continue
        explainers = {e: p for s in grid.sets(task) for e, p in study.explain.sets[s].items()}
        case = {
            "where": f"tasks.{task}." if study.tasks[task].model else "",
            "model": model.model_dump(),
            "side": images_of(study, task),
            "explainers": explainers,
        }
        if all({**case, "where": one["where"]} != one for one in found):
            found.append(case)
    return found


def rehearse_study(study: StudyConfig) -> None:
    """Try the networks of a study in a process of its own; nothing where torch is elsewhere.

    Raises
    ------
    UserError
        Where weights do not fit, an image does not pass, or an explainer refuses a network.
    """
    tried = cases(study)
    if not tried or find_spec("torch") is None:
        return
    told = json.dumps({"components": list(study.components), "cases": tried})
    command = [sys.executable, "-m", "rightreasons.models.rehearse"]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    if done.returncode == 1 and done.stdout.startswith("config: "):
        raise UserError(done.stdout.strip())
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(f"config: model: the network could not be tried: {last}")
