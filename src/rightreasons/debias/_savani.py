"""The alternating steps of SavaniAFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from rightreasons.core.errors import UserError
from rightreasons.debias._adversaries import BatchCritic, batch_bias, cell_means, savani_loss
from rightreasons.debias._tuning import steps_of, tuned
from rightreasons.learning.images import resident
from rightreasons.learning.optimizers import Adam
from rightreasons.learning.training import (
    Batch,
    autocast,
    batch_of,
    extract_features,
    make_optimizer,
    seeded,
    training_mode,
)

if TYPE_CHECKING:
    from rightreasons.debias import Context
    from rightreasons.debias._savani_params import SavaniAftParams
    from rightreasons.models.classifier import Classifier


class AdversarialTuning:
    """Model and critic, trained in turn on batches with a quarter from each cell.

    Such batches define the bias. The error is weighted back to the debias split's own shares of the
    cells, so that what debiases is the critic and not a rebalanced training set. In critic steps
    the model is in eval mode, in model steps in training mode. The critic has a random stream of
    its own: the model's batches are the same whatever the critic does. With strength 0 there is
    no critic, and what is left is plain fine-tuning on the same batches.

    Parameters
    ----------
    context
        What the method is given; its debias split needs images in all four cells.
    model
        The network, changed in place by `run`.
    params
        Budget, critic and penalty.

    References
    ----------
    Savani, White and Govindarajulu 2020, "Intra-Processing Methods for Debiasing Neural Networks".
    """

    def __init__(self, context: Context, model: Classifier, params: SavaniAftParams) -> None:
        self.context, self.model, self.params = context, model, params
        self.device = context.device
        self.data = resident(context.debias(), self.device)
        self.generator = context.generator("savani_aft")
        self.critics_generator = context.generator("savani_aft/critic")
        cell = 2 * self.data.target + self.data.protected
        self.members = [torch.nonzero(cell == k).flatten() for k in range(4)]
        self.share = torch.tensor([len(m) / len(cell) for m in self.members]).to(self.device)
        n_inputs = 2 + (model.n_features if params.critic_input == "features" else 0)
        with seeded(self.critics_generator, self.device):
            self.critic = BatchCritic(n_inputs).to(self.device)
        self.critic_optimizer = Adam(
            self.critic.parameters(), lr=params.critic_warmup_learning_rate
        )

    def run(self) -> dict[str, Any]:
        """Train in place.

        Returns
        -------
        dict
            `steps`: of the model; `critic_error_on_vanilla`: root of the critic's mean squared
            error over its last 50 warm-up steps, None without any; `first` and `last`: the model's
            losses.

        Raises
        ------
        UserError
            Where a loss is not finite.
        """
        warm = self._warm_up() if self.params.strength else None
        for group in self.critic_optimizer.param_groups:
            group["lr"] = self.params.critic_learning_rate
        with seeded(self.generator, self.device):
            steps = self._rounds()
        self.model.eval()
        _check(steps)
        return {
            "steps": len(steps),
            "critic_error_on_vanilla": warm,
            "first": _named(steps[0]),
            "last": _named(steps[-1]),
        }

    def _rounds(self) -> list[list[float]]:
        weights = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = make_optimizer(weights, tuned(self.context, self.params))
        history = []
        steps = shared_out(steps_of(self.params, len(self.data)), self.params.rounds)
        for in_round in self.context.progress(steps, "savani_aft"):
            if self.params.strength:
                self.model.eval()
                for _ in range(round(self.params.critic_ratio * in_round)):
                    batch = self._batch(self.critics_generator)
                    with torch.no_grad(), autocast(self.device):
                        outputs, logits = self._outputs(batch.inputs)
                    self._critic_step(outputs, logits, batch.target, batch.protected)
            training_mode(self.model)
            for _ in range(in_round):
                optimizer.zero_grad()
                losses = self.model_loss(self._batch(self.generator))
                losses[0].backward()
                optimizer.step()
                history.append(torch.stack(losses).detach())
        return torch.stack(history).tolist()

    def model_loss(self, batch: Batch) -> list[torch.Tensor]:
        """Return the model's loss, its error and, with a critic, the bias that it predicts."""
        with autocast(self.device):
            outputs, logits = self._outputs(batch.inputs)
        smoothing = self.context.training.label_smoothing
        errors = F.cross_entropy(logits, batch.target, reduction="none", label_smoothing=smoothing)
        error = self.share @ cell_means(errors[:, None], batch.target, batch.protected).flatten()
        if not self.params.strength:
            return [error, error]
        bias = self.critic(outputs, batch.target, batch.protected)
        loss = savani_loss(
            error, bias, self.params.strength, self.params.epsilon, self.params.delta
        )
        return [loss, error, bias]

    def _outputs(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the critic sees, (B, n_inputs), and the logits (B, 2), in 32 bits."""
        features = self.model.features(inputs)
        return self._seen(features, self.model.classify(features))

    def _seen(
        self, features: torch.Tensor, logits: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = logits.float()
        if self.params.critic_input == "logits":
            return logits, logits
        return torch.cat([logits, features.float()], dim=1), logits

    def _warm_up(self) -> float | None:
        """Fit the critic to batches of vanilla's outputs, computed once; return its last errors."""
        features = extract_features(self.model, self.data.images, self.device).to(self.device)
        with torch.no_grad():
            outputs, logits = self._seen(features, self.model.classify(features))
        target, protected = self.data.target.to(self.device), self.data.protected.to(self.device)
        errors = []
        for _ in range(self.params.critic_warmup):
            rows = self._rows(self.critics_generator).to(self.device)
            errors.append(
                self._critic_step(outputs[rows], logits[rows], target[rows], protected[rows])
            )
        return float(torch.stack(errors[-50:]).mean()) ** 0.5 if errors else None

    def _critic_step(
        self,
        outputs: torch.Tensor,
        logits: torch.Tensor,
        target: torch.Tensor,
        protected: torch.Tensor,
    ) -> torch.Tensor:
        bias = batch_bias(logits, target, protected, self.params.criterion, self.share.view(2, 2))
        self.critic_optimizer.zero_grad()
        error = (self.critic(outputs, target, protected) - bias).square()
        error.backward()
        self.critic_optimizer.step()
        return error.detach()

    def _rows(self, generator: torch.Generator) -> torch.Tensor:
        """Draw a quarter of a batch from each cell, with replacement."""
        n = self.params.batch_size // 4
        return torch.cat(
            [m[torch.randint(len(m), (n,), generator=generator)] for m in self.members]
        )

    def _batch(self, generator: torch.Generator) -> Batch:
        """Draw a batch, mirrored as the study has it."""
        flips = generator if self.context.training.augment == "flip" else None
        return batch_of(self.data, self._rows(generator), self.device, flips)


def shared_out(steps: int, rounds: int) -> list[int]:
    """Return how many of the steps each round has: as equal as can be, none without a step."""
    rounds = min(steps, rounds)
    return [steps * (i + 1) // rounds - steps * i // rounds for i in range(rounds)]


def _named(step: list[float]) -> dict[str, float]:
    names = ("loss", "error", "predicted_bias")[: len(step)]
    return dict(zip(names, step, strict=True))


def _check(steps: list[list[float]]) -> None:
    for i, step in enumerate(steps, start=1):
        if not torch.tensor(step).isfinite().all():
            raise UserError(
                f"methods.savani_aft: the loss is not finite at model step {i}. Lower "
                "methods.savani_aft.learning_rate."
            )
