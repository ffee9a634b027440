"""How often a study of methods that do not differ finds a difference, and one that differ finds it.

    python benchmarks/null_studies.py [--studies 2000]
    python benchmarks/null_studies.py --df
    python benchmarks/null_studies.py --shared
    python benchmarks/null_studies.py --power docs/figures/power_by_seeds.svg [--studies 500]

The first makes studies of retrained copies of one recipe (`simulated_studies.py`), tests them by
the suite's own functions, and counts, after Holm's correction over the methods: studies with any
method that "differs" from the original by seed and by image, and how often the interval by seed of
a method's own number holds the recipe's. The second compares ways to count the degrees of freedom
of the test by seed, the third leaves out what seeds share through their images. The last draws how
often a real difference is found, by the number of seeds.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))
from power_by_seeds import draw_power
from simulated_studies import (
    Shape,
    draws,
    flips,
    logits,
    numbers,
    strength_of,
    truth,
    values_of,
)

from rightreasons.core.seeds import numpy_rng
from rightreasons.statistics.paired import Comparison, compare_images, compare_predictions, holm
from rightreasons.statistics.seeds import seed_effect

Array = np.ndarray
ALPHA = 0.05
#: Bootstrap replicates: by seed they give the images' share of the variance only; by image the
#: smallest p-value, times the comparisons, has to be below alpha.
REPLICATES, BY_IMAGE = 100, 480
#: Studies of a shape take turns in so many sets of bootstrap draws.
TURNS = 20


@dataclass(frozen=True)
class Setting:
    """Studies of one shape, judged by one metric.

    Parameters
    ----------
    shape
        Of each study.
    metric
        Of predictions, of twins (`twin_flip_rate`), or of images (`rrf`).
    pairs
        Whether all pairs of methods are compared, by seed, or each with the original.
    """

    shape: Shape
    metric: str = "equalized_odds"
    pairs: bool = False

    def __str__(self) -> str:
        kind = "equal recipes" if self.shape.own else "one recipe"
        return f"{self.shape}, {kind}, {self.metric}" + (", all pairs" if self.pairs else "")


def shapes() -> list[Setting]:
    """Return the shapes of real studies."""
    return [Setting(Shape(seeds, images)) for seeds in (3, 5, 10) for images in (224, 600, 2000)]


def others() -> list[Setting]:
    """Return what may matter beside the shape."""
    few, middle, many = Shape(3, 224), Shape(5, 600), Shape(10, 600)
    varied = [replace(middle, methods=methods) for methods in (8, 12)]
    varied += [replace(one, same_images=False) for one in (few, middle, Shape(10, 224))]
    varied += [replace(one, own=True) for one in (few, middle, many)]
    metrics = ["accuracy", "worst_group_accuracy", "twin_flip_rate", "rrf"]
    judged = [Setting(replace(middle, own=own), m) for m in metrics for own in (False, True)]
    return [*map(Setting, varied), *judged, Setting(middle, pairs=True)]


@dataclass(frozen=True)
class Outcome:
    """What a study claims: a false difference by seed, by image; how many intervals hold."""

    by_seed: float
    by_image: float
    held: float


def one_study(setting: Setting, number: int, *, by_image: bool) -> Outcome:
    """Make a study of equal methods and test it; by image, too, only where that is asked for."""
    rng = numpy_rng(number, "null study", str(setting))
    strength = float(strength_of(rng.uniform(0.3, 0.8)))
    turn = number % TURNS, BY_IMAGE if by_image else REPLICATES
    results, own = _tested(setting, strength, turn, rng)
    claims = [
        float((holm(np.array([pair[unit].p_value for pair in results])) < ALPHA).any())
        for unit in (0, 1)
    ]
    true = float(truth(setting.metric, strength))
    held = float(np.mean([one.ci_low <= true <= one.ci_high for one in own]))
    return Outcome(claims[0], claims[1] if by_image else np.nan, held)


def _tested(
    setting: Setting, strength: float, turn: tuple[int, int], rng: np.random.Generator
) -> tuple[list[tuple[Comparison, Comparison]], list[Comparison]]:
    """Return the comparisons by seed and by image, and each method's own number by seed."""
    shape, metric = setting.shape, setting.metric
    pairs = [(i, 0) for i in range(1, shape.methods)]
    if setting.pairs:
        pairs = list(combinations(range(shape.methods), 2))
    strengths = np.full(shape.methods, strength)
    if metric in ("rrf", "twin_flip_rate"):
        arrays = numbers(shape, rng)
        if metric == "twin_flip_rate":
            arrays = flips(*logits(shape, strengths, rng), shape)
        results = [compare_images(arrays[i] - arrays[j]) for i, j in pairs]
        return results, [compare_images(array)[0] for array in arrays]
    made, _ = logits(shape, strengths, rng)
    values = values_of(made, shape, metric, draws(shape, *turn))
    results = [compare_predictions(values[i] - values[j]) for i, j in pairs]
    return results, [compare_predictions(one)[0] for one in values]


def error(share: float, studies: int) -> float:
    """Return the standard error of a share of studies; for none at all that of one study."""
    known = min(max(share, 1 / studies), 1 - 1 / studies)
    return float(np.sqrt(known * (1 - known) / studies))


