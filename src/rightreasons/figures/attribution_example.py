"""What the four schemes do to an image (data-attribution paper, Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rightreasons.core.seeds import numpy_rng
from rightreasons.data.attributes import binary
from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._style import nothing
from rightreasons.figures._tiles import overlay, picture, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
GREY_LEVEL = 0.5
CAPTION = """
What the network is trained on in each scheme: the original image; the region of the protected
attribute, from the general map of all images or from the image's own (specific) map, greyed out
(mask) or with Gaussian noise added (noise). Noise is drawn anew in every step of training, and test
images are never changed.
"""


class AttributionExampleParams(Params):
    """Parameters of `attribution_example`."""

    images: int = Field(3, ge=1, description="images shown")
    quantile: float = Field(0.8, ge=0, le=1, description="quantile above which a map is changed")
    sigma: float = Field(0.5, gt=0, description="standard deviation of the noise; white is 1")


@FIGURES.register(
    "attribution_example",
    title="What masks and noise make of single images",
    paper="Mitigating Bias Using Model-Agnostic Data Attribution, Fig. 6",
    params=AttributionExampleParams,
    caption=CAPTION,
    category="7 Looking away",
    label="example",
    over=("task",),
    when=("looks_away", "shows_images"),
    files=("pool", "regions"),
)
def attribution_example(given: Given, params: AttributionExampleParams) -> Figure:
    """Draw images that have the protected attribute, as training changes them."""
    (maps,) = given.attributions()
    index, artifact = given.index(), given.facts.artifact
    if artifact:
        from rightreasons.artifacts.injected import both_versions

        index = both_versions(index, maps.attribute)
    rows = np.flatnonzero(binary(maps.attribute, index))[: params.images]
    images, specific = given.images(artifact)[rows], maps.specific(rows)
    changed = changed_images(
        images,
        maps.general(),
        specific,
        quantile=params.quantile,
        sigma=params.sigma,
        rng=numpy_rng(0, "figure", given.task),
    )
    return examples(
        images,
        changed,
        specific=specific,
        labels=[str(name) for name in index["image_id"].iloc[rows]],
        title=f"{given.task}: training images where {maps.attribute} is hidden",
    )


def examples(
    images: Array,
    changed: Mapping[str, Array],
    *,
    specific: Array | None = None,
    labels: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Return a row per image: original, its own map where given, and what each scheme makes of it.

    images: (n, H, W, 3), uint8 or float in [0, 1]. changed: by scheme, images of the same shape,
    as `changed_images` gives. specific: (n, h, w) in [0, 1], each image's map. labels: a name per
    row.
    """
    if not len(images):
        return nothing("no images")
    names = ["Original", *(["Specific\nmap"] if specific is not None else [])]
    names += [scheme.replace(" ", "\n") for scheme in changed]
    grid = tiles(len(images), len(names), left=1.0 if labels else 0.1, top=0.6, largest=1.3)
    for row, panels in enumerate(grid.panels):
        picture(panels[0], images[row])
        if specific is not None:
            overlay(panels[1], images[row], specific[row])
        for axes, of_images in zip(panels[-len(changed) :], changed.values(), strict=True):
            picture(axes, of_images[row])
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
    """Return the images (n, H, W, 3) as each scheme changes them, float in [0, 1], by its name.

    images: (n, H, W, 3) uint8. general: (H, W) and specific: (n, H, W) maps in [0, 1]. Where a map
    is above its quantile the image becomes mid-grey (masks), or has N(0, sigma) added and is
    clipped to [0, 1] (noise): section 4.1 of the paper, in units of the scale [0, 1].
    """
    from rightreasons.regions.attribution import top

    scaled = images.astype(np.float32) / 255
    noised = np.clip(scaled + rng.normal(0, sigma, scaled.shape), 0, 1)
    regions = {"General": top(general, quantile)[None], "Specific": top(specific, quantile)}
    changes = {"Mask": np.full_like(scaled, GREY_LEVEL), "Noise": noised}
    return {
        f"{of} {change}": np.where(region[..., None], values, scaled)
        for change, values in changes.items()
        for of, region in regions.items()
    }
