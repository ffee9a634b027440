"""Localisation metrics against Quantus's, which lives in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from rightreasons.metrics import region_view
from rightreasons.metrics.compute import image_metrics, located_metrics, resolve

from .measure import Comparison, Seconds
from .options import Options

SCRIPT = Path(__file__).parent / "quantus_maps.py"

#: Our metric -> Quantus's of the same name or formula.
SAME = {
    "rrf": "RelevanceMassAccuracy",
    "relevance_rank_accuracy": "RelevanceRankAccuracy",
    "pointing_game": "PointingGame",
    "top_fraction": "TopKIntersection",
    "localisation_auc": "AUC",
}


def quantus(options: Options, maps: np.ndarray, roi: tuple[float, ...]) -> Iterator[Comparison]:
    """Yield five localisation metrics together and each alone; nothing without `--quantus`."""
    if options.quantus is None:
        return
    theirs = maps[: options.pick(32, 4)]
    mine = maps[: options.pick(500, 4)]
    with served(options.quantus, theirs, roi) as ask:
        for chosen in (list(SAME), *([name] for name in SAME)):
            yield Comparison(
                group="quantus",
                what=", ".join(chosen),
                data="maps of {} x {}".format(*maps.shape[1:]),
                unit="maps",
                units=len(mine),
                ours=partial(ours, mine, roi, chosen),
                other=partial(ask, [SAME[name] for name in chosen]),
                against="Quantus: " + ", ".join(SAME[name] for name in chosen),
                other_units=len(theirs),
                aim=1.0,
            )


def ours(maps: np.ndarray, roi: tuple[float, ...], names: list[str]) -> dict[str, np.ndarray]:
    """Compute some of the five metrics of all maps."""
    metrics = {name: params for name, params in resolve().items() if name in names}
    values: dict[str, np.ndarray] = {}
    if "rrf" in metrics:
        values |= image_metrics({"rrf": metrics.pop("rrf")}, view=region_view(maps, roi))
    if metrics:
        nobody = np.zeros(len(maps), dtype=np.int64)
        values |= located_metrics(metrics, maps=maps, roi=roi, protected=nobody)
    return values


@contextmanager
def served(python: str, maps: np.ndarray, roi: tuple[float, ...]) -> Iterator[object]:
    """Give a function that has Quantus compute metrics of `maps` and returns its seconds."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "maps.npy"
        np.save(path, maps)
        command = [python, str(SCRIPT), str(path), json.dumps(roi)]
        process = subprocess.Popen(command, text=True, stdin=-1, stdout=-1)
        try:
            yield partial(answer, process)
        finally:
            process.communicate()


def answer(process: subprocess.Popen[str], names: list[str]) -> Seconds:
    """Ask for metrics by Quantus's names; return the seconds they took there."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(names) + "\n")
    process.stdin.flush()
    return Seconds(json.loads(process.stdout.readline())["seconds"])
