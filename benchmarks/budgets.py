"""What methods reach with which budget: the demo's faces and network, on balanced test images.

    python -m benchmarks.budgets --seeds 0 1 --runs finetune zhang "zhang preset=detoxai"

Prints a row per run and seed: equalized odds, accuracy, accuracy of the worst cell, share decided
1, and seconds. Test images are looked at to see what can be reached, as defaults must be chosen
by somebody; a study's own tuning never looks at them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rightreasons.contracts.fakes import CPU, cells, make_context, quiet
from rightreasons.core.seeds import numpy_rng, torch_generator
from rightreasons.data.synthfaces import render, sample_latents
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.decisions import probability
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import predict_logits, train
from rightreasons.models.architectures import build_classifier

COUNTS = {"train": 1000, "debias": 500, "test": 600}
#: As in config.yaml.
TRAINING = TrainingConfig(
    epochs=10, batch_size=64, learning_rate=1e-3, schedule="cosine", augment="flip"
)
RUNS = ("vanilla", "finetune", "a_clarc", "rr_clarc", "zhang", "savani_aft")


@dataclass
class Cell:
    """What methods are given, and the test images."""

    context: Context
    test: LabelledImages


def faces(seed: int, phi: float, size: int = 64) -> dict[str, LabelledImages]:
    """Return train and debias with phi, and a balanced test, of Smiling by Wearing_Necktie."""
    latents = sample_latents(12000, seed=seed)
    cell = (2 * latents["Smiling"] + latents["Wearing_Necktie"]).to_numpy()
    left = {k: list(np.flatnonzero(cell == k)) for k in range(4)}
    roles = {}
    for role, n in COUNTS.items():
        target, protected = cells(n, 0.0 if role == "test" else phi)
        order = numpy_rng(seed, "budgets", role).permutation(len(target))
        target, protected = target[order], protected[order]
        rows = [left[2 * t + a].pop(0) for t, a in zip(target, protected, strict=True)]
        roles[role] = LabelledImages(
            render(latents.iloc[rows], size)[0],
            torch.from_numpy(target.astype(np.int64)),
            torch.from_numpy(protected.astype(np.int64)),
            [f"{role}-{row}" for row in rows],
        )
    return roles


def made(seed: int, phi: float) -> Cell:
    """Return a cell with its vanilla network trained."""
    roles = faces(seed, phi)
    vanilla = build_classifier("small_cnn", seed=seed)
    generator = torch_generator(seed, "train")
    train(vanilla, roles["train"], TRAINING, generator=generator, device=CPU, progress=quiet)
    context = make_context(vanilla, roles["debias"], roles["train"], TRAINING, seed)
    return Cell(context, roles["test"])


def measured(cell: Cell, name: str, params: dict[str, Any]) -> dict[str, float]:
    """Return what a method does on the test images."""
    method = METHODS[name]
    start = time.perf_counter()
    debiased: Debiased = method.run(cell.context, method.params(**params))
    seconds = time.perf_counter() - start
    score = probability(
        predict_logits(debiased.model or cell.context.vanilla(), cell.test.images, CPU)
    )
    target, protected = cell.test.target.numpy(), cell.test.protected.numpy()
    decided = debiased.decision.decide(score, protected, cell.test.image_ids)
    rate = np.array(
        [[decided[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
    )
    right = np.stack([1 - rate[0], rate[1]])
    return {
        "equalized odds": float(np.abs(rate[:, 1] - rate[:, 0]).max()),
        "accuracy": float(right.mean()),
        "worst cell": float(right.min()),
        "decided 1": float(decided.mean()),
        "seconds": seconds,
    }


def parsed(run: str) -> tuple[str, dict[str, Any]]:
    """Return method and parameters of `zhang preset=published steps=300`."""
    name, *pairs = run.split()
    given = dict(pair.split("=") for pair in pairs)
    preset = METHODS[name].traits["presets"][given.pop("preset")] if "preset" in given else {}
    # JSON's numbers, which YAML does not read where an exponent has no point; the rest are words.
    numbers = {k: json.loads(v) if v[0].isdigit() else v for k, v in given.items()}
    return name, {**preset, **numbers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--phi", type=float, default=0.5)
    parser.add_argument("--runs", nargs="+", default=RUNS, help="a method and its parameters")
    args = parser.parse_args()
    for seed in args.seeds:
        cell = made(seed, args.phi)
        for run in args.runs:
            name, params = parsed(run)
            numbers = measured(cell, name, params)
            row = "  ".join(f"{key} {value:.3f}" for key, value in numbers.items())
            print(f"{seed}  {run:40}  {row}", flush=True)


if __name__ == "__main__":
    main()
