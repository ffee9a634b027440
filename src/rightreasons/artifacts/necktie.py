"""A drawn necktie below the chin."""

from __future__ import annotations

from typing import Any

from rightreasons.artifacts import ARTIFACTS, Stamp
from rightreasons.artifacts._drawn import AccessoryParams, stamps

BODY = 1.12


@ARTIFACTS.register(
    "necktie", title="Drawn necktie", paper="Own; the painter of synthfaces", params=AccessoryParams
)
def necktie(size: int, params: AccessoryParams) -> tuple[Stamp, ...]:
    """Return a necktie, plain, striped or dotted, and its band around the neck.

    Parameters
    ----------
    size
        The side of the images in pixels.
    params
        The artifact's parameters.

    Returns
    -------
    tuple of Stamp
        One for each look; what lies below the image's edge is cut off.
    """
    return stamps(size, params, _paint, BODY)


def _paint(canvas: Any, frame: Any, look: Any, light: Any) -> None:
    from rightreasons.data.synthfaces.body import paint_necktie

    paint_necktie(canvas, frame, look, light)
