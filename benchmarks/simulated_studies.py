"""Studies made by a formula: retrained copies of one recipe, judged on test images.

A model's logit on an image is the sum of what all models see in the image, the target, a shortcut
by the protected attribute whose strength varies from one training run to another, an intercept
that does, too, and noise of this run on this image. Equalized odds of retrained models then vary
as those of real ones do, with a standard deviation of about 0.1. A method's runs share half of
their variance with the other methods' of the same seed, which start from the same network.

Methods are equal on average over runs and images. They may still be different recipes: then each
has images of its own that it finds easier or harder in all of its runs (`OWN`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS
from rightreasons.statistics.paired import Judged, Resampled, draws_of, resampled

Array = np.ndarray
#: Standard deviations and effects in the logit; image and noise have a standard deviation of 1.
TARGET, STRENGTH, INTERCEPT, OWN = 1.0, 0.3, 0.2, 0.7
#: Share of the variance over runs that methods of one seed have in common.
COMMON = 0.5
#: Share of the test images that all seeds have, where they have not all in common.
OVERLAP = 0.15
#: The mean of a number per image.
NUMBER = 0.4


@dataclass(frozen=True)
class Shape:
    """How large a study is.

    Parameters
    ----------
    seeds, images, methods
        Seeds, test images of a seed, methods with the original.
    same_images
        Whether all seeds have the same test images, or `OVERLAP` of them.
    own
        Whether methods are different recipes that are equal on average, or one and the same.
    """

    seeds: int
    images: int
    methods: int = 10
    same_images: bool = True
    own: bool = False

    def __str__(self) -> str:
        images = f"{self.images:,} images" + ("" if self.same_images else f", {OVERLAP:.0%} shared")
        return f"{self.seeds} seeds, {images}, {self.methods} methods"


@dataclass(frozen=True, eq=False)
class Images:
    """Test images of all seeds: labels (N,) and whose they are (S, n), columns of the labels."""

    target: Array
    protected: Array
    of_seed: Array

    @property
    def ids(self) -> Array:
        """A number per image, (N,)."""
        return np.arange(len(self.target))


@cache
def test_images(shape: Shape) -> Images:
    """Return images of four cells of the same size, of which seeds share some or all."""
    shared = shape.images if shape.same_images else round(OVERLAP * shape.images)
    own = shape.images - shared
    columns = np.arange(shape.seeds * own).reshape(shape.seeds, own) + shared
    of_seed = np.column_stack([np.tile(np.arange(shared), (shape.seeds, 1)), columns])
    cell = np.arange(shared + shape.seeds * own) % 4
    return Images(cell // 2, cell % 2, of_seed)


def logits(shape: Shape, strengths: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return logits of methods with some mean strengths (M,) of their shortcut.

    Returns
    -------
    made, turned : (M, S, N)
        On the images, and on their twins, where the shortcut alone has changed sides.
    """
    images, runs = test_images(shape), (shape.methods, shape.seeds, 1)
    strength = strengths[:, None, None] + STRENGTH * _runs(runs, rng)
    n, own = len(images.target), OWN if shape.own else 0.0
    rest = TARGET * (2 * images.target - 1) + rng.normal(size=n)
    rest = rest + own * rng.normal(size=(shape.methods, 1, n)) + INTERCEPT * _runs(runs, rng)
    rest += np.sqrt(1 - own**2) * rng.normal(size=(shape.methods, shape.seeds, n))
    side = strength * (2 * images.protected - 1)
    return rest + side, rest - side


def numbers(shape: Shape, rng: np.random.Generator) -> Array:
    """Return a number per image such as a share of relevance, (M, S, N), 0.4 on average.

    Its standard deviation is 0.12 over images, 0.04 over runs and 0.08 over images of a run.
    """
    images = test_images(shape)
    n, own = len(images.target), OWN if shape.own else 0.0
    of_run = 0.04 * _runs((shape.methods, shape.seeds, 1), rng)
    noise = own * rng.normal(size=(shape.methods, 1, n))
    noise = noise + np.sqrt(1 - own**2) * rng.normal(size=(shape.methods, shape.seeds, n))
    return _own_images(NUMBER + 0.12 * rng.normal(size=n) + of_run + 0.08 * noise, images)


