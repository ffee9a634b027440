"""How sure a patch classifier is: functions of softmax values (..., C), C >= 2, to (...).

Each is in [0, 1] (the maximum in [1/C, 1]); 1 is certain. "Mitigating Bias Using Model-Agnostic
Data Attribution", section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def maximum(softmax: torch.Tensor) -> torch.Tensor:
    """Return the largest probability."""
    return softmax.amax(dim=-1)


def margin(softmax: torch.Tensor) -> torch.Tensor:
    """Return the largest probability less the second largest: 0 at a tie."""
    largest = softmax.topk(2, dim=-1).values
    return largest[..., 0] - largest[..., 1]


def entropy(softmax: torch.Tensor) -> torch.Tensor:
    """Return 1 - H / log C with the entropy H = -sum s log s: 0 for a uniform softmax.

    The paper's entropy is largest where nothing is known; turned round and divided by its
    largest value, it is a confidence as the other two are. A probability of 0 adds nothing.
    """
    bits = -(softmax * softmax.clamp_min(1e-38).log()).sum(dim=-1)
    return (1 - bits / math.log(softmax.shape[-1])).clamp(0, 1)


CONFIDENCES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "maximum": maximum,
    "margin": margin,
    "entropy": entropy,
}
