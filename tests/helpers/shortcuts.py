"""Planted shortcuts whose place is known, and what a network makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rightreasons.contracts.fakes import (
    CPU,
    biased_images,
    cells,
    corner_of,
    make_context,
    switched,
)
from rightreasons.contracts.fakes import trained as trained_on
from rightreasons.core.seeds import numpy_rng
from rightreasons.debias import Context
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages, normalise
from rightreasons.learning.training import predict_logits
from rightreasons.models.classifier import Classifier

SIZE = 16
TRAINING = TrainingConfig.model_validate({"epochs": 4, "batch_size": 32, "learning_rate": 3e-3})


@dataclass(frozen=True)
class Planted:
    """A cell: its context, test images with their twins, and the region of interest."""

    context: Context
    test: LabelledImages
    twins: LabelledImages
    roi: np.ndarray

    def seen(self, model: Classifier) -> tuple[float, float, float]:
        """Return accuracy, share of decisions that the twin flips, and relevance in the ROI."""
        one, other = (
            predict_logits(model, data.images, CPU).argmax(1) for data in (self.test, self.twins)
        )
        right = float((one == self.test.target.numpy()).mean())
        return right, float((one != other).mean()), self._relevance(model)

    def _relevance(self, model: Classifier) -> float:
        """Return the ROI's share of |input x gradient| of the true class, a mean over images."""
        pixels = normalise(torch.from_numpy(self.test.images), CPU).requires_grad_()
        logit = model(pixels).gather(1, self.test.target[:, None]).sum()
        (gradient,) = torch.autograd.grad(logit, pixels)
        maps = (pixels.detach() * gradient).sum(dim=1).abs().numpy()
        return float((maps[:, self.roi].sum(axis=1) / maps.sum(axis=(1, 2))).mean())


def in_a_corner(epochs: int = 8) -> Planted:
    """The shortcut is a red corner, which is the ROI."""
    training = TRAINING.model_copy(update={"epochs": epochs})
    data = [biased_images(n, phi, seed=s) for s, (n, phi) in enumerate(_SIZES)]
    context = make_context(trained_on(data[0], training), data[1], data[0], training)
    return Planted(context, data[2], switched(data[2]), corner_of(SIZE))


def everywhere() -> Planted:
    """The shortcut is a red tint of the whole image; the ROI is a small square in the middle."""
    data = [_tinted(n, phi, seed) for seed, (n, phi) in enumerate(_SIZES)]
    context = make_context(trained_on(data[0][0], TRAINING), data[1][0], data[0][0], TRAINING)
    roi = np.zeros((SIZE, SIZE), bool)
    roi[5:11, 5:11] = True
    context.roi = lambda role: np.broadcast_to(roi, (len(context.role(role)), *roi.shape))
    return Planted(context, *data[2], roi)


#: Images and phi of train, debias and test.
_SIZES = ((512, 0.9), (256, 0.9), (512, 0.0))


def _tinted(
    n: int, phi: float, seed: int, red: float = 60
) -> tuple[LabelledImages, LabelledImages]:
    """Return noise with a faint bright left half (target) and a tint (protected), and its twins."""
    rng = numpy_rng(seed, "tinted")
    target, protected = cells(n, phi)
    order = rng.permutation(n)
    target, protected = target[order], protected[order]
    plain = rng.normal(110, 40, (n, SIZE, SIZE, 3))
    plain[:, :, : SIZE // 2] += (np.where(target, 1, -1) * rng.normal(14, 10, n))[
        :, None, None, None
    ]
    ids = [f"{seed}-{i}" for i in range(n)]

    def labelled(protected: np.ndarray) -> LabelledImages:
        images = plain.copy()
        images[..., 0] += red * protected[:, None, None]
        labels = (torch.from_numpy(np.asarray(one, np.int64)) for one in (target, protected))
        return LabelledImages(images.clip(0, 255).astype(np.uint8), *labels, ids)

    return labelled(protected), labelled(1 - protected)