def null_table(studies: int) -> None:
    """Print a row per setting. Raise SystemExit where seeds find too much."""
    print("Studies of methods that do not differ: share with a false difference after Holm (its")
    print("standard error), and share of intervals by seed that hold the recipe's own value")
    print(f"{'setting':75} {'studies':>7} {'by seed':>12} {'by image':>13} {'held':>6}")
    wrong = []
    for setting, n in [(s, studies) for s in shapes()] + [(s, studies // 4) for s in others()]:
        some = 0 if setting.pairs else max(n // 10, 1)  # pairs are not compared by image
        made = [one_study(setting, number, by_image=number < some) for number in range(n)]
        by_seed, held = np.mean([o.by_seed for o in made]), np.mean([o.held for o in made])
        if by_seed > ALPHA + 2 * error(ALPHA, n):
            wrong.append(str(setting))
        told = f"{by_seed:5.1%} ({error(by_seed, n):.1%})"
        if some:
            by_image = np.mean([o.by_image for o in made[:some]])
            told += f" {by_image:6.1%} ({error(by_image, some):.1%})"
        print(f"{setting!s:75} {n:7,} {told:26} {held:6.1%}", flush=True)
    if wrong:
        sys.exit(f"More than {ALPHA:.0%} by seed: {'; '.join(wrong)}")


def df_table(studies: int) -> None:
    """Print how often no difference is called one with S - 1 degrees of freedom, and with more."""
    print(
        f"{studies:,} differences of 0: share found with S - 1 and with Satterthwaite's degrees of"
    )
    print(f"freedom, at {ALPHA:.0%} and at {ALPHA / 9:.2%} (the first step of Holm over 9), by the")
    print("images' share of the mean's variance")
    print(f"{'seeds':>5} {'images':>7}" + f" {'S - 1':>8} {'Satterthwaite':>14}" * 2)
    for seeds in (3, 5, 10):
        for part in (0.0, 0.25, 0.5, 0.75, 0.9):
            p_values = _by_df(seeds, part, studies)
            shares = [(p < alpha).mean() for alpha in (ALPHA, ALPHA / 9) for p in p_values]
            print(f"{seeds:5} {part:7.0%}" + "{:9.2%}{:15.2%}{:9.2%}{:15.2%}".format(*shares))


def _by_df(seeds: int, part: float, studies: int) -> tuple[Array, Array]:
    """Return the p-values by S - 1 and by Satterthwaite's degrees of freedom, (studies,) each."""
    from scipy.special import stdtr

    rng = numpy_rng(0, "degrees of freedom", seeds, str(part))
    of_seeds = rng.normal(size=(studies, seeds)) * np.sqrt((1 - part) * seeds)
    differences = of_seeds + np.sqrt(part) * rng.normal(size=(studies, 1))
    suite = np.array([seed_effect(row, part).p_value for row in differences])
    own = differences.var(axis=1, ddof=1) / seeds
    t = abs(differences.mean(axis=1)) / np.sqrt(own + part)
    return suite, 2 * stdtr((seeds - 1) * ((own + part) / own) ** 2, -t)


def shared_table(studies: int) -> None:
    """Print what is found with and without the part that seeds share through their images."""
    print(f"{studies:,} studies of equal recipes, 224 images, 10 methods, equalized odds: share")
    print("with a false difference after Holm (standard error)")
    print(f"{'seeds':>5} {'with c':>12} {'without':>14}")
    for seeds in (5, 10, 20):
        setting = Setting(Shape(seeds, 224, own=True))
        found = [_with_and_without(setting, number) for number in range(studies)]
        shares = np.mean(found, axis=0)
        told = (f"{share:6.1%} ({error(share, studies):.1%})" for share in shares)
        print(f"{seeds:5}", *told)


def _with_and_without(setting: Setting, number: int) -> tuple[bool, bool]:
    """Return whether a study finds a false difference by the suite's test, and by t alone."""
    rng = numpy_rng(number, "shared", str(setting))
    shape, strength = setting.shape, float(strength_of(rng.uniform(0.3, 0.8)))
    made, _ = logits(shape, np.full(shape.methods, strength), rng)
    drawn = draws(shape, number % TURNS, REPLICATES)
    original, *others = values_of(made, shape, setting.metric, drawn)
    differences = [one - original for one in others]
    suite = [compare_predictions(one)[0].p_value for one in differences]
    alone = [seed_effect(one.points).p_value for one in differences]
    return bool((holm(np.array(suite)) < ALPHA).any()), bool((holm(np.array(alone)) < ALPHA).any())


def main() -> None:
    """Simulate and print, or draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, help="of each setting")
    parser.add_argument("--df", action="store_true", help="compare degrees of freedom")
    parser.add_argument("--shared", action="store_true", help="what the shared images add")
    parser.add_argument("--power", type=Path, metavar="FILE", help="draw the power into a file")
    chosen = parser.parse_args()
    if chosen.df:
        df_table(chosen.studies or 20_000)
    elif chosen.shared:
        shared_table(chosen.studies or 1000)
    elif chosen.power:
        draw_power(chosen.power, chosen.studies or 500)
    else:
        null_table(chosen.studies or 2000)


if __name__ == "__main__":
    main()
