"""Parameters of the patch classifier. No torch here: the config reads them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.core.registry import Params


class RegionParams(Params):
    """The patch classifier and its training. Defaults are the data-attribution paper's."""

    network: Literal["published", "dense"] = Field("published", description="kind of network")
    patch: int = Field(32, ge=4, description="side of the patches in pixels")
    positions: int = Field(2025, ge=4, description="number of patch positions, a square")
    embedding: int = Field(8, ge=1, description="channels of the position embedding")
    epochs: int = Field(90, ge=1, description="passes over the images")
    batch_size: int = Field(256, ge=2, description="images per step")
    learning_rate: float = Field(1e-3, gt=0, description="initial learning rate of AdamW")
    weight_decay: float = Field(1e-2, ge=0, description="weight decay of AdamW")
    decay: float = Field(10.0, ge=1, description="divisor of the learning rate at each step")
    step_epochs: int = Field(40, ge=1, description="epochs between two steps of the learning rate")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing")
    confidence: Literal["maximum", "margin", "entropy"] = Field(
        "maximum", description="confidence of a patch"
    )
    balance: bool = Field(
        True,
        description="classes equally often in training and validation; without it patches that "
        "show nothing are confident of the common class",
    )
    validation: float = Field(
        0.2, gt=0, lt=1, description="share of the images for calibration; identities kept apart"
    )
    bins: int = Field(100, ge=1, description="bins of the calibration error")
    max_images: int | None = Field(None, ge=2, description="most training images; none: all")
