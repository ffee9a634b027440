"""What a finished model leaves behind: weights, metadata with provenance, predictions."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightreasons.core.files import whole, write_json, write_parquet
from rightreasons.core.registry import plugin_versions
from rightreasons.learning.decisions import Decision, GroupDecision, to_json
from rightreasons.learning.predictions import collapsed, decide
from rightreasons.runtime.devices import reductions

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from rightreasons.models.classifier import Classifier


def write_model(
    folder: Path,
    model: Classifier | Path,
    decision: Decision | GroupDecision,
    predictions: pd.DataFrame,
    device: torch.device | str,
    notes: dict[str, Any],
) -> None:
    """Write `model.safetensors`, `predictions.parquet` and, last, `model.json`, each whole.

    Parameters
    ----------
    folder
        Where to; it must exist.
    model
        The network, or the file of the network that this one shares its weights with.
    decision
        Its decision rule.
    predictions
        As from `rightreasons.learning.predictions.predict`; the rule's decisions are added.
    device
        Where it was computed.
    notes
        What else belongs into model.json.

    Raises
    ------
    UserError
        If the disk is full or must not be written to.
    """
    decided = decide(predictions, decision)
    if isinstance(model, Path):
        with whole(folder / "model.safetensors") as scratch:
            shutil.copyfile(model, scratch)
    else:
        from rightreasons.models.storage import save_model

        save_model(model, folder / "model.safetensors")
    write_parquet(decided, folder / "predictions.parquet")
    record = {
        "decision": to_json(decision),
        "collapsed": collapsed(decided),
        **provenance(device),
        **notes,
    }
    write_json(record, folder / "model.json")


def labels_used(
    split: pd.DataFrame,
    target: Collection[str],
    protected: Collection[str],
    needs: Collection[str] = (),
    regions: int = 0,
) -> dict[str, int | bool]:
    """Return how many labels a method used, and what else it was told.

    Parameters
    ----------
    split
        The cell's split.
    target, protected
        Where it uses target and protected attribute, as its traits say: train, fit, regions,
        decision.
    needs
        What it needs beside, as its trait says.
    regions
        Labels of the protected attribute that the patch classifiers it looks through were
        trained on.

    Returns
    -------
    dict
        target and protected (labels), decision (whether the protected attribute of the image that
        is decided on is used), masks and twins (whether it was given the place of the protected
        attribute, or images with the attribute switched).
    """
    roles = split["role"].value_counts()
    size = {
        "train": int(roles.get("train", 0)),
        "fit": int(roles.get("debias", 0)),
        "regions": regions,
        "decision": 0,
    }
    return {
        "target": sum(size[place] for place in target),
        "protected": sum(size[place] for place in protected),
        "decision": "decision" in protected,
        "masks": bool({"masks", "roi"} & set(needs)),
        "twins": "twins" in needs,
    }


def provenance(device: torch.device | str) -> dict[str, Any]:
    """Return where and with what a job computed.

    Parameters
    ----------
    device
        Where it computed.

    Returns
    -------
    dict
        device (a GPU's name, or cpu), peak_gpu_mib (None on the CPU), reduced_batches (what did not
        fit), python, versions (plug-ins too).
    """
    name, peak = "cpu", None
    if str(device).startswith("cuda"):
        import torch

        name = torch.cuda.get_device_name()
        peak = torch.cuda.max_memory_allocated() / 2**20
    packages = ("rightreasons", "torch", "torchvision", "captum")
    return {
        "device": name,
        "peak_gpu_mib": peak,
        "reduced_batches": dict(reductions),
        "python": platform.python_version(),
        "versions": {**{name: _version(name) for name in packages}, **plugin_versions()},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
