"""Measured costs for `rightreasons cost`: rows of src/rightreasons/study/costs.csv.

    python benchmarks/costs.py passes resnet18:64 resnet50:224    # an image through a network
    python benchmarks/costs.py jobs results/demo results/mine     # what finished studies took
    python benchmarks/costs.py held results/demo                  # against the estimate

Times are of the processor, on one core, so that other work on the machine matters little. The rows
`frequency`, `images` and `share` are no times: they are known of the datasets and the explainers.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rightreasons.runtime.clock import duration
from rightreasons.study.cost import Estimate
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan

DONE = re.compile(r"done in [\d.]+ s, ([\d.]+) s of the processor")
READY = re.compile(r"ready after [\d.]+ s, ([\d.]+) s of the processor")
#: Stages whose jobs import torch.
TORCH = ("train", "debias", "explain", "region", "tune", "probe", "sanity")


def passes(named: Sequence[str]) -> None:
    """Print a row per `architecture:size`: seconds of an image there and back."""
    import torch

    from rightreasons.models.architectures import build_classifier

    torch.set_num_threads(1)
    for one in named:
        architecture, size = one.split(":")
        network = build_classifier(architecture, "none").train()
        images = torch.randn(8, 3, int(size), int(size))
        taken = []
        for _ in range(4):
            start = time.process_time()
            network(images).sum().backward()
            taken.append((time.process_time() - start) / len(images))
        weights = sum(one.numel() for one in network.parameters()) * 4 / 1e6
        print(f"pass,{architecture},{size},{min(taken):.2g}")
        print(f"weights,{architecture},,{weights:.2g}")


def processor_seconds(root: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the processor's seconds of jobs, until ready and until done, by stage."""
    found = defaultdict(list)
    for path in root.glob("logs/**/*.log"):
        text = path.read_text(errors="replace")
        if (done := DONE.search(text)) is None:
            continue
        ready = READY.search(text)
        stage = path.relative_to(root / "logs").parts[0].removesuffix(".log")
        stage = {"report": "figures"}.get(stage, "tables" if "tabulate" in stage else stage)
        found[stage].append((float(ready[1]) if ready else 0.0, float(done[1])))
    return found


def jobs(roots: Sequence[Path]) -> None:
    """Print the starts of jobs and what the small ones take."""
    all_of = defaultdict(list)
    for root in roots:
        for stage, taken in processor_seconds(root).items():
            all_of[stage] += taken
    for name, chosen in (("torch", True), ("plain", False)):
        starts = [
            r for s, taken in all_of.items() for r, _ in taken if r and (s in TORCH) == chosen
        ]
        print(f"start,{name},,{statistics.median(starts):.2g}")
    for stage, row in (("compare", "compare"), ("tables", "table"), ("figures", "figure")):
        if all_of[stage]:
            print(f"job,{row},,{statistics.mean(d for _, d in all_of[stage]):.2g}")


def held(roots: Sequence[Path]) -> None:
    """Print for each study what its stages took and what was estimated."""
    for root in roots:
        config = json.loads((root / "study.json").read_text())["config"]
        study = load_config({**config, "results": str(root.parent)})
        told = Estimate(Plan(study)).stages
        took = {s: sum(done for _, done in t) for s, t in processor_seconds(root).items()}
        for stage in took:
            estimate = told[stage].seconds if stage in told else 0.0
            print(f"{root.name:20} {stage:10} {duration(took[stage]):>8} {duration(estimate):>8}")


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["passes", "jobs", "held"])
    parser.add_argument("named", nargs="+")
    given = parser.parse_args()
    if given.what == "passes":
        passes(given.named)
    else:
        {"jobs": jobs, "held": held}[given.what]([Path(name) for name in given.named])


if __name__ == "__main__":
    main()
