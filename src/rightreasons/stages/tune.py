"""Try a method's parameters on one group, and judge each trial on the select images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rightreasons.core.job import Files, Running
from rightreasons.core.seeds import derive
from rightreasons.debias import METHODS
from rightreasons.stages._cell import CellJob, OpenCell
from rightreasons.tuning.draws import Sampler

if TYPE_CHECKING:
    import pandas as pd

    from rightreasons.debias import Debiased


#: Image passes that allow the default budget of fine-tuning, 300 steps of 32, and looking around.
LEAST_BUDGET = 12_000


class Trials(Files):
    """A row per trial."""

    trials: Path = Path("trials.parquet")


class TuneJob(CellJob):
    """Try the parameters of one method on one group.

    Attributes
    ----------
    searched
        The parameters that are drawn; the others stay as the method has them.
    trials
        How many trials there are.
    sampler
        How they are drawn.
    budget
        Image passes that a trial may take; None for as many as training the original took, but at
        least LEAST_BUDGET.
    """

    output: Trials
    searched: tuple[str, ...]
    trials: int
    sampler: Sampler
    budget: int | None


def tune(job: TuneJob, running: Running) -> None:
    """Draw the trials, run one after the other, write their rows."""
    import pandas as pd

    from rightreasons.core.files import read_json, write_parquet
    from rightreasons.tuning.draws import draw_trials
    from rightreasons.tuning.trials import run_trials

    method = METHODS[job.method.kind]
    cell = OpenCell.of(job, running.progress)
    running.ready()
    sizes = {role: int((cell.split["role"] == role).sum()) for role in ("train", "debias")}
    epochs = read_json(job.input.original_metadata)["training"]["epochs"]
    budget = job.budget or max(epochs * sizes["train"], LEAST_BUDGET)
    trials = draw_trials(
        method,
        job.method.params,
        job.searched,
        trials=job.trials,
        sampler=job.sampler,
        seed=derive(0, "trials", job.group.task),
        budget=budget,
        sizes=sizes,
    )
    bar = running.progress(trials, "trials")
    rows = list(run_trials(method, cell.context, bar, lambda made: _on_select(cell, made), budget))
    table = pd.DataFrame(rows).assign(**job.group.model_dump(), method=job.method.name)
    write_parquet(table, job.output.trials)


def _on_select(cell: OpenCell, made: Debiased) -> pd.DataFrame:
    """Return the decisions of what a method made on the select images."""
    from rightreasons.learning.predictions import decide, predict_role, role_of

    if made.model is None:
        known = role_of(cell.predictions, "select")
    else:
        known = predict_role(
            made.model, cell.pool.images, cell.split, "select", cell.context.device
        )
    return decide(known, made.decision)
