"""Cost of the explainers, against one forward pass plus one gradient of the inputs.

    python benchmarks/explainers.py [--architectures resnet18] [--sizes 64 224] [--batch 16]

One thread, processor time. LRP should stay below 2.5 times that cost with its default composite,
integrated gradients with n steps below 1.1 n times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS

COMPOSITES = ("epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1")
STEPS = 8


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of `repeats` runs, after one run to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def input_gradient(model: Classifier, inputs: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the first logits with respect to the inputs."""
    inputs = inputs.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model(inputs)[:, 0].sum(), inputs)
    return gradient


def measure(architecture: str, size: int, batch: int, repeats: int) -> None:
    """Print the cost of each explainer as a multiple of one forward and input gradient."""
    generator = torch.Generator().manual_seed(0)
    model = build_classifier(architecture).to(memory_format=torch.channels_last).eval()
    inputs = torch.randn(batch, 3, size, size, generator=generator)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    classes = torch.arange(batch) % 2
    unit = best_seconds(lambda: input_gradient(model, inputs), repeats)
    print(f"{architecture}, {size} px, batch {batch}: forward + input gradient {unit * 1e3:.0f} ms")
    settings: list[tuple[str, dict[str, object], float]] = [
        ("lrp", {"composite": name}, 2.5) for name in COMPOSITES
    ]
    settings.append(("integrated_gradients", {"steps": STEPS}, 1.1 * STEPS))
    for name, chosen, aim in settings:
        explainer = EXPLAINERS[name]
        with explainer.run(model, explainer.params(**chosen), generator) as explain:
            cost = best_seconds(partial(explain, inputs, classes), repeats) / unit
        print(f"  {name} {next(iter(chosen.values()))}: {cost:.2f} times (aim {aim:.1f})")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architectures", nargs="+", default=["resnet18"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 224])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for architecture in arguments.architectures:
        for size in arguments.sizes:
            measure(architecture, size, arguments.batch, arguments.repeats)


if __name__ == "__main__":
    main()
