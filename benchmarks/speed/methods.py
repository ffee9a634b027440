"""The parts of the methods whose cost depends on how they are written, against plain ways."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from rightreasons.debias import _thresholds as thresholds
from rightreasons.debias._adversaries import (
    LogitAdversary,
    debiased_gradient,
    flat_gradient,
    set_gradient,
)
from rightreasons.debias._cav import fit_cav
from rightreasons.debias._gradient_penalty import right_reason_penalty
from rightreasons.debias._input import GREY, WHITE, mask, noise
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import projection
from rightreasons.models.layers import captured

from .measure import Comparison, Work
from .options import Options


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield a row per method, or two where the size matters."""
    yield from zhang(options)
    yield from clarc(options)
    yield from penalties(options)
    yield from threshold_rules(options)
    yield from changed_images(options)


def seeded() -> torch.Generator:
    """Return a generator in its first state."""
    return torch.Generator().manual_seed(0)


def zhang(options: Options) -> Iterator[Comparison]:
    """Yield Zhang's update over all parameters as one vector, against two ways by parameter."""
    for architecture, batch in (("small_cnn", 32), ("resnet18", options.pick(8, 2))):
        size = options.pick(64, 32)
        together, by_backward, by_parameter = zhang_updates(architecture, size, batch)
        for other, against in (
            (by_parameter, "two backward passes per parameter"),
            (by_backward, "two backward passes, projected parameter by parameter"),
        ):
            yield Comparison(
                group="methods",
                what=f"zhang: an update of {architecture}",
                data=f"batch {batch}, {size} px",
                unit="updates",
                units=1,
                ours=together,
                other=other,
                against=against,
                aim=1.0 if other is by_parameter else None,
            )


def zhang_updates(architecture: str, size: int, batch: int) -> tuple[Work, Work, Work]:
    """Return one step's gradients: as one vector, and parameter by parameter in two ways."""
    model = build_classifier(architecture).train()
    adversary = LogitAdversary("equalized_odds")
    torch.nn.init.ones_(adversary.weight)
    inputs = torch.randn(batch, 3, size, size, generator=seeded())
    target, protected = torch.randint(2, (2, batch), generator=seeded())
    weights = list(model.parameters())

    def losses() -> tuple[torch.Tensor, torch.Tensor]:
        logits = model(inputs)
        return F.cross_entropy(logits, target), adversary.loss(logits, target, protected)

    def together() -> None:
        loss, adversary_loss = losses()
        g = flat_gradient(loss, weights, keep_graph=True)
        h = flat_gradient(adversary_loss, weights, keep_graph=False)
        set_gradient(weights, debiased_gradient(g, h, 1.0))

    def by_backward() -> None:
        loss, adversary_loss = losses()
        pairs = (torch.autograd.grad(x, weights, retain_graph=True) for x in (loss, adversary_loss))
        for weight, g, h in zip(weights, *pairs, strict=True):
            weight.grad = debiased_gradient(g.flatten(), h.flatten(), 1.0).view_as(weight)

    def by_parameter() -> None:
        loss, adversary_loss = losses()
        for weight in weights:
            (g,) = torch.autograd.grad(loss, weight, retain_graph=True)
            (h,) = torch.autograd.grad(adversary_loss, weight, retain_graph=True)
            weight.grad = debiased_gradient(g.flatten(), h.flatten(), 1.0).view_as(weight)

    return together, by_backward, by_parameter


def clarc(options: Options) -> Iterator[Comparison]:
    """Yield the projection of a_clarc and p_clarc, and the direction that all three share."""
    batch = 256
    for width in options.pick((512, 2048), (32,)):
        v, z = torch.randn(2, width, generator=seeded())
        features = torch.randn(batch, width, generator=seeded())
        affine = projection(v, z)
        matrix = affine.read.T @ affine.read
        yield Comparison(
            group="methods",
            what="a_clarc, p_clarc: projection",
            data=f"{batch} x {width} features",
            unit="images",
            units=batch,
            ours=partial(affine, features),
            other=partial(by_matrix, features, z, matrix),
            against="the d x d matrix",
            aim=1.0,
        )
    count, width = options.pick((2000, 512), (40, 16))
    x = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
    y = np.arange(count) % 2
    yield Comparison(
        group="methods",
        what="clarc: fit a direction (signal)",
        data=f"{count} x {width} features",
        unit="images",
        units=count,
        ours=partial(fit_cav, x, y),
        other=partial(cav_by_sample, x, y),
        against="a loop over images",
        aim=1.0,
    )


