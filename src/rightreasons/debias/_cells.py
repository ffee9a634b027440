"""The cells of target and protected: their sizes, weights that level them, and samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from rightreasons.learning.images import LabelledImages
    from rightreasons.learning.training import Batch
    from rightreasons.models.classifier import Classifier


def cell_of(target: torch.Tensor, protected: torch.Tensor) -> torch.Tensor:
    """Return the cell 2 target + protected of each image, int64 (N,)."""
    return 2 * target + protected


def sizes(data: LabelledImages) -> torch.Tensor:
    """Return how many images each of the four cells has, int64 (4,)."""
    return torch.bincount(cell_of(data.target, data.protected), minlength=4)


def levelling_weights(data: LabelledImages, strength: float) -> torch.Tensor:
    """Return weights n_c^-strength of images in cells of n_c, float64 (N,).

    Parameters
    ----------
    data
        The images.
    strength
        0: all weigh the same; 1: all cells do that have images.
    """
    return sizes(data)[cell_of(data.target, data.protected)].double() ** -strength


def levelled(counts: torch.Tensor, strength: float) -> list[int]:
    """Return how many images cells keep where they are brought to the size of the smallest.

    round(n_c^(1 - strength) m^strength), with m the least n_c above 0.

    Parameters
    ----------
    counts
        Sizes n_c of the cells, (4,), not all 0.
    strength
        0 keeps all, 1 as many in each cell as in the smallest.
    """
    least = int(counts[counts > 0].min())
    return [round(int(n) ** (1 - strength) * least**strength) if n else 0 for n in counts]


def subset(data: LabelledImages, kept: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Return the indices, rising, of `kept[c]` random images of each cell c, int64."""
    cell = cell_of(data.target, data.protected)
    chosen = []
    for number, count in enumerate(kept):
        members = (cell == number).nonzero().flatten()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:count]])
    return torch.cat(chosen).sort().values


class Shuffled:
    """A sampler that goes through a list in random order, and shuffles it anew when it ends.

    Where the list is all images in their order, the passes are those of plain training.

    Parameters
    ----------
    pool
        Indices of images, int64 (M,), M > 0; an image may be there several times.
    n
        Images in a pass.
    """

    def __init__(self, pool: torch.Tensor, n: int) -> None:
        self.pool, self.n = pool, n
        self.left = pool[:0]

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        """Return the images of the next pass, int64 (n,)."""
        while len(self.left) < self.n:
            again = self.pool[torch.randperm(len(self.pool), generator=generator)]
            self.left = torch.cat([self.left, again])
        taken, self.left = self.left[: self.n], self.left[self.n :]
        return taken


class Drawn:
    """A sampler that draws every image of a pass with replacement.

    Parameters
    ----------
    weights
        How likely each image is, (N,), up to a factor.
    """

    def __init__(self, weights: torch.Tensor) -> None:
        self.weights = weights

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        """Return the images of the next pass, int64 (N,)."""
        n = len(self.weights)
        return torch.multinomial(self.weights, n, replacement=True, generator=generator)


def errors(model: Classifier, batch: Batch, label_smoothing: float) -> torch.Tensor:
    """Return the cross-entropy of each image of a batch, float32 (B,)."""
    logits = model(batch.inputs).float()
    return F.cross_entropy(logits, batch.target, reduction="none", label_smoothing=label_smoothing)
