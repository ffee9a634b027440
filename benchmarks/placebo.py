"""How often a tuned study of eight copies of one method finds a best one among them.

python benchmarks/placebo.py [--studies 200] [--seeds 5]

Each simulated study has features in place of images: a linear `vanilla` is fitted to biased
training data, and plain fine-tuning on the debias data stands under eight names, each tuned by
itself (random trials on select data with a tuning seed, `tuning.criteria.choose`) and then run
with the study's seeds. Nothing distinguishes the eight, so every claim that one of them is the
best is false.
Two ways to claim are counted, each after Holm's correction over the eight: paired t-tests with the
seed as the unit, and the paired bootstrap over images with seeds pooled.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS
from rightreasons.metrics._groups import count_cells
from rightreasons.statistics.paired import (
    Judged,
    compare_predictions,
    draws_of,
    holm,
    resampled,
)
from rightreasons.statistics.student import t_test
from rightreasons.tuning.criteria import JUDGED, choose

Array = np.ndarray
NAMES = 8
FEATURES = 12
#: Images of the roles, as in a small study.
TRAIN, DEBIAS, SELECT, TEST = 400, 200, 160, 400
PHI = 0.8


@dataclass(frozen=True)
class Data:
    """Features (N, d) and labels (N,)."""

    x: Array
    target: Array
    protected: Array


def draw(n: int, phi: float, rng: np.random.Generator) -> Data:
    """Return features in which the protected attribute is plainer than the target."""
    target = rng.integers(0, 2, n)
    same = rng.random(n) < (1 + phi) / 2
    protected = np.where(same, target, 1 - target)
    x = rng.normal(size=(n, FEATURES))
    x[:, 0] += 1.5 * (2 * target - 1)
    x[:, 1] += 2.5 * (2 * protected - 1)
    return Data(x, target, protected)


def fitted(w: Array, data: Data, rate: float, steps: int, rng: np.random.Generator) -> Array:
    """Return weights (d + 1,) after steps of logistic regression on batches of 32."""
    x = np.column_stack([data.x, np.ones(len(data.x))])
    w = w.copy()
    for _ in range(steps):
        batch = rng.integers(0, len(x), 32)
        p = 1 / (1 + np.exp(-x[batch] @ w))
        w -= rate * x[batch].T @ (p - data.target[batch]) / 32
    return w


def score(w: Array, data: Data) -> Array:
    """Return P(target = 1)."""
    return 1 / (1 + np.exp(-(np.column_stack([data.x, np.ones(len(data.x))]) @ w)))


def judged(w: Array, data: Data) -> dict[str, float]:
    """Return what a trial is judged by."""
    p = score(w, data)
    counts = count_cells(data.target, data.protected, (p >= 0.5).astype(np.int64))
    values = {name: float(METRICS[name].run(counts, METRICS[name].params())) for name in JUDGED}
    known = p.clip(1e-7, 1 - 1e-7)
    loss = -np.log(np.where(data.target == 1, known, 1 - known)).mean()
    return {**values, "loss": float(loss)}


def tuned(name: int, vanilla: Array, debias: Data, select: Data, study: int) -> tuple[float, int]:
    """Return learning rate and steps that tuning chooses for one name."""
    rng = numpy_rng(study, "placebo-trials", name)
    settings = [(10 ** rng.uniform(-2.5, -0.5), int(10 ** rng.uniform(1, 2.5))) for _ in range(8)]
    rows = []
    for number, (rate, steps) in enumerate(settings):
        made = fitted(vanilla, debias, rate, steps, numpy_rng(study, "tuning-seed", name, number))
        row = {"trial": number, "error": None, "over_budget": False, "image_passes": 0}
        rows.append({**row, **judged(made, select)})
    return settings[choose(pd.DataFrame(rows), "equalized_odds", 0.05)]


def one_study(study: int, seeds: int) -> tuple[bool, bool, Array]:
    """Return whether each way claims a best method, and the equalized odds (names, seeds)."""
    select = draw(SELECT, 0.0, numpy_rng(study, "select"))
    test = draw(TEST, 0.0, numpy_rng(study, "test"))

    def splits(seed: int) -> tuple[Array, Data]:
        rng = numpy_rng(study, "split", seed)
        train, debias = draw(TRAIN, PHI, rng), draw(DEBIAS, PHI, rng)
        return fitted(np.zeros(FEATURES + 1), train, 0.1, 300, rng), debias

    chosen = [tuned(name, *splits(1000), select, study) for name in range(NAMES)]
    decisions = np.empty((NAMES, seeds, TEST))
    for seed in range(seeds):
        vanilla, debias = splits(seed)
        for i, (rate, steps) in enumerate(chosen):
            rng = numpy_rng(study, "run", i, seed)
            decisions[i, seed] = score(fitted(vanilla, debias, rate, steps, rng), test)
    odds = np.array([[_odds(p, test) for p in of_name] for of_name in decisions])
    return _by_seed(odds), _by_image(decisions, test, study), odds


def _odds(p: Array, test: Data) -> float:
    metric = METRICS["equalized_odds"]
    counts = count_cells(test.target, test.protected, (p >= 0.5).astype(np.int64))
    return float(metric.run(counts, metric.params()))


def _claims(p_values: Array, effects: Array) -> bool:
    """Return whether any name is called better than the mean of the other seven."""
    return bool(((holm(p_values) < 0.05) & (effects < 0)).any())


def _by_seed(odds: Array) -> bool:
    """Claim by paired t-tests over seeds: each name against the median of the others."""
    others = [np.median(np.delete(odds, i, axis=0), axis=0) for i in range(NAMES)]
    differences = odds - np.array(others)
    p_values = np.array([t_test(row)[1] for row in differences])
    return _claims(p_values, differences.mean(axis=1))


def _by_image(decisions: Array, test: Data, study: int) -> bool:
    """Claim by the bootstrap over images, seeds pooled: each name against the median one."""
    means = np.array([[_odds(p, test) for p in of_name] for of_name in decisions]).mean(axis=1)
    middle = int(np.argsort(means)[NAMES // 2])
    metric, ids = METRICS["equalized_odds"], np.arange(len(test.target))
    models = [
        [Judged(test.target, test.protected, (p >= 0.5).astype(float), p, ids) for p in of_name]
        for of_name in decisions
    ]
    draws = draws_of(models[0], seed=study, replicates=300)
    values = [resampled(m, metric=metric, params=metric.params(), draws=draws) for m in models]
    others = [value for i, value in enumerate(values) if i != middle]
    results = [compare_predictions(value - values[middle])[1] for value in others]
    return _claims(np.array([r.p_value for r in results]), np.array([r.effect for r in results]))


def main() -> None:
    """Simulate, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    results = [one_study(study, chosen.seeds) for study in range(chosen.studies)]
    n = len(results)
    odds = np.array([result[2] for result in results])
    print(f"{n} studies of {NAMES} equal methods, {chosen.seeds} seeds each")
    print(f"equalized odds of the tuned names: mean {odds.mean():.3f}, "
          f"best name {odds.mean(axis=2).min(axis=1).mean():.3f}")  # fmt: skip
    for title, place in (("seeds as the unit", 0), ("images pooled over seeds", 1)):
        share = np.mean([result[place] for result in results])
        print(f"{title}: a best method is claimed in {share:.1%} "
              f"(standard error {np.sqrt(max(share, 0.01) * (1 - share) / n):.1%})")  # fmt: skip


if __name__ == "__main__":
    main()