def flips(made: Array, turned: Array, shape: Shape) -> Array:
    """Return whether twins are decided otherwise, (M, S, N)."""
    changed = ((made > 0) != (turned > 0)).astype(np.float64)
    return _own_images(changed, test_images(shape))


def judged(made: Array, shape: Shape) -> list[Judged]:
    """Return one method's predictions from its logits (S, N), one per seed."""
    images = test_images(shape)
    return [
        Judged(
            images.target[own],
            images.protected[own],
            (row[own] > 0).astype(np.float64),
            1 / (1 + np.exp(-row[own])),
            images.ids[own],
        )
        for row, own in zip(made, images.of_seed, strict=True)
    ]


def values_of(made: Array, shape: Shape, metric: str, draws: object) -> list[Resampled]:
    """Return a metric of every method's predictions by the suite's own functions."""
    component = METRICS[metric]
    how = {"metric": component, "params": component.params(), "draws": draws}
    return [resampled(judged(one, shape), **how) for one in made]


@cache
def draws(shape: Shape, number: int, replicates: int) -> object:
    """Return draws of the test images; studies of a shape take turns in some of them."""
    images = test_images(shape)
    nothing = np.zeros((shape.seeds, len(images.target)))
    return draws_of(judged(nothing, shape), seed=number, replicates=replicates)


@cache
def _truths() -> tuple[Array, dict[str, Array]]:
    """Return mean strengths and the mean over runs of metrics on the whole population."""
    from scipy.special import ndtr

    rng, grid = numpy_rng(0, "truths"), np.linspace(0, 4, 161)
    strength = grid[:, None] + STRENGTH * rng.normal(size=4000)
    intercept = INTERCEPT * rng.normal(size=4000)
    with_it, without = intercept + strength, intercept - strength
    rates = {
        (y, a): ndtr((TARGET * (2 * y - 1) + (with_it if a else without)) / np.sqrt(2))
        for y in (0, 1)
        for a in (0, 1)
    }
    gaps = [abs(rates[y, 1] - rates[y, 0]) for y in (0, 1)]
    right = [rates[1, 0], rates[1, 1], 1 - rates[0, 0], 1 - rates[0, 1]]
    found = {
        "equalized_odds": np.maximum(*gaps),
        "accuracy": np.mean(right, axis=0),
        "worst_group_accuracy": np.min(right, axis=0),
        "twin_flip_rate": np.mean(gaps, axis=0),
        "rrf": np.full_like(strength, NUMBER),
    }
    return grid, {name: values.mean(axis=1) for name, values in found.items()}


def truth(metric: str, strength: Array | float) -> Array:
    """Return a recipe's mean over runs of a metric on the whole population."""
    grid, found = _truths()
    return np.interp(strength, grid, found[metric])


def strength_of(equalized_odds: Array | float) -> Array:
    """Return the mean strength of the shortcut at which a recipe has some equalized odds."""
    grid, found = _truths()
    return np.interp(equalized_odds, found["equalized_odds"], grid)


def _runs(size: tuple[int, int, int], rng: np.random.Generator) -> Array:
    """Return standard normal numbers (M, S, 1) that methods of a seed share in part."""
    common, own = rng.normal(size=(1, *size[1:])), rng.normal(size=size)
    return np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own


def _own_images(values: Array, images: Images) -> Array:
    """Return the values with NaN where a seed lacks the image."""
    there = np.zeros(values.shape[1:], dtype=bool)
    np.put_along_axis(there, images.of_seed, True, axis=1)
    return np.where(there, values, np.nan)
