"""Training a patch classifier: one random patch of every image per step, cut on the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from rightreasons.core.errors import UserError
from rightreasons.learning.images import Images, normalise, resident_images, take
from rightreasons.learning.optimizers import Adam
from rightreasons.learning.training import autocast, seeded
from rightreasons.regions.networks import PatchNetwork
from rightreasons.regions.params import RegionParams


def cut_patches(images: torch.Tensor, corners: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut one patch out of each image, by one gather.

    Parameters
    ----------
    images : (B, H, W, 3)
        The images.
    corners : int64 (B, 2)
        (y, x) of each patch's upper left corner, on the images' device.
    patch
        k, the side of a patch.

    Returns
    -------
    Tensor
        (B, k, k, 3).
    """
    steps = torch.arange(patch, device=images.device)
    y, x = corners[:, :1] + steps, corners[:, 1:] + steps
    image = torch.arange(len(images), device=images.device)
    return images[image[:, None, None], y[:, :, None], x[:, None, :]]


def train_patch_classifier(
    network: PatchNetwork,
    images: Images,
    labels: np.ndarray,
    params: RegionParams,
    *,
    generator: torch.Generator,
    device: torch.device,
    progress: Callable[..., Any],
    description: str = "patch classifier",
) -> list[dict[str, float]]:
    """Train a patch classifier in place, on one random patch of every image per epoch.

    AdamW, whose learning rate is divided by `decay` every `step_epochs` epochs; cross-entropy with
    label smoothing; bf16 on CUDA. The network ends on `device`, in eval mode.

    Parameters
    ----------
    network
        The patch classifier.
    images : uint8 (N, I, I, 3)
        What it is trained on, N at least 2.
    labels : int64 (N,)
        Their classes.
    params
        The patch classifier's parameters.
    generator
        From which alone the order of images and the positions come.
    device
        Where to compute.
    progress
        Wraps an iterable in a progress bar.
    description
        Of the bar, and in errors.

    Returns
    -------
    list of dict
        One record (epoch, loss, accuracy) per epoch.

    Raises
    ------
    UserError
        For images of another size than the network's, and, with the epoch, when the loss is no
        longer finite.
    """
    _check(network, images, labels)
    network.to(device)
    images = resident_images(images, device)
    optimizer = Adam(
        network.parameters(),
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        decoupled=True,
    )
    targets = torch.from_numpy(np.asarray(labels, np.int64))
    history = []
    with seeded(generator, device):
        for epoch in progress(range(params.epochs), description):
            for group in optimizer.param_groups:
                group["lr"] = params.learning_rate * rate_factor(params, epoch)
            record = _epoch(network, images, targets, params, optimizer, generator, device)
            if not math.isfinite(record["loss"]):
                raise UserError(
                    f"{description}: the loss is {record['loss']} in epoch {epoch + 1} of "
                    f"{params.epochs} (learning rate {params.learning_rate:g}): training has "
                    "exploded. Lower the learning rate."
                )
            history.append({"epoch": epoch + 1, **record})
    network.eval()
    return history


def rate_factor(params: RegionParams, epoch: int) -> float:
    """Return the factor on the learning rate in an epoch, counted from 0."""
    return (1 / params.decay) ** (epoch // params.step_epochs)


def _epoch(
    network: PatchNetwork,
    images: Images,
    labels: torch.Tensor,
    params: RegionParams,
    optimizer: Adam,
    generator: torch.Generator,
    device: torch.device,
) -> dict[str, float]:
    """One pass over the images; the mean loss and accuracy of the patches on the way."""
    network.train()
    total = torch.zeros(2, device=device)
    order = torch.randperm(len(labels), generator=generator)
    drawn = torch.randint(network.positions, (len(labels),), generator=generator)
    batches = [b for b in order.split(params.batch_size) if len(b) > 1]  # batch norm needs two
    for batch in batches:
        position, target = drawn[batch].to(device), labels[batch].to(device)
        whole = take(images, batch, device)
        patches = cut_patches(whole, network.corners[position], network.patch)
        optimizer.zero_grad()
        with autocast(device):
            logits = network(normalise(patches, device), position)
            loss = F.cross_entropy(logits, target, label_smoothing=params.label_smoothing)
        loss.backward()
        optimizer.step()
        right = (logits.detach().argmax(dim=1) == target).sum()
        total += torch.stack([loss.detach() * len(batch), right])
    loss, accuracy = (total / sum(len(batch) for batch in batches)).tolist()
    return {"loss": loss, "accuracy": accuracy}


def _check(network: PatchNetwork, images: Images, labels: np.ndarray) -> None:
    if len(images) != len(labels):
        raise UserError(f"patch classifier: {len(images)} images, but {len(labels)} labels.")
    if len(images) < 2:
        raise UserError(f"patch classifier: {len(images)} images are too few to train on.")
    if tuple(images.shape[1:3]) != (network.size, network.size):
        raise UserError(
            f"patch classifier: images of {images.shape[2]} x {images.shape[1]} pixels, but the "
            f"network is made for {network.size} x {network.size}."
        )
