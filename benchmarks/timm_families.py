"""Which kinds of timm's networks LRP and DeepLIFT explain, and why not the others.

python -m benchmarks.timm_families [--largest 40]

Of each of timm's source files the smallest network, if it has at most so many million parameters:
random weights, one image of noise of its own size. Explained means that maps are finite and that
the traced copy's logits are the model's; how far LRP's and DeepLIFT's sums are off is printed too.
About 10 minutes on one core.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator

import timm
import torch

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.saliency import EXPLAINERS

MILLION = 1e6


def smallest(largest: float) -> Iterator[tuple[str, str]]:
    """Yield each source file of timm's and its smallest network, "" where that is too large."""
    by_file = defaultdict(list)
    for name in timm.list_models():
        if not name.startswith("test_"):
            by_file[timm.models.model_entrypoint(name).__module__.rpartition(".")[2]].append(name)
    for file, names in sorted(by_file.items()):
        sizes = {name: parameters(name) for name in names}
        name = min(sizes, key=lambda one: sizes[one])
        yield file, name if sizes[name] <= largest * MILLION else ""


def parameters(name: str) -> float:
    """Return how many parameters a network has."""
    try:
        with torch.device("meta"):
            network = timm.create_model(name)
    except (NotImplementedError, RuntimeError):  # it computes something while it is built
        return float("inf")
    return sum(parameter.numel() for parameter in network.parameters())


def tried(name: str) -> tuple[str, str]:
    """Return what becomes of a network, and more about it."""
    try:
        model = build_classifier(f"timm:{name}").eval()
    except UserError as error:
        return "no linear head", str(error).partition("; ")[0]
    side = timm.get_pretrained_cfg(name).input_size[-1]
    stream = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, side, side, generator=stream)
    errors = []
    for explainer in ("lrp", "deeplift"):
        chosen = EXPLAINERS[explainer]
        try:
            with chosen.run(model, chosen.params(), stream) as run:
                found = run(image, torch.tensor([0]))
        except UserError as error:
            why = str(error).removeprefix(f"{explainer}: ").partition(". Allowed")[0]
            return ("not traced" if "cannot be traced" in why else "no rule"), why
        if not found.maps.isfinite().all():
            return "not finite", explainer
        errors.append(f"{explainer} off by {float(found.error):.0e}")
    return "explained", ", ".join(errors)


def main() -> None:
    """Print a row a file, and how many of each outcome there are."""
    parser = argparse.ArgumentParser(prog="benchmarks.timm_families", description=__doc__)
    parser.add_argument("--largest", type=float, default=40, help="million parameters")
    largest = parser.parse_args().largest
    warnings.simplefilter("ignore")
    outcomes: Counter[str] = Counter()
    for file, name in smallest(largest):
        outcome, more = tried(name) if name else ("too large", "")
        outcomes[outcome] += 1
        print(f"{outcome:15} {file:28} {name:34} {more}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))


if __name__ == "__main__":
    main()
