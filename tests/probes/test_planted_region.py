"""A network that looks at one region only: no probe may hold noise for the better explanation.

The network adds up what a convolution with a ReLU finds in the upper left quarter, and sees nothing
else; images are grey noise that is brighter in that quarter. So every explainer that looks at the
network knows where its evidence is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rightreasons.core.job import Chosen
from rightreasons.models.classifier import Classifier
from rightreasons.probes import PROBES
from rightreasons.probes.compute import Probed, probe_values
from rightreasons.saliency import EXPLAINERS
from rightreasons.saliency.maps import explain

N, SIDE, REGION = 16, 16, 8
CPU = torch.device("cpu")
SEEING = [one.name for one in EXPLAINERS if not (one.traits["control"] or one.traits["only"])]
NOISE = "random"
SEEN = (*SEEING, NOISE)
#: Families whose probes noise must lose. The complexity of a map says nothing of the network.
FAMILIES = ("faithfulness", "robustness", "randomisation")
#: What a probe may not tell from noise here, and why.
EXCUSED = {
    "efficient_mprt": "it asks for more complex maps of the random network, which has no region",
}
FAITHFUL = [p.name for p in PROBES if p.traits["family"] == "faithfulness"]
ASKED = [p.name for p in PROBES if p.traits["family"] in FAMILIES and p.name not in EXCUSED]


def quiet(items: Any, description: str = "") -> Any:
    return items


@cache
def network(seed: int = 0, inside: bool = True) -> Classifier:
    """Return the network; with another seed one whose weights are others."""
    generator = torch.Generator().manual_seed(seed)
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    model = Classifier(
        nn.Sequential(convolution, nn.ReLU(), nn.Flatten()), nn.Linear(4 * SIDE**2, 2)
    )
    with torch.no_grad():
        convolution.weight.copy_(torch.rand(convolution.weight.shape, generator=generator) / 5)
        convolution.bias.fill_(-1.0)
        weight = torch.zeros(4, SIDE, SIDE)
        weight[:, :REGION, :REGION] = torch.rand(4, REGION, REGION, generator=generator)
        if not inside:
            weight = torch.randn(4, SIDE, SIDE, generator=generator)
        model.head.weight.copy_(torch.stack([-weight, weight]).flatten(1) / 40)
        model.head.bias.copy_(torch.tensor([1.0, -1.0]))
    return model.eval()


@cache
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.normal(115, 25, (N, SIDE, SIDE, 3))
    spots = rng.random((N, REGION, REGION, 1)) < 0.4
    made[:, :REGION, :REGION] += 120 * spots
    return made.clip(0, 255).astype(np.uint8)


@cache
def probed(turned: bool = False) -> pd.DataFrame:
    """Return the mean of every probe (rows) for every explainer; of maps upside down if turned."""
    explainers = [
        Chosen(name=n, kind=n, params=EXPLAINERS[n].params(**EXPLAINERS[n].traits["small"])
               .model_dump(mode="json"))
        for n in SEEN
    ]  # fmt: skip
    classes = torch.ones(N, dtype=torch.int64)
    maps, _ = explain(
        network(), images(), classes, explainers, device=CPU, batch_size=N,
        seed_of=lambda name: 3, progress=quiet,
    )  # fmt: skip
    of = Probed(
        network(), lambda: network(1, inside=False), images(), np.arange(N), classes.numpy(),
        explainers, dict(zip(SEEN, maps[:, :, ::-1] if turned else maps, strict=True)), CPU,
    )  # fmt: skip
    asked = [Chosen(name=name, kind=name) for name in (FAITHFUL if turned else ASKED)]
    values = probe_values(of, asked, batch_size=N, seed=1, progress=quiet)
    return values.groupby(["probe", "explainer"])["value"].mean().unstack()


def sign(probe: str) -> int:
    return 1 if PROBES[probe].traits["better"] == "higher" else -1


@pytest.mark.parametrize("probe", FAITHFUL)
def test_noise_is_less_faithful_than_every_explainer(probe: str) -> None:
    means = sign(probe) * probed().loc[probe]
    assert (means[SEEING] > means[NOISE]).all()


@pytest.mark.parametrize("probe", ASKED)
def test_noise_is_better_than_no_explainer(probe: str) -> None:
    """Not even where an explainer has no map of the other class, or the same one."""
    means = sign(probe) * probed().loc[probe]
    assert not (means[SEEING] < means[NOISE] - 1e-9).any()


def test_maps_that_point_elsewhere_are_less_faithful() -> None:
    for probe in FAITHFUL:
        means = [sign(probe) * probed(turned).loc[probe, SEEING] for turned in (False, True)]
        assert (means[0] > means[1]).all(), probe