def by_matrix(features: torch.Tensor, z: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Project features with v v^T as a matrix."""
    return features - (features - z) @ matrix


def cav_by_sample(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return cov(x, y) / var(y), normed, and count ordered pairs for its AUROC, image by image."""
    mean_x, mean_y = sum(x[i] for i in range(len(x))) / len(x), sum(y) / len(y)
    covariance = sum((y[i] - mean_y) * (x[i] - mean_x) for i in range(len(x)))
    direction = covariance / sum((y[i] - mean_y) ** 2 for i in range(len(y)))
    direction /= np.linalg.norm(direction)
    score = np.array([direction @ x[i] for i in range(len(x))])
    negative = score[y == 0]
    np.mean([(value > negative).mean() for value in score[y == 1]])
    return direction


def penalties(options: Options) -> Iterator[Comparison]:
    """Yield rr_clarc's penalty on a batch, against one image at a time."""
    batch, size = options.pick((32, 64), (4, 32))
    for layer in ("penultimate", "conv3"):
        together, singly = penalty_updates(layer, batch, size)
        yield Comparison(
            group="methods",
            what=f"rr_clarc: an update of small_cnn, penalty at {layer}",
            data=f"batch {batch}, {size} px",
            unit="updates",
            units=1,
            ours=together,
            other=singly,
            against="a gradient per image",
            aim=1.0,
        )


def penalty_updates(name: str, batch: int, size: int) -> tuple[Work, Work]:
    """Return the gradients of the penalty's mean: from one double backward pass, and from many."""
    model = build_classifier("small_cnn").eval()
    layer = model.trunk if name == "penultimate" else model.trunk.get_submodule(name)
    inputs = torch.randn(batch, 3, size, size, generator=seeded())
    target = torch.randint(2, (batch,), generator=seeded())
    width = model.n_features if name == "penultimate" else 64
    direction = F.normalize(torch.randn(width, generator=seeded()), dim=0)

    def penalise(which: slice) -> torch.Tensor:
        with captured(layer) as outputs:
            logits = model(inputs[which])
            seen = target[which]
            return right_reason_penalty(logits, seen, outputs[0], direction, "max_logit", "l2")

    def together() -> None:
        model.zero_grad()
        penalise(slice(None)).backward()

    def singly() -> None:
        model.zero_grad()
        (sum(penalise(slice(i, i + 1)) for i in range(batch)) / batch).backward()

    return together, singly


def threshold_rules(options: Options) -> Iterator[Comparison]:
    """Yield both threshold rules, against a loop over thresholds and a linear program."""
    count = options.pick(1000, 60)
    rng = np.random.default_rng(0)
    target, protected = rng.integers(0, 2, (2, count))
    score = (0.6 * rng.uniform(size=count) + 0.2 * target + 0.2 * protected).astype(np.float32)
    data = f"{count} images"
    yield Comparison(
        group="methods",
        what="thropt: choose a threshold",
        data=data,
        unit="rules",
        units=1,
        ours=partial(thresholds.choose_threshold, score, target, protected, 0.02),
        other=partial(threshold_by_threshold, score, target, protected),
        against="a pass over the images per threshold",
        aim=1.0,
    )
    yield Comparison(
        group="methods",
        what="thropt_group: the best rule of equal odds",
        data=data,
        unit="rules",
        units=1,
        ours=partial(
            thresholds.equalized_odds_rule, score, target, protected, "balanced_accuracy", 0
        ),
        other=partial(linear_program, score, target, protected),
        against="a linear program over all thresholds (scipy)",
        aim=1.0,
    )


def threshold_by_threshold(score: np.ndarray, target: np.ndarray, protected: np.ndarray) -> float:
    """Return thropt's threshold from one pass over the images per threshold."""
    found = []
    for threshold in thresholds.candidates(score):
        decision = score >= threshold
        rate = [[decision[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
        gap = max(abs(rate[t][1] - rate[t][0]) for t in (0, 1))
        accuracy = (decision[target == 1].mean() + 1 - decision[target == 0].mean()) / 2
        found.append((gap, -accuracy, threshold))
    best = min(accuracy for _, accuracy, _ in found)
    return min(entry for entry in found if entry[1] <= best + 0.02)[2]


def linear_program(score: np.ndarray, target: np.ndarray, protected: np.ndarray) -> float:
    """Return the best (TPR - FPR) / 2 over lotteries of thresholds by group with equal odds."""
    from scipy.optimize import linprog

    limits = np.concatenate([[-1.0], thresholds.candidates(score), [2.0]])
    fpr, tpr = thresholds.rates(score, target, protected, limits)
    one, none = np.ones(len(limits)), np.zeros(len(limits))
    equal = np.stack(
        [
            np.concatenate([tpr[0], -tpr[1]]),
            np.concatenate([fpr[0], -fpr[1]]),
            np.concatenate([one, none]),
            np.concatenate([none, one]),
        ]
    )
    gain = np.concatenate([tpr[0] - fpr[0], none]) / 2
    return -float(linprog(-gain, A_eq=equal, b_eq=[0, 0, 1, 1]).fun)


def changed_images(options: Options) -> Iterator[Comparison]:
    """Yield mask and noise on a batch, against images changed one by one in numpy."""
    batch, size = options.pick((64, 128), (4, 16))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    regions = rng.uniform(size=(batch, size, size)) > 0.8
    on_device, indices = torch.from_numpy(regions[..., None]), torch.arange(batch)
    tensor = torch.from_numpy(images)
    changes = {
        "mask_general, mask_specific": (mask(lambda _: on_device), masked),
        "noise_general, noise_specific": (noise(lambda _: on_device, 0.5, seeded()), noisy),
    }
    for what, (change, plain) in changes.items():
        yield Comparison(
            group="methods",
            what=f"{what}: change a batch",
            data=f"batch {batch}, {size} px",
            unit="images",
            units=batch,
            ours=partial(change, tensor, indices),
            other=partial(one_by_one, images, regions, plain),
            against="numpy, image by image",
            aim=1.0,
        )


def one_by_one(images: np.ndarray, regions: np.ndarray, change: object) -> torch.Tensor:
    """Return the batch with every image changed by itself."""
    rng = np.random.default_rng(0)
    changed = [change(i, r, rng) for i, r in zip(images, regions, strict=True)]  # type: ignore[operator]
    return torch.from_numpy(np.stack(changed))


def masked(image: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a grey region in an image."""
    changed = image.astype(np.float32)
    changed[region] = GREY
    return changed


def noisy(image: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a noisy region in an image; noise is drawn for the region only."""
    changed = image.astype(np.float32)
    drawn = rng.standard_normal(changed[region].shape, dtype=np.float32)
    changed[region] = np.clip(changed[region] + 0.5 * WHITE * drawn, 0, WHITE)
    return changed
