"""What the four schemes do to an image (data-attribution paper, Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from rightreasons.core.errors import UserError
from rightreasons.figures.schemes import SCHEMES
from rightreasons.figures.style import styled
from rightreasons.figures.tiles import nothing, overlay, picture, tiles
from rightreasons.regions.attribution import top

Array = np.ndarray
ORDER = ("mask_general", "mask_specific", "noise_general", "noise_specific")  # the paper's
GREY_LEVEL = 0.5


@styled
def attribution_example(
    images: Array,
    changed: Mapping[str, Array],
    *,
    specific: Array | None = None,
    labels: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Return a row per image: original, its own map where given, and what each scheme makes of it.

    images: (n, H, W, 3), uint8 or float in [0, 1]. changed: by scheme (mask_general,
    mask_specific, noise_general, noise_specific; those that there are) images of the same shape,
    such as `changed_images` gives. specific: (n, h, w) in [0, 1], each image's map. labels: a name
    per row. Raises UserError for an unknown scheme.
    """
    if unknown := set(changed) - set(SCHEMES):
        raise UserError(f"unknown scheme {sorted(unknown)[0]!r}. Allowed: {', '.join(SCHEMES)}.")
    if not len(images):
        return nothing("no images")
    shown = [scheme for scheme in ORDER if scheme in changed]
    names = ["Original", *(["Specific\nmap"] if specific is not None else [])]
    names += [SCHEMES[scheme].replace(" ", "\n") for scheme in shown]
    grid = tiles(len(images), len(names), left=1.0 if labels else 0.1, top=0.6, largest=1.3)
    for row, panels in enumerate(grid.panels):
        picture(panels[0], images[row])
        if specific is not None:
            overlay(panels[1], images[row], specific[row])
        for axes, scheme in zip(panels[len(names) - len(shown) :], shown, strict=True):
            picture(axes, changed[scheme][row])
        if labels:
            panels[0].set_ylabel(labels[row], rotation=0, ha="right", va="center", labelpad=6)
    for axes, name in zip(grid.panels[0], names, strict=True):
        axes.set_title(name, loc="center", pad=3)
    grid.title(title or "What the network is trained on")
    return grid.figure


def changed_images(
    images: Array,
    general: Array,
    specific: Array,
    *,
    quantile: float,
    sigma: float,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """Return the images (n, H, W, 3) as each scheme changes them, float in [0, 1], by scheme.

    images: (n, H, W, 3) uint8. general: (H, W) and specific: (n, H, W) maps in [0, 1]. Where a map
    is above its quantile the image becomes mid-grey (masks), or has N(0, sigma) added and is
    clipped to [0, 1] (noise): section 4.1 of the paper, in units of the scale [0, 1].
    """
    scaled = images.astype(np.float32) / 255
    noised = np.clip(scaled + rng.normal(0, sigma, scaled.shape), 0, 1)
    regions = {"general": top(general, quantile)[None], "specific": top(specific, quantile)}
    changes = {"mask": np.full_like(scaled, GREY_LEVEL), "noise": noised}
    return {
        f"{change}_{of}": np.where(region[..., None], values, scaled)
        for of, region in regions.items()
        for change, values in changes.items()
    }
