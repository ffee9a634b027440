"""The two main rows of attribution maps; benchmarks/regions.py has all of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from rightreasons.regions.networks import build_patch_network

from ..regions import SETTINGS, naive
from .measure import Comparison
from .options import Options


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield both networks against classifying every patch with the published one."""
    size, patch, positions = options.pick(SETTINGS[0], (32, 16, 25))
    count = options.pick(4, 1)
    images = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    networks = {
        kind: build_patch_network(
            kind, n_classes=2, size=size, patch=patch, positions=positions, embedding=8, seed=0
        ).eval()
        for kind in ("published", "dense")
    }
    for kind, network in networks.items():
        yield Comparison(
            group="regions",
            what=f"{kind} network, all patches",
            data=f"{count} images of {size} px, {positions} patches of {patch} px",
            unit="images",
            units=count,
            ours=partial(network.prepared(), images),
            other=partial(naive, networks["published"], images[:1]),
            against="the published network, patch by patch, 256 at a time",
            other_units=1,
            aim=20.0 if kind == "dense" else 1.0,
        )
