"""The alternating steps of SavaniAFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from rightreasons.core.errors import UserError
from rightreasons.debias._adversaries import BatchCritic, batch_bias, cell_means, savani_loss
from rightreasons.learning.images import normalise, resident_images, take
from rightreasons.learning.optimizers import Adam
from rightreasons.learning.training import Batch, autocast, extract_features, make_optimizer, seeded

if TYPE_CHECKING:
    from rightreasons.debias import Context
    from rightreasons.debias._savani_params import SavaniAftParams
    from rightreasons.models.classifier import Classifier


class AdversarialTuning:
    """Model and critic, trained in turn on batches with a quarter from each cell.

    Such batches define the bias. The error is weighted back to the debias split's own shares of the
    cells, so that what debiases is the critic and not a rebalanced training set. In critic steps
    the model is in eval mode, in model steps in training mode.

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
        self.data, self.device = context.debias(), context.device
        self.images = resident_images(self.data.images, self.device)
        self.generator = context.generator("savani_aft")
        cell = 2 * self.data.target + self.data.protected
        self.members = [torch.nonzero(cell == k).flatten() for k in range(4)]
        self.share = torch.tensor([len(m) / len(cell) for m in self.members]).to(self.device)
        n_inputs = 2 + (model.n_features if params.critic_input == "features" else 0)
        with seeded(self.generator, self.device):
            self.critic = BatchCritic(n_inputs).to(self.device)

    def run(self) -> dict[str, Any]:
        """Train in place.

        Returns
        -------
        dict
            `critic_error_on_vanilla`: root of the critic's mean squared error over its last 50
            warm-up steps, None without any; `first` and `last`: the model's losses.

        Raises
        ------
        UserError
            Where a loss is not finite.
        """
        params = self.params
        critic_optimizer = Adam(self.critic.parameters(), lr=params.critic_warmup_learning_rate)
        with seeded(self.generator, self.device):
            warm = self._warm_up(critic_optimizer)
            for group in critic_optimizer.param_groups:
                group["lr"] = params.critic_learning_rate
            steps = self._rounds(critic_optimizer)
        self.model.eval()
        _check(steps)
        return {
            "critic_error_on_vanilla": warm,
            "first": _named(steps[0]),
            "last": _named(steps[-1]),
        }

    def _rounds(self, critic_optimizer: Adam) -> list[list[float]]:
        weights = [p for p in self.model.parameters() if p.requires_grad]
        config = self.context.training.model_copy(
            update={"learning_rate": self.params.learning_rate}
        )
        optimizer = make_optimizer(weights, config)
        history = []
        for _ in self.context.progress(range(self.params.rounds), "savani_aft"):
            self.model.eval()
            for _ in range(self.params.critic_steps):
                batch = self._batch()
                with torch.no_grad(), autocast(self.device):
                    outputs, logits = self._outputs(batch.inputs)
                self._critic_step(critic_optimizer, outputs, logits, batch.target, batch.protected)
            self.model.train()
            for _ in range(self.params.model_steps):
                optimizer.zero_grad()
                loss, error, bias = self.model_loss(self._batch())
                loss.backward()
                optimizer.step()
                history.append(torch.stack([loss, error, bias]).detach())
        return torch.stack(history).tolist()

    def model_loss(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the model's loss, its error and the bias that the critic predicts."""
        with autocast(self.device):
            outputs, logits = self._outputs(batch.inputs)
        errors = F.cross_entropy(logits, batch.target, reduction="none")
        error = self.share @ cell_means(errors[:, None], batch.target, batch.protected).flatten()
        bias = self.critic(outputs, batch.target, batch.protected)
        loss = savani_loss(
            error, bias, self.params.strength, self.params.epsilon, self.params.delta
        )
        return loss, error, bias

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

    def _warm_up(self, optimizer: Adam) -> float | None:
        """Fit the critic to batches of vanilla's outputs, computed once; return its last errors."""
        features = extract_features(self.model, self.data.images, self.device).to(self.device)
        with torch.no_grad():
            outputs, logits = self._seen(features, self.model.classify(features))
        target, protected = self.data.target.to(self.device), self.data.protected.to(self.device)
        errors = []
        for _ in range(self.params.critic_warmup):
            rows = self._rows().to(self.device)
            errors.append(
                self._critic_step(
                    optimizer, outputs[rows], logits[rows], target[rows], protected[rows]
                )
            )
        return float(torch.stack(errors[-50:]).mean()) ** 0.5 if errors else None

    def _critic_step(
        self,
        optimizer: Adam,
        outputs: torch.Tensor,
        logits: torch.Tensor,
        target: torch.Tensor,
        protected: torch.Tensor,
    ) -> torch.Tensor:
        bias = batch_bias(logits, target, protected, self.params.criterion, self.share.view(2, 2))
        optimizer.zero_grad()
        error = (self.critic(outputs, target, protected) - bias).square()
        error.backward()
        optimizer.step()
        return error.detach()

    def _rows(self) -> torch.Tensor:
        """Draw a quarter of a batch from each cell, with replacement."""
        n = self.params.batch_size // 4
        return torch.cat(
            [m[torch.randint(len(m), (n,), generator=self.generator)] for m in self.members]
        )

    def _batch(self) -> Batch:
        rows = self._rows()
        inputs = normalise(take(self.images, rows, self.device), self.device)
        return Batch(
            inputs.contiguous(memory_format=torch.channels_last),
            self.data.target[rows].to(self.device),
            self.data.protected[rows].to(self.device),
            rows.to(self.device),
        )


def _named(step: list[float]) -> dict[str, float]:
    return dict(zip(("loss", "error", "predicted_bias"), step, strict=True))


def _check(steps: list[list[float]]) -> None:
    for i, step in enumerate(steps, start=1):
        if not torch.tensor(step).isfinite().all():
            raise UserError(
                f"methods.savani_aft: the loss is not finite at model step {i}. Lower "
                "methods.savani_aft.learning_rate."
            )
