"""Try a study's networks when a run starts: do weights fit, and can they be explained?

In a process of its own, so that Snakemake's need not hold torch:
python -m rightreasons.study.rehearsal < cases.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rightreasons.core.components import load_components
from rightreasons.core.errors import UserError, reason
from rightreasons.models.config import ModelConfig
from rightreasons.models.facts import TIMM, is_outside
from rightreasons.saliency import EXPLAINERS
from rightreasons.study.check_models import images_of
from rightreasons.study.grid import Grid
from rightreasons.study.sections import StudyConfig

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


def cases(study: StudyConfig) -> list[dict[str, Any]]:
    """Return what is tried: networks with weights of a file, and those of other libraries.

    Of all others everything is known by their names (`study.check_models`).
    """
    grid = Grid(study)
    found: list[dict[str, Any]] = []
    for task in study.tasks:
        model = study.task_model(task)
        if model.path() is None and model.train and not is_outside(model.architecture):
            continue
        explainers = {e: p for s in grid.sets(task) for e, p in study.explain.sets[s].items()}
        case = {
            "where": f"tasks.{task}." if study.tasks[task].model else "",
            "model": model.model_dump(),
            "side": images_of(study, task),
            "explainers": explainers,
        }
        if all({**case, "where": one["where"]} != one for one in found):
            found.append(case)
    return found


def rehearse_study(study: StudyConfig) -> None:
    """Try the networks of a study in a process of its own; nothing where torch is elsewhere.

    Raises
    ------
    UserError
        Where weights do not fit, an image does not pass, or an explainer refuses a network.
    """
    tried = cases(study)
    if not tried or find_spec("torch") is None:
        return
    told = json.dumps({"components": list(study.components), "cases": tried})
    command = [sys.executable, "-m", "rightreasons.study.rehearsal"]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    if done.returncode == 1 and done.stdout.startswith("config: "):
        raise UserError(done.stdout.strip())
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise UserError(f"config: model: the network could not be tried: {last}")


def rehearse(model: ModelConfig, side: int, explainers: dict[str, dict[str, Any]]) -> None:
    """Build a network, put an image through it, and explain it.

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
    import torch

    from rightreasons.models.architectures import build_classifier
    from rightreasons.models.trained import open_trained

    network = open_trained(model) if not model.train else build_classifier(**model.starting())
    network.eval()
    image = torch.zeros(1, 3, side, side)
    try:
        with torch.no_grad():
            network(image)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"model.architecture: {model.architecture} does not take images of {side} pixels"
            f"{_resized(model)}: {reason(error)} {_way_on(model, side)}"
        ) from error
    for given in explainers.values():
        _explain(network, image, given)


def _explain(network: Classifier, image: torch.Tensor, given: dict[str, Any]) -> None:
    import torch

    from rightreasons.core.seeds import generator_of

    explainer = EXPLAINERS[given["kind"]]
    if explainer.traits["reads"] == "layers":
        params = explainer.params.model_validate({k: v for k, v in given.items() if k != "kind"})
        with explainer.run(network, params, generator_of(0)) as explain:
            explain(image, torch.zeros(1, dtype=torch.int64))


def _way_on(model: ModelConfig, side: int) -> str:
    """Return what to do where images do not pass."""
    if not model.architecture.startswith(TIMM):
        return "Set `model.input: {size: ...}` to what it takes."
    asked = side if model.input is None or model.input.size is None else model.input.size
    return (
        "Leave `size` of `model.input` out, and images are resized to what timm says of the "
        f"network; or set `model.image_size: {asked}` to have it built for that, if it is a ViT."
    )


def _resized(model: ModelConfig) -> str:
    side = None if model.input is None else model.input.size
    return "" if side is None else f", resized to {side},"


def main() -> int:
    """Rehearse the cases of the standard input; print the first mistake, and return 1."""
    told = json.load(sys.stdin)
    if told["components"]:
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
