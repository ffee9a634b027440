"""What contract tests share: labels, biased images, a small network, a method's context."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import derive, numpy_rng, torch_generator
from rightreasons.debias import OPEN_ROLES, Context
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.decisions import probability
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import predict_logits, train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.regions.attribution import Attribution
from rightreasons.splits import CELLS

CPU = torch.device("cpu")
#: The red that the protected attribute adds to the corner, and the mask of that corner.
RED = 70
CORNER = "corner"


def quiet(iterable: Iterable[Any], description: str = "") -> Iterable[Any]:
    """A progress bar that shows nothing."""
    return iterable


def cells(n: int, phi: float) -> tuple[np.ndarray, np.ndarray]:
    """Return target and protected (n,) with balanced margins and correlation `phi`."""
    same = round(n * (1 + phi) / 4)
    other = n // 2 - same
    target = np.repeat([0, 0, 1, 1], [same, other, other, same])
    protected = np.repeat([0, 1, 0, 1], [same, other, other, same])
    return target, protected


def labels_of(counts: tuple[int, ...], identities: list[str | None] | None = None) -> pd.DataFrame:
    """A pool's labels with the given counts (n11, n10, n01, n00)."""
    pairs = [cell for cell, count in zip(CELLS, counts, strict=True) for _ in range(count)]
    protected, target = np.array(pairs, np.int8).reshape(-1, 2).T
    number = np.arange(len(pairs))
    return pd.DataFrame(
        {
            "row": number,
            "image_id": [f"{k:05d}" for k in number],
            "identity": pd.array(identities or [None] * len(pairs), dtype="string"),
            "target": target,
            "protected": protected,
        }
    )


def biased_images(n: int, phi: float, size: int = 16, seed: int = 0) -> LabelledImages:
    """Noisy images: a bright left edge is the target (faint), a red corner is protected (plain).

    The corner is the lower right sixth of the image, so that its part in a map can be measured.
    """
    rng = numpy_rng(seed, "fakes", n, phi, size)
    target, protected = cells(n, phi)
    order = rng.permutation(len(target))
    target, protected = target[order], protected[order]
    images = rng.normal(110, 40, (len(target), size, size, 3))
    strength = np.where(target == 1, 1, -1) * rng.normal(14, 10, len(target))
    images[:, :, : size // 2] += strength[:, None, None, None]
    red = RED * corner_of(size)
    images[..., 0] += protected[:, None, None] * red
    return LabelledImages(
        images.clip(0, 255).astype(np.uint8),
        torch.from_numpy(target.astype(np.int64)),
        torch.from_numpy(protected.astype(np.int64)),
        [f"{seed}-{i}" for i in range(len(target))],
    )


def corner_of(size: int) -> np.ndarray:
    """Where the protected attribute is to be seen, bool (size, size)."""
    corner = np.zeros((size, size), bool)
    corner[size - size // 3 :, size - size // 3 :] = True
    return corner


def switched(data: LabelledImages) -> LabelledImages:
    """Images of `biased_images` with the other protected attribute: the corner's red is moved.

    What an image shows decides, not its label, which a test may have shuffled.
    """
    images = np.asarray(data.images).astype(np.int64)
    corner = corner_of(images.shape[1])
    red = images[:, corner, 0].mean(axis=1) - images[:, corner, 1:].mean(axis=(1, 2))
    images[..., 0] += np.where(red > RED / 2, -RED, RED)[:, None, None] * corner
    return replace(data, images=images.clip(0, 255).astype(np.uint8), protected=1 - data.protected)


def network(architecture: str, size: int = 16, seed: int = 0) -> Classifier:
    """Return a fresh network for images of `size` pixels."""
    sized = size if architecture == "small_vit" else None
    return build_classifier(architecture, seed=seed, image_size=sized)


def trained(
    data: LabelledImages, config: TrainingConfig, seed: int = 0, architecture: str = "small_cnn"
) -> Classifier:
    """Return a small network trained on `data`, in eval mode."""
    model = network(architecture, data.images.shape[1], seed)
    generator = torch_generator(seed, "train")
    train(model, data, config, generator=generator, device=CPU, progress=quiet)
    return model


def predictions(model: Classifier, data: LabelledImages) -> pd.DataFrame:
    """Return the table of predictions that a method is given."""
    logits = predict_logits(model, data.images, CPU)
    return pd.DataFrame(
        {
            "image_id": data.image_ids,
            "target": data.target.numpy(),
            "protected": data.protected.numpy(),
            "logit_0": logits[:, 0],
            "logit_1": logits[:, 1],
            "score": probability(logits),
        }
    )


def attribution_of(data: LabelledImages, seed: int = 0, grid: int = 4) -> Attribution:
    """Return made-up confidences of a patch classifier, one grid per image of `data`."""
    confidence = numpy_rng(seed, "confidence").uniform(0.5, 1, (len(data), grid, grid))
    size = data.images.shape[1]
    return Attribution(confidence.astype(np.float16), size=size, patch=size // 4)


def make_context(
    model: Classifier,
    debias: LabelledImages,
    train_data: LabelledImages | None = None,
    training: TrainingConfig | None = None,
    seed: int = 0,
    attribution: Attribution | None = None,
    balanced: LabelledImages | None = None,
    architecture: str = "small_cnn",
) -> Context:
    """Return a context whose vanilla network is `model`; the pool is its train images.

    The region of interest is the corner of `biased_images`, which is also the mask of the images
    that have the protected attribute.
    """
    train_data = debias if train_data is None else train_data
    none = LabelledImages(
        train_data.images[:0], train_data.target[:0], train_data.protected[:0], []
    )
    roles = {"debias": debias, "train": train_data, "balanced": balanced or none}

    def of(role: str) -> LabelledImages:
        if role not in OPEN_ROLES:
            raise UserError(f"the role {role!r} is closed to methods.")
        return roles[role]

    def roi(role: str) -> np.ndarray:
        corner = corner_of(of(role).images.shape[1])
        return np.broadcast_to(corner, (len(of(role)), *corner.shape))

    def masks(role: str, name: str) -> np.ndarray:
        if name != CORNER:
            raise UserError(f"the dataset has no mask {name!r}. Allowed: {CORNER}.")
        return roi(role) & (of(role).protected.numpy() == 1)[:, None, None]

    context = Context(
        vanilla=lambda: copy.deepcopy(model).eval(),
        fresh=lambda: network(architecture, debias.images.shape[1], seed),
        debias=lambda: debias,
        train=lambda: train_data,
        role=of,
        pool_rows=lambda role: np.arange(len(of(role))),
        attribution=lambda: attribution or attribution_of(train_data),
        predictions=predictions(model, debias),
        training=training or TrainingConfig.model_validate({}),
        vanilla_generator=lambda: torch_generator(seed, "train"),
        generator=lambda stream: torch_generator(seed, "debias", stream),
        seed_of=lambda stream: derive(seed, "debias", stream),
        progress=quiet,
        masks=masks,
        roi=roi,
        twins=lambda role: switched(of(role)),
    )
    context.device = CPU
    return context
