"""The simulated null studies: what is true of them, and that false and real differences count."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rightreasons.core.seeds import numpy_rng
from study import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import retraining
import simulated_studies as simulated
from null_studies import Setting, one_study

from rightreasons.statistics.paired import Judged, compare_images

LARGE = simulated.Shape(seeds=40, images=4000, methods=2)


@pytest.mark.parametrize("strength", [0.5, 1.5])
def test_the_truth_is_what_many_runs_have_on_many_images(strength: float) -> None:
    rng = numpy_rng(0, "truth")
    made, turned = simulated.logits(LARGE, np.full(2, strength), rng)
    images = simulated.test_images(LARGE)
    decided = made > 0
    cell = 2 * images.target + images.protected
    rates = np.stack([decided[..., cell == c].mean(axis=-1) for c in range(4)])
    gaps = np.maximum(abs(rates[1] - rates[0]), abs(rates[3] - rates[2]))
    found = {
        "equalized_odds": gaps.mean(),
        "accuracy": (decided == images.target).mean(),
        "worst_group_accuracy": np.minimum(1 - rates[:2], rates[2:]).min(axis=0).mean(),
        "twin_flip_rate": np.nanmean(simulated.flips(made, turned, LARGE)),
    }
    for metric, value in found.items():
        assert value == pytest.approx(simulated.truth(metric, strength), abs=0.04), metric
    assert gaps.std() == pytest.approx(0.1, abs=0.03)


def test_a_strength_gives_the_equalized_odds_that_were_asked_for() -> None:
    strength = simulated.strength_of(0.6)
    assert simulated.truth("equalized_odds", strength) == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("same", [True, False])
def test_seeds_share_the_images_that_they_are_to_share(same: bool) -> None:
    shape = simulated.Shape(seeds=3, images=200, same_images=same)
    first, second, _ = (set(own) for own in simulated.test_images(shape).of_seed.tolist())
    assert len(first) == 200
    assert len(first & second) == (200 if same else 30)
    values = simulated.numbers(shape, numpy_rng(0, "numbers"))
    assert (np.isfinite(values).sum(axis=-1) == 200).all()


def test_a_study_is_the_same_again() -> None:
    setting = Setting(simulated.Shape(seeds=3, images=80, methods=3))
    first, second = (one_study(setting, 7, by_image=True) for _ in range(2))
    assert first == second
    assert 0 <= first.held <= 1


def test_retrained_copies_differ_by_image_and_not_by_seed() -> None:
    shape = simulated.Shape(seeds=8, images=400, methods=2)
    made = [compare_images(v[0] - v[1]) for v in (_numbers(shape, n) for n in range(40))]
    by_seed, by_image = np.mean([[c.p_value < 0.05 for c in pair] for pair in made], axis=0)
    assert by_seed < 0.2 < 0.5 < by_image


def _numbers(shape: simulated.Shape, number: int) -> np.ndarray:
    return simulated.numbers(shape, numpy_rng(number, "numbers"))


def test_halves_of_like_models_do_not_differ_and_of_unlike_ones_do() -> None:
    rng = numpy_rng(0, "halves")
    target, protected = np.arange(200) // 2 % 2, np.arange(200) % 2
    chances = [np.where(rng.random(200) < 0.1, 1 - target, target) for _ in range(8)]
    models = [
        Judged(target, protected, chance.astype(float), chance * 0.9, np.arange(200))
        for chance in chances
    ]
    *_, accuracy, _ = retraining.tested("phi 0.5 made", models, draws=30)
    assert accuracy.metric == "accuracy"
    assert accuracy.points == pytest.approx([(c == target).mean() for c in chances])
    assert max(share for pair in accuracy.halves.values() for share in pair) <= 0.3
    worse = [
        Judged(target, protected, (1 - m.chance) if i < 4 else m.chance, m.score, m.images)
        for i, m in enumerate(models)
    ]
    drawn = retraining.draws_of(worse, seed=0, replicates=200)
    metric = retraining.METRICS["accuracy"]
    values = retraining.resampled(worse, metric=metric, params=metric.params(), draws=drawn)
    by_seed, by_image = retraining.compared(values, [0, 1, 2, 3], [4, 5, 6, 7])
    assert max(by_seed.p_value, by_image.p_value) < 0.05
