"""Probes of explanation quality, one file each: `PROBES` finds them all.

A probe says how good the maps of one explainer are, image by image, with the network at hand:
`probe(given, params)` takes a `Probing` and returns float64 (n,), NaN where there is no value, as
of a map that is zero everywhere. Traits:

- `family`: what it asks for. "faithfulness": whether maps show what the output depends on;
  "robustness": whether they stay when nothing that matters changes; "complexity": whether they
  are short to read; "randomisation": whether they depend on the weights and the class.
- `better`: "higher" or "lower".
- `sign`: which maps it is given, and gets where it explains again: "signed", or "absolute" (|r|).
- `needs`: what it takes beside the maps: "passes" through the network, "maps" (it explains again),
  "fresh" (a network of the same architecture that has not been trained).
- `bounds`: the smallest and largest value possible.
- `formula`: LaTeX for the documentation.
- `order`: its place among those that are shown, the smallest first.
- `small`: parameters with which it is quick, for tests.
- `exempt`: why a test of the contract is not for it, by the test's name.
"""

from __future__ import annotations

import math

from rightreasons.core.registry import Component, Registry
from rightreasons.probes._probing import Probing

__all__ = ["FAMILIES", "NEEDS", "PROBES", "Probing", "in_order"]

FAMILIES = ("faithfulness", "robustness", "complexity", "randomisation")
NEEDS = ("passes", "maps", "fresh")

PROBES = Registry(
    "rightreasons.probes",
    "probe",
    traits={
        "family": "",
        "better": "higher",
        "sign": "absolute",
        "needs": (),
        "bounds": (-math.inf, math.inf),
        "formula": "",
        "order": 100,
        "small": {},
        "exempt": {},
    },
    group="rightreasons.probes",
)


def in_order() -> list[Component]:
    """Return all probes by family, then `order`."""
    return sorted(
        PROBES, key=lambda one: (FAMILIES.index(one.traits["family"]), one.traits["order"])
    )
