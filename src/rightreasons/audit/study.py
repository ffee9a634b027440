"""The study that an audit is: one network as it is, its images, and marks laid over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Where the built-in watermarks and the plain patch that they are compared with lie.
PLACE = [0.04, 0.82, 0.50, 0.96]
#: What is laid over the images. The plain patch covers what the watermark covers, and says nothing.
MARKS: dict[str, dict[str, Any]] = {
    "watermark": {"position": PLACE},
    "watermark_opaque": {"kind": "watermark", "position": PLACE, "opacity": 1.0},
    "plain": {"kind": "patch", "position": PLACE, "colour": [128, 128, 128]},
    "frame": {},
    "tint": {},
}
#: What is drawn on faces: they must be aligned as CelebA's are.
FACE_MARKS: dict[str, dict[str, Any]] = {"glasses": {}, "hat": {}, "necktie": {}}
#: The mark that tells whether a place was covered from what was written there.
PLAIN = "plain"
#: Explainers that need no more of a network than an input gradient, and the controls.
EXPLAINERS: dict[str, dict[str, Any]] = {
    "gradient_squared": {},
    "integrated_gradients": {"steps": 16},
    "smoothgrad": {"samples": 8},
    "occlusion": {"grid": 8},
}
CONTROLS: dict[str, dict[str, Any]] = {"random": {}, "edges": {}}
#: In place of a region that nobody has named.
WHOLE = [0.0, 0.0, 1.0, 1.0]
#: The task of the user's own attributes, and the prefix of those of marks.
OWN, BY = "audit", "by_"
STUDY, DESIGN, METHOD = "audit", "as_is", "vanilla"


@dataclass(frozen=True)
class Asked:
    """What is to be audited.

    Attributes
    ----------
    model
        Keys of the config's `model`, `train` aside.
    dataset
        Keys of the dataset.
    target, protected
        Attributes or expressions; several protected ones are an intersection.
    roi
        Where the protected attribute is to be seen; None where nobody knows.
    explainers
        Names, or names with parameters; the controls come along.
    marks
        Names with parameters of what is laid over the images.
    images
        The most images that are predicted, of which `maps` are explained.
    seed
        Of the choice of images and of what explainers draw.
    """

    model: Mapping[str, Any]
    dataset: Mapping[str, Any]
    target: str
    protected: Sequence[str]
    roi: list[float] | Mapping[str, Any] | None = None
    explainers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: EXPLAINERS)
    marks: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MARKS)
    images: int = 2000
    maps: int = 64
    seed: int = 0


def config_of(asked: Asked, folder: Path) -> dict[str, Any]:
    """Return the config of an audit.

    Parameters
    ----------
    asked
        What is to be audited.
    folder
        Where its results lie.

    Returns
    -------
    dict
        A study with one network that is not trained. Its task `audit` has the user's attributes;
        each mark has a task of its own, whose test images are there without and with it.
    """
    own = {"dataset": "images", "target": asked.target, "designs": [DESIGN]}
    protected = list(asked.protected)
    tasks: dict[str, Any] = {
        OWN: {
            **own,
            "protected": protected[0] if len(protected) == 1 else protected,
            "roi": asked.roi if asked.roi is not None else WHOLE,
        }
    }
    for mark in asked.marks:
        tasks[BY + mark] = {**own, "protected": mark, "roi": {"artifact": mark}}
    return {
        "study": STUDY,
        "seeds": [asked.seed],
        "results": str(folder / "results"),
        "data": str(folder / "data"),
        "datasets": {"images": {"kind": "folder", **asked.dataset}},
        "artifacts": {name: dict(given) for name, given in asked.marks.items()},
        "tasks": tasks,
        "designs": {DESIGN: {"shares": {"test": 1}, "max_images": {"test": asked.images}}},
        "model": {**asked.model, "train": False},
        "methods": {METHOD: {}},
        "controls": False,
        "explain": {
            "images": asked.maps,
            "explained_class": "predicted",
            "sets": {"main": {**{k: dict(v) for k, v in asked.explainers.items()}, **CONTROLS}},
        },
    }
