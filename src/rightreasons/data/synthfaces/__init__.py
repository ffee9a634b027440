"""synthfaces: procedural portraits under CelebA's attribute names, with masks and twins."""

from __future__ import annotations

from rightreasons.data.synthfaces.canvas import MASKS
from rightreasons.data.synthfaces.latents import ATTRIBUTES, SWITCHABLE, sample_latents, switch
from rightreasons.data.synthfaces.portrait import render

__all__ = ["ATTRIBUTES", "MASKS", "SWITCHABLE", "render", "sample_latents", "switch"]
