"""How fast a GPU trains, predicts and explains: python benchmarks/gpu.py [--out FILE]

A ResNet-50 at 224 px on made-up images, as the studies as published have it. Prints images or maps
a second with the device's name, peak memory, and what a map costs in units of one forward pass and
one input gradient; writes the same as Parquet. It runs on a CPU too, with `--toy` in seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rightreasons.core.seeds import torch_generator
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import predict_logits, train
from rightreasons.models.architectures import build_classifier
from rightreasons.runtime.devices import pick_device
from rightreasons.saliency import EXPLAINERS

EXPLAINED = ("lrp", "integrated_gradients", "gradcam", "smoothgrad")


def quiet(items: Iterable[Any], description: str = "") -> Iterable[Any]:
    """Show no progress."""
    return items


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--toy", action="store_true", help="a small network and few images")
    options = parser.parse_args()
    table = pd.DataFrame(measured(options.toy))
    print(table.to_string(index=False, float_format="{:.3g}".format))
    if options.out:
        table.to_parquet(options.out, index=False)


def measured(toy: bool) -> Iterator[dict[str, Any]]:
    """Yield a row per measurement: what, a second, unit of a map, peak MiB, device."""
    device = pick_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    architecture, size, count = ("small_cnn", 32, 128) if toy else ("resnet50", 224, 4096)
    data = made_up(count, size)
    model = build_classifier(architecture, seed=0).to(device)
    config = TrainingConfig.model_validate({"batch_size": 32 if toy else 128})

    def epoch() -> None:
        generator = torch_generator(0, "benchmark")
        train(model, data, config, generator=generator, device=device, progress=quiet)

    def row(what: str, work: Callable[[], object], done: int, unit: float = np.nan) -> dict:
        seconds, peak = timed(work, device)
        speed = {"what": f"{what}, {architecture}, {size} px", "per_second": done / seconds}
        cost = {"units": seconds / done / unit, "peak_mib": peak, "device": name}
        return {**speed, **cost}

    yield row("training images", epoch, count)
    model = model.eval()
    yield row("predictions", lambda: predict_logits(model, data.images, device), count)
    inputs = torch.randn(32, 3, size, size, device=device)
    classes = torch.zeros(32, dtype=torch.long, device=device)
    unit = timed(lambda: passes(model, inputs), device)[0] / len(inputs)
    for explainer in EXPLAINED:
        component = EXPLAINERS[explainer]
        with component.run(model, component.params(), torch.Generator().manual_seed(0)) as run:
            yield row(f"maps by {explainer}", lambda run=run: run(inputs, classes), 32, unit)


def made_up(count: int, size: int) -> LabelledImages:
    """Return random images with random labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    target, protected = (torch.from_numpy(rng.integers(0, 2, count)) for _ in range(2))
    return LabelledImages(images, target, protected, [str(i) for i in range(count)])


def passes(model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return the input gradient of a logit: the unit of an explainer's cost."""
    inputs = inputs.detach().requires_grad_(True)
    return torch.autograd.grad(model(inputs)[:, 0].sum(), inputs)[0]


def timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Return the least seconds of three runs after one, and the peak memory in MiB."""
    cuda = device.type == "cuda"
    work()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    found = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found), torch.cuda.max_memory_allocated() / 2**20 if cuda else np.nan


if __name__ == "__main__":
    main()
