"""What a finished model leaves behind: weights, metadata with provenance, predictions."""

from __future__ import annotations

import platform
import shutil
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
    """Write `model.safetensors`, `predictions.parquet` and, last, `model.json`.

    model: the network, or the file of the network that this one shares its weights with.
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


def provenance(device: torch.device | str) -> dict[str, Any]:
    """Return device, peak memory in MiB (CUDA only), what did not fit, versions (plug-ins' too)."""
    name, peak = "cpu", None
    if str(device).startswith("cuda"):
        import torch

        name = torch.cuda.get_device_name()
        peak = torch.cuda.max_memory_allocated() / 2**20
    packages = ("rightreasons", "torch", "torchvision", "zennit", "captum")
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
