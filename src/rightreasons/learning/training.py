"""Training and prediction, without a DataLoader: `learning.images` has the images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import seed_torch
from rightreasons.learning.images import Images, LabelledImages, normalise, resident, take
from rightreasons.learning.optimizers import Adam, Optimizer
from rightreasons.runtime.devices import fit_batch

if TYPE_CHECKING:
    from rightreasons.learning.config import TrainingConfig
    from rightreasons.models.classifier import Classifier

#: Images predicted at a time. A CPU's caches are small: 32 are up to 2.5 times as fast as 256.
AT_ONCE = {"cpu": 32, "cuda": 256}


@dataclass(frozen=True)
class Batch:
    """A batch on the device.

    Parameters
    ----------
    inputs : float32 (B, 3, H, W)
        Normalised images, channels-last in memory.
    target, protected : int64 (B,)
        The labels, 0 or 1.
    indices : int64 (B,)
        Which images of the data these are.
    mirrored : bool (B,)
        Which of them are mirrored, on the CPU; None where none is.
    """

    inputs: torch.Tensor
    target: torch.Tensor
    protected: torch.Tensor
    indices: torch.Tensor
    mirrored: torch.Tensor | None = None

    def turned(self, images: torch.Tensor) -> torch.Tensor:
        """Return what belongs to the batch's images, (B, ..., W), mirrored where they are."""
        if self.mirrored is None:
            return images
        which = self.mirrored.view(-1, *[1] * (images.dim() - 1)).to(images.device)
        return torch.where(which, images.flip(-1), images)


#: What a method does to training images: from uint8 (B, H, W, 3) on the device and their indices
#: (B,), on the CPU, to images uint8 or float of the same shape and range, 0 to 255.
Change = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

#: The images of the next pass: from the generator to as many indices as there are images, int64
#: (N,), on the CPU. An image may come several times, or not at all.
Sampler = Callable[[torch.Generator], torch.Tensor]


def batches(
    data: LabelledImages,
    batch_size: int,
    device: torch.device,
    *,
    generator: torch.Generator | None = None,
    flip: bool = False,
    change: Change | None = None,
    sampler: Sampler | None = None,
) -> Iterator[Batch]:
    """Yield the batches of one pass over some images.

    Parameters
    ----------
    data
        The images with their labels.
    batch_size
        Images in a batch. The last one may have fewer; with a generator, one of a single image is
        left out, because batch norm cannot train on it.
    device
        Where the batches are wanted.
    generator
        Shuffles the images; without one they come in order.
    flip
        Mirror each image with probability 0.5; needs a generator.
    change
        What is done to the images first, so that it sees them as they are in the pool.
    sampler
        Picks and orders the images; needs a generator. Without, each comes once.

    Yields
    ------
    Batch
        Normalised, on the device.
    """
    n = len(data)
    if generator is None:
        order = torch.arange(n)
    else:
        order = sampler(generator) if sampler else torch.randperm(n, generator=generator)
    for start in range(0, n, batch_size):
        indices = order[start : start + batch_size]
        if generator is not None and len(indices) == 1 and n > 1:
            return
        yield batch_of(data, indices, device, generator if flip else None, change)


def batch_of(
    data: LabelledImages,
    indices: torch.Tensor,
    device: torch.device,
    flipped_by: torch.Generator | None = None,
    change: Change | None = None,
) -> Batch:
    """Return a batch of chosen images.

    Parameters
    ----------
    data
        The images with their labels.
    indices : int64 (B,)
        Which of them, on the CPU; an image may come several times.
    device
        Where the batch is wanted.
    flipped_by
        Mirrors each image with probability 0.5; without it none is.
    change
        What is done to the images first.
    """
    images = take(data.images, indices, device)
    if change is not None:
        images = change(images, indices)
    inputs = normalise(images, device)
    mirrored = None
    if flipped_by is not None:
        mirrored = torch.rand(len(indices), generator=flipped_by) < 0.5
        which = mirrored.nonzero()[:, 0].to(device)  # a mask on a GPU would wait for it
        inputs[which] = inputs[which].flip(-1)
    return Batch(
        inputs.contiguous(memory_format=torch.channels_last),
        data.target[indices].to(device),
        data.protected[indices].to(device),
        indices.to(device),
        mirrored,
    )


