"""Cost of the explainers, against one forward pass plus one gradient of the inputs.

    python benchmarks/explainers.py [--architectures resnet18] [--sizes 64] [--batch 16]

One thread, processor time. Prints maps per second of every registered explainer with its default
parameters, then the composites of LRP and integrated gradients. LRP should stay below 2.5 times the
cost with its default composite, integrated gradients with n steps below 1.1 n times.
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
    """Print maps per second, and the cost as a multiple of one forward and input gradient."""
    model = build_classifier(architecture).to(memory_format=torch.channels_last).eval()
    inputs = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    unit = best_seconds(lambda: input_gradient(model, inputs), repeats)
    print(f"{architecture}, {size} px, batch {batch}: forward + input gradient {unit * 1e3:.0f} ms")
    for name in EXPLAINERS.names():
        seconds = cost(name, {}, model, inputs, repeats)
        print(f"  {name:20} {batch / seconds:8.3g} maps/s {seconds / unit:8.2f} times")
    aims: list[tuple[str, dict[str, object], float]] = [
        ("lrp", {"composite": name}, 2.5) for name in COMPOSITES
    ]
    aims.append(("integrated_gradients", {"steps": STEPS}, 1.1 * STEPS))
    for name, chosen, aim in aims:
        times = cost(name, chosen, model, inputs, repeats) / unit
        print(f"  {name} {next(iter(chosen.values()))}: {times:.2f} times (aim {aim:.1f})")


def cost(
    name: str, chosen: dict[str, object], model: Classifier, inputs: torch.Tensor, repeats: int
) -> float:
    """Return the seconds that an explainer takes for the maps of `inputs`."""
    explainer = EXPLAINERS[name]
    classes = torch.arange(len(inputs)) % 2
    generator = torch.Generator().manual_seed(0)
    with explainer.run(model, explainer.params(**chosen), generator) as explain:
        return best_seconds(partial(explain, inputs, classes), repeats)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architectures", nargs="+", default=["resnet18"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[64])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for architecture in arguments.architectures:
        for size in arguments.sizes:
            measure(architecture, size, arguments.batch, arguments.repeats)


if __name__ == "__main__":
    main()
