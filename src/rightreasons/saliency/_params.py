"""Parameters that several explainers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.registry import Params

if TYPE_CHECKING:
    import torch

PIXELS_AT_ONCE = 64 * 64 * 64


class PassParams(Params):
    """Of an explainer that puts several copies of an image through the network."""

    # 64 images of 64 px. More at once is slower on a CPU.
    pixels_at_once: int = Field(
        PIXELS_AT_ONCE,
        ge=1,
        description="Most pixels (images x height x width) in one pass through the network, "
        "which bounds the memory. One image (deeplift: with its baseline) always goes through.",
    )

    def images_at_once(self, inputs: torch.Tensor) -> int:
        """Return how many images of the size of `inputs` (N, 3, H, W) go through together."""
        return max(1, self.pixels_at_once // inputs[0, 0].numel())
