"""LfF: learning from failure, on the images that a biased network trained beside it finds hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._fresh import BUDGET, LINE, FreshParams, decided, train_fresh
from rightreasons.debias._tuning import run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.debias._pairs import Pair
    from rightreasons.learning.training import Batch, Loss
    from rightreasons.models.classifier import Classifier


class LfFParams(FreshParams):
    """The budget, the biased network's loss, and the weights."""

    q: float = Field(
        0.7,
        gt=0,
        le=1,
        description="exponent of the biased network's loss: the larger, the more it trusts itself",
    )
    memory: float = Field(
        0.7, ge=0, lt=1, description="share of an image's earlier losses in its mean; 0: the latest"
    )
    relative: bool = Field(
        True, description="whether losses are divided by the largest of their target class"
    )
    strength: float = Field(1.0, ge=0, description="exponent of the weights; 0: all are 1")


@METHODS.register(
    "lff",
    title="LfF",
    paper="Nam et al. 2020",
    params=LfFParams,
    presets={"published": {"epochs": 200, "learning_rate": 1e-4, "weight_decay": 1e-4}},
    search={
        **BUDGET,
        "epochs": Passes("epochs", "train", each=2),
        "q": Choice((0.5, 0.7, 0.9)),
        "strength": Real(0.25, 2.0, zero=0.125),
    },
    knob="strength",
    style=("#CC79A7", "v", LINE),
)
def lff(context: Context, params: LfFParams) -> Debiased:
    """Return vanilla trained anew on what a biased network beside it finds hard."""
    from rightreasons.debias._pairs import Pair

    pair = Pair(context.fresh(), context.fresh())
    weigh = Difficulty(context.train().target.to(context.device), params)
    loss = both_losses(pair, weigh, params.q, context.training.label_smoothing)
    history = train_fresh(context, pair, params, "lff", loss=loss)
    return decided(context, pair.first, params, "lff", run_notes(history))


class Difficulty:
    """The weights of images, from running means of their losses under both networks.

    With b and d an image's mean losses under the biased and the other network, its weight is
    (b / (b + d))^strength.

    Parameters
    ----------
    target
        Of the train images, int64 (N,).
    params
        `memory`: an image's mean is memory times its mean so far + (1 - memory) times its loss, the
        loss itself at first. `relative`: b and d are divided by the largest mean of images of the
        same target. `strength`.

    References
    ----------
    Nam, Cha, Ahn, Lee and Shin 2020, "Learning from Failure: Training Debiased Classifier from
    Biased Classifier", eq. 4; means and their scale as in the authors' code.
    """

    def __init__(self, target: torch.Tensor, params: LfFParams) -> None:
        self.target = target
        self.params = params
        self.seen = target.new_zeros(len(target)).bool()
        self.means = target.new_zeros(2, len(target)).float()

    def weights(self, losses: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Return the weights (B,) of a batch, and remember its losses.

        Parameters
        ----------
        losses
            Of the biased and of the other network, (2, B), without a graph.
        indices
            The images, int64 (B,).
        """
        memory = self.params.memory * self.seen[indices].float()
        self.means[:, indices] = memory * self.means[:, indices] + (1 - memory) * losses
        self.seen[indices] = True
        b, d = self.means[:, indices] / self._scale()[:, self.target[indices]]
        return (b / (b + d + 1e-8)) ** self.params.strength

    def _scale(self) -> torch.Tensor:
        """Return what the losses of each network are divided by, by target class, (2, 2)."""
        import torch

        if not self.params.relative:
            return self.means.new_ones(2, 2)
        largest = [self.means.where(self.target == t, 0.0).amax(1) for t in (0, 1)]
        return torch.stack(largest, dim=1).clamp(min=1e-8)


def both_losses(pair: Pair, weigh: Difficulty, q: float, label_smoothing: float) -> Loss:
    """Return the biased network's generalised cross-entropy + the other's weighted cross-entropy.

    The generalised one is the mean of (1 - p^q) / q, with p the probability of the target: it
    learns most from images that it is sure of already.

    References
    ----------
    Zhang and Sabuncu 2018, "Generalized Cross Entropy Loss for Training Deep Neural Networks with
    Noisy Labels".
    """
    import torch
    import torch.nn.functional as F

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        logits, biased = (part(batch.inputs).float() for part in (pair.first, pair.second))
        plain = torch.stack(
            [F.cross_entropy(z.detach(), batch.target, reduction="none") for z in (biased, logits)]
        )
        weights = weigh.weights(plain, batch.indices)
        p = biased.softmax(1).gather(1, batch.target[:, None])
        errors = F.cross_entropy(
            logits, batch.target, reduction="none", label_smoothing=label_smoothing
        )
        return ((1 - p**q) / q).mean() + (weights * errors).mean()

    return loss
