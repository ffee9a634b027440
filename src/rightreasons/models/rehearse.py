"""Try a study's networks before its first job: do the weights fit, and can they be explained?

Run as a process of its own, so that Snakemake's need not hold torch:
python -m rightreasons.models.rehearse < cases.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from rightreasons.core.errors import UserError, reason
from rightreasons.core.seeds import generator_of
from rightreasons.learning.config import ModelConfig
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.models.trained import open_trained
from rightreasons.saliency import EXPLAINERS


def rehearse(model: ModelConfig, side: int, explainers: dict[str, dict[str, Any]]) -> None:
    """Build a network, put an image through it, and begin to explain it.

    Parameters
    ----------
    model
        The network.
    side
        Of the pool's images, in pixels.
    explainers
        Kind and parameters by name; those that read layers are tried.

    Raises
    ------
    UserError
        Where one of these steps would fail in the study.
    """
    network = open_trained(model) if not model.train else build_classifier(**model.starting())
    network.eval()
    image = torch.zeros(1, 3, side, side)
    try:
        with torch.no_grad():
            network(image)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"model.architecture: {model.architecture} does not take images of {side} pixels"
            f"{_resized(model)}: {reason(error)} Set `model.input: {{size: ...}}` to what it takes."
        ) from error
    for given in explainers.values():
        _begin(network, image, given)


def _begin(network: Classifier, image: torch.Tensor, given: dict[str, Any]) -> None:
    explainer = EXPLAINERS[given["kind"]]
    if explainer.traits["reads"] == "layers":
        params = explainer.params.model_validate({k: v for k, v in given.items() if k != "kind"})
        with explainer.run(network, params, generator_of(0)):
            pass


def _resized(model: ModelConfig) -> str:
    side = None if model.input is None else model.input.size
    return "" if side is None else f", resized to {side},"


def main() -> int:
    """Rehearse the cases of the standard input; print the first mistake, and return 1."""
    told = json.load(sys.stdin)
    if told["components"]:
        from rightreasons.core.components import load_components

        load_components(told["components"])
    for case in told["cases"]:
        try:
            rehearse(ModelConfig(**case["model"]), case["side"], case["explainers"])
        except UserError as error:
            print(f"config: {case['where']}{error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
