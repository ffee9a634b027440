"""A planted example whose answer is known: 8 x 8 images in which T and PA are one pattern each.

An image is grey noise plus a pattern on its left half that says the target and a stronger one on
its right half that says the protected attribute. Nobody can tell the target better than `BAYES`
without the protected attribute, and a network that uses nothing else is as good as fair.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from rightreasons.contracts.fakes import CPU, cells, make_context, quiet
from rightreasons.core.seeds import numpy_rng, torch_generator
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._thresholds import probability
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import predict_logits, train
from rightreasons.models.classifier import Classifier

Kind = Literal["frozen", "trained"]

SIZE = 8
NOISE = 20.0  # grey levels
TARGET, PROTECTED = 1.7, 3.0  # half the distance of the two classes, in units of the noise
BAYES = 0.955  # the best accuracy on balanced images without the protected attribute
COUNTS = {"train": 1000, "debias": 500, "test": 4000}
#: How vanilla is trained: as far as a careful author would not go, so that it leans on PA.
TRAINING: dict[Kind, dict[str, Any]] = {
    "frozen": {"epochs": 5, "batch_size": 128, "learning_rate": 1e-2},
    "trained": {"epochs": 3, "batch_size": 128, "learning_rate": 3e-3},
}


def pattern(half: Literal["left", "right"]) -> np.ndarray:
    """Return the target's (left) or the protected attribute's (right) pattern, of length 1.

    float64 (8, 8, 3): stripes on one half of the image, the same in all colours.
    """
    drawn = np.zeros((SIZE, SIZE, 3))
    stripes = np.where(np.arange(SIZE) % 2 == 0, 1.0, -1.0)[:, None, None]
    drawn[:, : SIZE // 2] = stripes
    drawn = drawn if half == "left" else drawn[:, ::-1]
    return drawn / np.linalg.norm(drawn)


def draw(
    target: np.ndarray, protected: np.ndarray, seed: int, role: str, *, twins: bool = False
) -> LabelledImages:
    """Return images of these labels (N,); with `twins` the same ones, their PA switched."""
    rng = numpy_rng(seed, "planted", role)
    noise = rng.normal(0, NOISE, (len(target), SIZE, SIZE, 3))
    shown = 1 - protected if twins else protected
    for labels, distance, half in ((target, TARGET, "left"), (shown, PROTECTED, "right")):
        noise += (2 * labels - 1)[:, None, None, None] * (distance * NOISE * pattern(half))
    return LabelledImages(
        (127.5 + noise).round().clip(0, 255).astype(np.uint8),
        torch.from_numpy(target.astype(np.int64)),
        torch.from_numpy(shown.astype(np.int64)),
        [f"{role}-{k}" for k in range(len(target))],
    )


def images(n: int, phi: float, seed: int, role: str, *, twins: bool = False) -> LabelledImages:
    """Return n images with balanced margins and correlation phi, in a random order."""
    target, protected = cells(n, phi)
    order = numpy_rng(seed, "planted order", role).permutation(n)
    return draw(target[order], protected[order], seed, role, twins=twins)


def network(kind: Kind, seed: int) -> Classifier:
    """Return an untrained network.

    `frozen`: a fixed linear trunk with 32 features, in which the directions of T and PA have a
    cosine of -0.12, and a head to train; `trained`: 192-64-BN-ReLU-32, all to train.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "trained":
            layers = OrderedDict(
                flatten=nn.Flatten(),
                hidden=nn.Linear(3 * SIZE**2, 64),
                bn=nn.BatchNorm1d(64),
                relu=nn.ReLU(),
                out=nn.Linear(64, 32),
            )
            return Classifier(nn.Sequential(layers), nn.Linear(32, 2))
        fixed = nn.Linear(3 * SIZE**2, 32)
        fixed.weight.data = torch.from_numpy(_fixed(seed)).float()
        fixed.bias.data.zero_()
        trunk = nn.Sequential(OrderedDict(flatten=nn.Flatten(), fixed=fixed))
        head = nn.Linear(32, 2)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return Classifier(trunk.requires_grad_(False), head)


def _fixed(seed: int) -> np.ndarray:
    """Return the fixed trunk's weights (32, 192): both patterns and noise, turned at random."""
    rng = numpy_rng(seed, "planted features")
    planted = np.stack([pattern(half).transpose(2, 0, 1).ravel() for half in ("left", "right")])
    noise = rng.normal(size=(30, 3 * SIZE**2))
    noise -= noise @ planted.T @ planted
    basis = np.concatenate([planted, np.linalg.qr(noise.T)[0].T])
    tilt = np.eye(32)
    tilt[0, 1] = -0.12
    turn = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    return turn @ tilt @ basis


@dataclass
class Planted:
    """A vanilla network, what a method is given, and balanced test images."""

    kind: Kind
    seed: int
    context: Context
    test: LabelledImages
    twins: LabelledImages


@dataclass
class Outcome:
    """What a network does on the balanced test images.

    equalized_odds: max_t |P(1 | t, PA=1) - P(1 | t, PA=0)|. worst: accuracy of the worst cell.
    positive: share decided 1. flips: share of decisions that change when PA is switched.
    """

    equalized_odds: float
    accuracy: float
    worst: float
    positive: float
    flips: float
    debiased: Debiased | None = field(default=None, repr=False)


@cache
def planted(kind: Kind = "frozen", seed: int = 0, phi: float = 0.9) -> Planted:
    """Return the example, its vanilla network trained; `test` and `twins` are balanced."""
    roles = {role: images(n, phi, seed, role) for role, n in COUNTS.items() if role != "test"}
    config = TrainingConfig.model_validate(TRAINING[kind])
    vanilla = network(kind, seed)
    generator = torch_generator(seed, "train")
    train(vanilla, roles["train"], config, generator=generator, device=CPU, progress=quiet)
    context = make_context(vanilla, roles["debias"], roles["train"], config, seed)
    context.fresh = lambda: network(kind, seed)
    test, twins = (images(COUNTS["test"], 0.0, seed, "test", twins=t) for t in (False, True))
    return Planted(kind, seed, context, test, twins)


def run(example: Planted, name: str, **params: Any) -> Outcome:
    """Run the method `name` on the example and return what its result does on the test images."""
    method = METHODS[name]
    debiased = method.run(copy.copy(example.context), method.params(**params))
    model = debiased.model or example.context.vanilla()
    return outcome(example, model, debiased)


def outcome(example: Planted, model: Classifier, debiased: Debiased | None = None) -> Outcome:
    """Return what `model` does on the test images, by the decision rule of `debiased`."""
    rule = (debiased or Debiased()).decision
    own, switched = (
        rule.decide(
            probability(predict_logits(model, data.images, CPU, batch_size=1000)),
            data.protected.numpy(),
            data.image_ids,
        )
        for data in (example.test, example.twins)
    )
    target, protected = example.test.target.numpy(), example.test.protected.numpy()
    positive = np.array(
        [[own[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
    )
    right = np.stack([1 - positive[0], positive[1]])
    return Outcome(
        equalized_odds=float(np.abs(positive[:, 1] - positive[:, 0]).max()),
        accuracy=float(right.mean()),
        worst=float(right.min()),
        positive=float(positive.mean()),
        flips=float((own != switched).mean()),
        debiased=debiased,
    )
