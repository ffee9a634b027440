"""Probes of explanation quality: means over images, and how far above the best control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.job import Cell, Chosen
from rightreasons.core.seeds import numpy_rng
from rightreasons.probes import PROBES
from rightreasons.statistics.bootstrap import Interval, bootstrap_mean
from rightreasons.tables.tabulate import key_of

Array = np.ndarray


def probes(
    study: str,
    cells: Sequence[Cell],
    files: Sequence[Path],
    chosen: Sequence[Chosen],
    *,
    replicates: int,
) -> Iterator[pd.DataFrame]:
    """Yield the rows of each cell: one a probe and explainer.

    Parameters
    ----------
    study
        Its name.
    cells, files
        The cell of each file; those of a cell one after the other.
    chosen
        The probes with their kinds, in the order of the rows.
    replicates
        Number of bootstrap samples.
    """
    named = zip(cells, files, strict=True)
    for cell, part in groupby(named, key=lambda one: one[0]):
        values = pd.concat([pd.read_parquet(path) for _, path in part], ignore_index=True)
        key = {**key_of(study, cell.group), "method": cell.method}
        seed = cell.group.seed
        rows = [
            {**key, **row}
            for probe in chosen
            for row in _of_probe(values[values["probe"] == probe.name], probe, seed, replicates)
        ]
        yield pd.DataFrame(rows)


def _of_probe(
    values: pd.DataFrame, probe: Chosen, seed: int, replicates: int
) -> Iterator[dict[str, Any]]:
    """Yield one probe's row for every explainer."""
    traits = PROBES[probe.kind].traits
    by_image = values.pivot(index="image_id", columns="explainer", values="value")
    control = values.groupby("explainer")["control"].first()
    sign = 1 if traits["better"] == "higher" else -1
    floor = best_control(by_image, control, sign)
    for explainer in dict.fromkeys(values["explainer"]):

        def mean(of: Array, what: str, name: str = explainer) -> Interval:
            rng = numpy_rng(seed, "probes", probe.name, name, what)
            return bootstrap_mean(of, rng=rng, replicates=replicates)

        own = by_image[explainer].to_numpy()
        value = mean(own, "value")
        row = {
            "explainer": explainer,
            "probe": probe.name,
            "family": traits["family"],
            "better": traits["better"],
            "control": bool(control[explainer]),
            "value": value.value,
            "ci_low": value.low,
            "ci_high": value.high,
            "n": value.n,
            "floor": floor,
        }
        if floor is not None and not control[explainer]:
            above = mean(sign * (own - by_image[floor].to_numpy()), "above")
            row |= {
                "above_floor": above.value,
                "above_low": above.low,
                "above_high": above.high,
                "pairs": above.n,
            }
        yield row


def best_control(by_image: pd.DataFrame, control: pd.Series, sign: int) -> str | None:
    """Return the control with the best mean, None where none has a value.

    Parameters
    ----------
    by_image
        Values: images x explainers.
    control
        Of each explainer whether it is a control.
    sign
        1 where higher is better, -1 where lower is.
    """
    means = sign * by_image.loc[:, control[by_image.columns]].mean()
    return None if means.isna().all() else str(means.idxmax())
