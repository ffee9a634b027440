"""Choose the parameters of a tuned method from its trials."""

from __future__ import annotations

import json
from pathlib import Path

from rightreasons.core.job import Files, Job, Running


class ChooseInput(Files):
    """The trials of all tuning seeds, and of all levels that are tuned together."""

    trials: tuple[Path, ...]


class Choice(Files):
    """The chosen parameters."""

    chosen: Path = Path("chosen.json")


class ChooseJob(Job):
    """Choose a method's parameters for one task, design and level.

    Attributes
    ----------
    method
        The tuned method's name.
    criterion
        Its name in `tuning.criteria`.
    tolerance
        What the criterion may give up.
    """

    input: ChooseInput
    output: Choice
    method: str
    criterion: str
    tolerance: float


def choose(job: ChooseJob, running: Running) -> None:
    """Read the trials, choose, write the parameters and what they reached."""
    import pandas as pd

    from rightreasons.core.errors import UserError
    from rightreasons.core.files import write_json
    from rightreasons.tuning.criteria import choose as chosen_of
    from rightreasons.tuning.criteria import means_of

    running.ready()
    trials = pd.concat([pd.read_parquet(path) for path in job.input.trials], ignore_index=True)
    try:
        number = chosen_of(trials, job.criterion, job.tolerance)
    except UserError as error:
        said = trials["error"].dropna()
        first = f" The first error: {said.iloc[0]}" if len(said) else ""
        raise UserError(f"methods.{job.method}: {error}{first}") from None
    first_row = trials[trials["trial"] == number].iloc[0]
    write_json(
        {
            "trial": number,
            "source": first_row["source"],
            "params": json.loads(first_row["params"]),
            "criterion": job.criterion,
            "tolerance": job.tolerance,
            "select": means_of(trials).loc[number].to_dict(),
        },
        job.output.chosen,
    )
