"""What is left to reveal: what a linear probe can tell from a network's features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rightreasons.tables.probe import probe

#: What a probe is asked for, and the accuracy of chance.
ASKED = ("target", "protected")
CHANCE = 0.5


def feasibility(
    features: np.ndarray,
    select: pd.DataFrame,
    people: pd.DataFrame,
    *,
    rng: np.random.Generator,
    replicates: int = 1000,
) -> dict[str, float]:
    """Return what balanced linear probes tell of target and protected attribute.

    Parameters
    ----------
    features
        Of the select images (N, d), in the order of `select`.
    select
        The split's rows of the role select: row, target, protected.
    people
        row and identity of the pool's images; a row beyond them is an image with an artifact.
    rng
        Draws folds and replicates.
    replicates
        Number of bootstrap samples.

    Returns
    -------
    dict
        n, and AUROC and accuracy of both with the ends of their intervals.
    """
    cell = (2 * select["target"] + select["protected"]).to_numpy(np.int64)
    together = _together(select["row"].to_numpy(), people)
    row: dict[str, float] = {"n": len(select)}
    for asked in ASKED:
        label = select[asked].to_numpy(np.int64)
        told = probe(features, label, cell, together, rng=rng, replicates=replicates)
        for column, value in (
            (f"{asked}_auroc", told.auroc),
            (f"{asked}_accuracy", told.accuracy),
        ):
            row |= {column: value.value, f"{column}_low": value.low, f"{column}_high": value.high}
    return row


def _together(rows: np.ndarray, people: pd.DataFrame) -> np.ndarray:
    """Return a number per row: images of a person, and versions of an image, have the same."""
    identity = people.set_index("row")["identity"].loc[rows % len(people)]
    codes, names = pd.factorize(identity)
    alone = codes < 0
    codes[alone] = len(names) + rows[alone] % len(people)
    return codes.astype(np.int64)


def sentence(rows: pd.DataFrame, original: str) -> str:
    """Say what the rows of one task and level tell, as means over seeds.

    Parameters
    ----------
    rows
        Of the table `feasibility`; none where there are no select images.
    original
        The method whose features were probed.
    """
    if rows.empty:
        return (
            f"What can be told from {original}'s features is not known: the splits have no select "
            "images, or more than two groups, or the network shows its outputs alone."
        )
    shown = [f"{asked}_accuracy{end}" for asked in ASKED for end in ("", "_low", "_high")]
    mean = rows[shown].mean(skipna=False)
    if mean.isna().any():
        return (
            f"What can be told from {original}'s features is not known: select has a cell with too "
            "few images."
        )
    target, protected = (
        f"{mean[f'{asked}_accuracy']:.2f} "
        f"[{mean[f'{asked}_accuracy_low']:.2f}, {mean[f'{asked}_accuracy_high']:.2f}]"
        for asked in ASKED
    )
    said = (
        f"Select images: a balanced linear probe of {original}'s features tells the target with "
        f"accuracy {target}, the protected attribute with {protected}."
    )
    if mean["target_accuracy_low"] <= CHANCE:
        said += f" At this level nothing is left to reveal: chance is {CHANCE:g}."
    return said
