"""A drawn hat on a head."""

from __future__ import annotations

from typing import Any

from rightreasons.artifacts import ARTIFACTS, Stamp
from rightreasons.artifacts._drawn import AccessoryParams, stamps

HEAD = 1.2
#: Hats are worn a little deeper than `synthfaces` has them.
BELOW = 0.045


@ARTIFACTS.register(
    "hat", title="Drawn hat", paper="Own; the painter of synthfaces", params=AccessoryParams
)
def hat(size: int, params: AccessoryParams) -> tuple[Stamp, ...]:
    """Return a fedora, a cap, a beanie or a sun hat, with its shadow on the brow.

    Parameters
    ----------
    size
        The side of the images in pixels.
    params
        The artifact's parameters.

    Returns
    -------
    tuple of Stamp
        One for each look. Their masks hold the shadow too.
    """
    return stamps(size, params, _paint, HEAD, BELOW)


def _paint(canvas: Any, frame: Any, look: Any, light: Any) -> None:
    from rightreasons.data.synthfaces.headwear import paint_hat

    paint_hat(canvas, frame, look, light)
