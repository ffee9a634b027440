"""Say what can be told of target and protected attribute from the original's features."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files, Group, Job, Running
from rightreasons.stages._tables import stamp_of, write_stamped


class FeasibilityInput(Files):
    """Split, features of the select images and index of the pool of each group, in their order."""

    provenance: Path
    splits: tuple[Path, ...]
    features: tuple[Path, ...]
    indices: tuple[Path, ...]


class FeasibilityTable(Files):
    """What a linear probe of the original's features can tell."""

    feasibility: Path = Path("feasibility.parquet")


class FeasibilityJob(Job):
    """Make the table `feasibility`.

    Attributes
    ----------
    study
        Its name.
    groups
        All groups of the study.
    original
        The method whose features are probed.
    replicates
        Bootstrap replicates.
    """

    input: FeasibilityInput
    output: FeasibilityTable
    study: str
    groups: tuple[Group, ...]
    original: str
    replicates: int


def tabulate_feasibility(job: FeasibilityJob, running: Running) -> None:
    """Probe the features of every group that has select images, write."""
    import numpy as np
    import pandas as pd

    from rightreasons.core.seeds import numpy_rng
    from rightreasons.learning.predictions import role_of
    from rightreasons.tables.feasibility import feasibility
    from rightreasons.tables.tabulate import key_of

    running.ready()
    files, rows = job.input, []
    parts = zip(job.groups, files.splits, files.features, files.indices, strict=True)
    for group, split, features, index in running.progress(list(parts), "probe"):
        select = role_of(pd.read_parquet(split), "select")
        told = np.load(features)
        several = (select[["target", "protected"]] > 1).to_numpy().any()
        # A network from elsewhere may show its outputs alone.
        if select.empty or several or not len(told):
            continue
        people = pd.read_parquet(index, columns=["row", "identity"])
        found = feasibility(
            told,
            select,
            people,
            rng=numpy_rng(group.seed, "feasibility", *group.stream),
            replicates=job.replicates,
        )
        rows.append({**key_of(job.study, group), "method": job.original, **found})
    table = pd.DataFrame(rows)
    write_stamped([table], "feasibility", job.output.feasibility, stamp_of(files.provenance))
