"""Parameters that several probes share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rightreasons.core.registry import Params

Share = Annotated[float, Field(gt=0, lt=1)]
Baseline = Literal["mean", "black", "grey"]
BASELINE: Any = Field(
    "mean",
    description="What hides: ImageNet's mean colour (0 after normalisation), black, or grey (half "
    "of white).",
)


class GridParams(Params):
    """Of a probe that hides boxes of an image."""

    grid: int = Field(
        0,
        ge=0,
        description="Boxes per side: relevance is summed in each of grid x grid boxes, and each "
        "is hidden as a whole; 0: every pixel is a box.",
    )


class StepParams(GridParams):
    """Of a probe that follows the output while more and more of the image is hidden, or shown."""

    steps: int = Field(16, ge=1, description="Steps in which all boxes take turns, equal shares.")


class BaselineParams(GridParams):
    """Of a probe that hides boxes behind a colour."""

    baseline: Baseline = BASELINE


class CurveParams(StepParams):
    """Of a probe that hides more and more of the image behind a colour."""

    baseline: Baseline = BASELINE