def make_optimizer(parameters: Any, config: TrainingConfig) -> Optimizer:
    """Return the optimizer that the config names: torch's SGD, Adam or AdamW."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.nesterov,
        )
    return Adam(
        parameters,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        decoupled=config.optimizer == "adamw",
    )


def learning_rate_factor(config: TrainingConfig, progress: float) -> float:
    """Return the factor on the learning rate.

    Parameters
    ----------
    config
        The schedule and its numbers.
    progress : in [0, 1]
        The share of training that is done.

    Returns
    -------
    float
        In [0, 1]; always 1 for a constant schedule.
    """
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "exponential":
        return config.decay ** math.floor(progress * config.epochs)
    if config.schedule == "step":
        return config.decay ** math.floor(progress * config.epochs / config.step_epochs)
    return 1.0


Loss = Callable[["Classifier", Batch], torch.Tensor]


def cross_entropy(config: TrainingConfig) -> Loss:
    """Return the plain loss: cross-entropy of the logits, with the config's label smoothing."""

    def loss(model: Classifier, batch: Batch) -> torch.Tensor:
        return F.cross_entropy(
            model(batch.inputs), batch.target, label_smoothing=config.label_smoothing
        )

    return loss


def autocast(device: torch.device) -> torch.autocast:
    """Return bf16 autocast on CUDA, and a context that does nothing on the CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def train(
    model: Classifier,
    data: LabelledImages,
    config: TrainingConfig,
    *,
    generator: torch.Generator,
    device: torch.device,
    progress: Callable[..., Any],
    loss: Loss | None = None,
    change: Change | None = None,
    sampler: Sampler | None = None,
    description: str = "train",
    steps: int | None = None,
) -> list[dict[str, float]]:
    """Train a model in place. It ends in eval mode.

    Dropout draws from a stream of its own that `generator` seeds, so the caller's global random
    state neither matters nor changes.

    Parameters
    ----------
    model
        The network, on `device`.
    data
        What it is trained on.
    config
        Epochs, batches, optimizer, schedule, augmentation.
    generator
        The random stream of order, mirroring and dropout.
    device
        Where to compute.
    progress
        Wraps an iterable in a progress bar.
    loss
        From the model and a batch to a number; by default cross-entropy.
    change
        What is done to the images of each batch, see `batches`.
    sampler
        Picks and orders the images of each epoch; without, each comes once.
    description
        Of the bar, and in errors.
    steps
        Steps of the optimizer, at least 1: the last pass may then end early, and the schedule is
        spread over as many epochs as there are passes. Without, `config.epochs` whole passes.

    Returns
    -------
    list of dict
        One record per pass: epoch, mean loss, and steps taken.

    Raises
    ------
    UserError
        With the epoch, when the loss is no longer finite.
    """
    data = resident(data, device)
    model.to(memory_format=torch.channels_last)
    optimizer = make_optimizer([p for p in model.parameters() if p.requires_grad], config)
    loss = loss or cross_entropy(config)
    a_pass = math.ceil(len(data) / config.batch_size)
    if steps is None:
        steps = config.epochs * a_pass
    else:
        a_pass = steps_of_a_pass(len(data), config.batch_size)
        config = config.model_copy(update={"epochs": math.ceil(steps / a_pass)})
    left = steps
    history = []
    with seeded(generator, device):
        bar = progress(range(config.epochs), description)
        for epoch in bar:
            training_mode(model)
            total = torch.zeros((), device=device)
            seen = done = 0
            shuffled = batches(
                data,
                config.batch_size,
                device,
                generator=generator,
                flip=config.augment == "flip",
                change=change,
                sampler=sampler,
            )
            for batch in itertools.islice(shuffled, left):
                share = (epoch * a_pass + done) / steps
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate * learning_rate_factor(config, share)
                optimizer.zero_grad()
                with autocast(device):
                    value = loss(model, batch)
                value.backward()
                optimizer.step()
                total += value.detach() * len(batch.target)
                seen += len(batch.target)
                done += 1
            left -= done
            mean_loss = float(total) / seen
            if not math.isfinite(mean_loss):
                raise UserError(
                    f"{description}: the loss is {mean_loss} in epoch {epoch + 1} of "
                    f"{config.epochs} (learning rate {config.learning_rate:g}): training has "
                    "exploded. Lower the learning rate."
                )
            history.append({"epoch": epoch + 1, "loss": mean_loss, "steps": done})
            if hasattr(bar, "set_postfix"):
                bar.set_postfix(loss=f"{mean_loss:.3f}")
    model.eval()
    return history


def training_mode(model: Classifier) -> None:
    """Put a network into training mode, but for batch norms whose weights are frozen.

    Those use their running statistics, which stay as they are (`models.layers.frozen`).
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train(module.weight is None or module.weight.requires_grad)


