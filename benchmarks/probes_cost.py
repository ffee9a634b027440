"""What probes take: processor seconds of 24 images of 64 px with default parameters, one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.probes_cost

Networks are not trained; maps are those of input x gradient. What explainers share of a probe's
work is in the first number, and not in the second, of one explainer more.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from rightreasons.contracts.fakes import CPU, biased_images, quiet
from rightreasons.core.job import Chosen
from rightreasons.models.architectures import build_classifier
from rightreasons.probes import in_order
from rightreasons.probes.compute import Probed, probe_values
from rightreasons.saliency.maps import explain

N, SIZE = 24, 64
ARCHITECTURES = ("small_cnn", "squeezenet1_1")


def probed(architecture: str, explainers: list[Chosen]) -> Probed:
    data = biased_images(N, 0.0, SIZE)
    model = build_classifier(architecture).to(memory_format=torch.channels_last).eval()
    made, _ = explain(
        model, data.images, data.target, explainers, device=CPU, batch_size=N,
        seed_of=lambda name: 1, progress=quiet,
    )  # fmt: skip
    maps = {chosen.name: own for chosen, own in zip(explainers, made, strict=True)}
    return Probed(
        model, lambda: build_classifier(architecture, seed=1).eval(), data.images, np.arange(N),
        data.target.numpy(), explainers, maps, CPU,
    )  # fmt: skip


def seconds(of: Probed, probe: Chosen) -> float:
    start = time.process_time()
    probe_values(of, [probe], batch_size=N, seed=1, progress=quiet)
    return time.process_time() - start


def main() -> None:
    """Print a table, a row per probe."""
    torch.set_num_threads(1)
    print(f"| probe | {' | '.join(f'{a}, first | one more' for a in ARCHITECTURES)} |")
    print("|---|---|---|---|---|")
    given = {
        architecture: [
            probed(architecture, [Chosen(name=f"e{i}", kind="input_x_gradient") for i in range(n)])
            for n in (1, 2)
        ]
        for architecture in ARCHITECTURES
    }
    for component in in_order():
        row = []
        for one, two in given.values():
            probe = Chosen(name=component.name, kind=component.name)
            first = seconds(one, probe)
            row += [first, max(0.0, seconds(two, probe) - first)]
        print(f"| `{component.name}` | {' | '.join(f'{value:.2f}' for value in row)} |", flush=True)


if __name__ == "__main__":
    main()
