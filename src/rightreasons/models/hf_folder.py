"""What a local folder of a Hugging Face image classifier says of itself, without transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD


def hf_config(folder: str | Path) -> dict[str, Any]:
    """Return what `config.json` holds.

    Raises
    ------
    UserError
        Where there is none, or it names no kind of model.
    """
    path = Path(folder) / "config.json"
    told = _read(path)
    if told is None or "model_type" not in told:
        what = "is not there" if not path.is_file() else "names no model_type"
        raise UserError(
            f"model.architecture: {path} {what}. hf: takes a local folder as save_pretrained "
            "writes it, with config.json and model.safetensors. Nothing is fetched from a hub."
        )
    return told


def hf_input(folder: str | Path) -> dict[str, Any] | None:
    """Return what `preprocessor_config.json` says of images, None where there is none.

    Returns
    -------
    dict
        size, mean, std, range as `models.config.InputConfig` has them. A size of the shortest
        edge is taken for both; a crop is not made, so that nothing of the image is left out.
    """
    told = _read(Path(folder) / "preprocessor_config.json")
    if told is None:
        return None
    crop = told.get("crop_size") if told.get("do_center_crop") else None
    size = _side(crop) or _side(told.get("size"))
    factor = told.get("rescale_factor", 1 / 255) if told.get("do_rescale", True) else 1.0
    normal = told.get("do_normalize", True)
    return {
        "size": size,
        "mean": list(told.get("image_mean") or IMAGENET_MEAN) if normal else [0.0] * 3,
        "std": list(told.get("image_std") or IMAGENET_STD) if normal else [1.0] * 3,
        "range": [0.0, round(255 * float(factor), 6)],
    }


def hf_outputs(folder: str | Path, chosen: list[int | str], key: str) -> list[int]:
    """Return outputs by number, of numbers and labels of `config.json`.

    Raises
    ------
    UserError
        For a label that there is not.
    """
    labels = {str(name): int(i) for i, name in (hf_config(folder).get("id2label") or {}).items()}
    found = []
    for one in chosen:
        if isinstance(one, str) and one not in labels:
            raise UserError(
                f"model.{key}: the model has no label {one!r}{suggestion(one, labels)} Allowed: "
                f"{', '.join(labels) or 'numbers, as config.json has no id2label'}."
            )
        found.append(labels[one] if isinstance(one, str) else one)
    return found


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"model.architecture: {path} is no JSON ({error}).") from error
    return told if isinstance(told, dict) else None


def _side(size: Any) -> int | None:
    """Return the side of an image of a size as preprocessors write it."""
    if isinstance(size, int):
        return size
    if isinstance(size, dict):
        for key in ("height", "shortest_edge", "width"):
            if size.get(key):
                return int(size[key])
    return None
