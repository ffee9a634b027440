"""Drawn eyeglasses on a face."""

from __future__ import annotations

from typing import Any

from rightreasons.artifacts import ARTIFACTS, Stamp
from rightreasons.artifacts._drawn import AccessoryParams, stamps

HEAD = 1.14


@ARTIFACTS.register(
    "glasses",
    title="Drawn eyeglasses",
    paper="Own; the painter of synthfaces",
    params=AccessoryParams,
)
def glasses(size: int, params: AccessoryParams) -> tuple[Stamp, ...]:
    """Return eyeglasses: round, square or with half a rim, the eyes visible through the lenses.

    Parameters
    ----------
    size
        The side of the images in pixels.
    params
        The artifact's parameters.

    Returns
    -------
    tuple of Stamp
        One for each look. Their masks hold the lenses too.
    """
    return stamps(size, params, _paint, HEAD)


def _paint(canvas: Any, frame: Any, look: Any, light: Any) -> None:
    from rightreasons.data.synthfaces.headwear import paint_glasses

    paint_glasses(canvas, frame, look, over_hair=False)
