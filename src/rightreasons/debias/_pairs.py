"""Two networks, or two heads, that are trained together by one optimizer."""

from __future__ import annotations

import copy

import torch

from rightreasons.models.classifier import Classifier


class Pair(Classifier):
    """A network and a second one beside it; what it computes is the first's.

    Optimizers work parameter by parameter, so one that trains the pair does to each network what
    one of its own would.

    Parameters
    ----------
    first, second
        The networks, which are trained in place.
    """

    def __init__(self, first: Classifier, second: Classifier) -> None:
        super().__init__(first.trunk, first.head)
        self.first = first
        self.second = second


class TwoHeads(Classifier):
    """A network with a head for each protected group.

    Parameters
    ----------
    model
        The network; its head is that of group 0, and a copy of it that of group 1.
    """

    def __init__(self, model: Classifier) -> None:
        super().__init__(model.trunk, model.head)
        self.other = copy.deepcopy(model.head)

    def of_groups(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits (N, 2) of both heads for images (N, 3, H, W), in float32."""
        features = self.features(inputs)
        return self.head(features).float(), self.other(features).float()

    def averaged(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights (2, d) and biases (2,) of the head whose logits are the mean of both."""
        return (
            (self.head.weight + self.other.weight).detach() / 2,
            (self.head.bias + self.other.bias).detach() / 2,
        )
