"""Parameters that several probes share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.core.registry import Params


class GridParams(Params):
    """Of a probe that hides boxes of an image."""

    grid: int = Field(
        0,
        ge=0,
        description="Boxes per side: relevance is summed in each of grid x grid boxes, and each "
        "is hidden as a whole; 0: every pixel is a box.",
    )


class BaselineParams(GridParams):
    """Of a probe that hides boxes behind a colour."""

    baseline: Literal["mean", "black", "grey"] = Field(
        "mean",
        description="What hides: ImageNet's mean colour (0 after normalisation), black, or grey "
        "(half of white).",
    )


class CurveParams(BaselineParams):
    """Of a probe that follows the output while more and more of the image is hidden."""

    steps: int = Field(16, ge=1, description="Steps in which all boxes are hidden, equal shares.")