def steps_of_a_pass(images: int, batch_size: int) -> int:
    """Return how many batches a shuffled pass has: `batches` leaves out a last single image."""
    whole, rest = divmod(images, batch_size)
    return max(whole + (rest > 1), 1)


class seeded:
    """Context in which torch's global streams are seeded from a generator, restored after it.

    Parameters
    ----------
    generator
        Gives the seed: one number is drawn from it.
    device
        Whose stream is seeded as well as the CPU's.
    """

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self.seed = int(torch.randint(2**62, (1,), generator=generator))
        self.device = device
        self.fork = torch.random.fork_rng(
            devices=[torch.cuda.current_device()] if device.type == "cuda" else []
        )

    def __enter__(self) -> None:
        self.fork.__enter__()
        seed_torch(self.seed, self.device)

    def __exit__(self, *exception: Any) -> None:
        self.fork.__exit__(*exception)


@torch.no_grad()
def predict_logits(
    model: Classifier, images: Images, device: torch.device, batch_size: int | None = None
) -> np.ndarray:
    """Return a model's logits, in eval mode and float32.

    Parameters
    ----------
    model
        The network, on `device`.
    images : uint8 (N, H, W, 3)
        What is predicted; may be empty.
    device
        Where to compute.
    batch_size
        Images at a time; by default what suits the device. It is halved where it does not fit.

    Returns
    -------
    ndarray
        float32 (N, 2).
    """

    def predict(size: int) -> np.ndarray:
        parts = [model(inputs).float().cpu() for inputs in _inputs(model, images, device, size)]
        return torch.cat(parts).numpy() if parts else np.zeros((0, 2), np.float32)

    return fit_batch(predict, batch_size or AT_ONCE[device.type], "predict")


@torch.no_grad()
def extract_features(
    model: Classifier, images: Images, device: torch.device, batch_size: int | None = None
) -> torch.Tensor:
    """Return the penultimate activations, before the intervention, in eval mode.

    Parameters
    ----------
    model
        The network, on `device`.
    images : uint8 (N, H, W, 3)
        At least one image.
    device
        Where to compute.
    batch_size
        Images at a time; by default what suits the device. It is halved where it does not fit.

    Returns
    -------
    Tensor
        float32 (N, d), on the CPU.
    """

    def extract(size: int) -> torch.Tensor:
        inputs = _inputs(model, images, device, size)
        return torch.cat([model.features(x).float().cpu() for x in inputs])

    return fit_batch(extract, batch_size or AT_ONCE[device.type], "features")


def _inputs(
    model: Classifier, images: Images, device: torch.device, batch_size: int
) -> Iterator[torch.Tensor]:
    model.eval()
    order = torch.arange(len(images))
    for start in range(0, len(order), batch_size):
        yield normalise(take(images, order[start : start + batch_size], device), device)
