"""Time the parts of the methods whose cost depends on how they are written.

Zhang's update from two backward passes over all parameters, against two per parameter; P-ClArC's
projection as a vector operation, against its d x d matrix; thropt over all thresholds at once,
against one pass over the data per threshold. Run: python benchmarks/methods.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from rightreasons import thresholds
from rightreasons.adversaries import (
    LogitAdversary,
    debiased_gradient,
    flat_gradient,
    set_gradient,
)
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Projection


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call, after one call that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def zhang_updates(architecture: str, size: int, batch: int) -> tuple[Callable[[], object], ...]:
    """Return one step's gradients, over all parameters at once and parameter by parameter."""
    generator = torch.Generator().manual_seed(0)
    model = build_classifier(architecture).train()
    adversary = LogitAdversary("equalized_odds")
    torch.nn.init.ones_(adversary.weight)
    inputs = torch.randn(batch, 3, size, size, generator=generator)
    target, protected = torch.randint(2, (2, batch), generator=generator)
    weights = list(model.parameters())

    def losses() -> tuple[torch.Tensor, torch.Tensor]:
        logits = model(inputs)
        return F.cross_entropy(logits, target), adversary.loss(logits, target, protected)

    def together() -> None:
        loss, adversary_loss = losses()
        g = flat_gradient(loss, weights, keep_graph=True)
        h = flat_gradient(adversary_loss, weights, keep_graph=False)
        set_gradient(weights, debiased_gradient(g, h, 1.0))

    def one_by_one() -> None:
        loss, adversary_loss = losses()
        for weight in weights:
            (g,) = torch.autograd.grad(loss, weight, retain_graph=True)
            (h,) = torch.autograd.grad(adversary_loss, weight, retain_graph=True)
            flat = debiased_gradient(g.flatten(), h.flatten(), 1.0)
            weight.grad = flat.view_as(weight)

    return together, one_by_one


def projections(width: int, batch: int) -> tuple[Callable[[], object], ...]:
    """Return the projection of a batch of features, as vectors and as a matrix."""
    generator = torch.Generator().manual_seed(0)
    v, z = torch.randn(2, width, generator=generator)
    features = torch.randn(batch, width, generator=generator)
    projection = Projection(v, z)
    matrix = torch.outer(projection.direction, projection.direction)
    return lambda: projection(features), lambda: features - (features - z) @ matrix


def threshold_searches(n: int) -> tuple[Callable[[], object], ...]:
    """Return thropt over all thresholds at once, and with one pass per threshold."""
    rng = np.random.default_rng(0)
    target, protected = rng.integers(0, 2, (2, n))
    score = rng.uniform(size=n).astype(np.float32)

    def passes() -> None:
        for threshold in thresholds.candidates(score):
            decision = score >= threshold
            for t in (0, 1):
                for a in (0, 1):
                    decision[(target == t) & (protected == a)].mean()

    return lambda: thresholds.choose_threshold(score, target, protected, 0.02), passes


def main() -> None:
    """Print a table of both ways' times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = {
        "zhang's update, small_cnn, 32 images of 64 px": zhang_updates("small_cnn", 64, 32),
        "zhang's update, resnet18, 8 images of 64 px": zhang_updates("resnet18", 64, 8),
        "projection, 256 x 512": projections(512, 256),
        "projection, 256 x 2048": projections(2048, 256),
        "thropt, 1000 images": threshold_searches(1000),
    }
    print(f"{'':48}{'here':>10}{'other way':>12}{'factor':>9}")
    for name, (fast, slow) in rows.items():
        here, other = seconds(fast, args.repeats), seconds(slow, args.repeats)
        print(f"{name:48}{here * 1e3:8.1f}ms{other * 1e3:10.1f}ms{other / here:9.1f}")


if __name__ == "__main__":
    main()
