"""How often a difference in equalized odds is found, by the number of seeds: simulated and drawn.

The command is `python benchmarks/null_studies.py --power FILE`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))
from simulated_studies import Shape, draws, logits, strength_of, values_of

from rightreasons.core.seeds import numpy_rng
from rightreasons.statistics.paired import compare_predictions
from rightreasons.statistics.power import Spread, found
from rightreasons.statistics.seeds import shared_by_replicates

Array = np.ndarray
ALPHA = 0.05
EFFECTS = (0.05, 0.1, 0.2, 0.3, 0.5)
SEEDS = (2, 3, 4, 5, 6, 8, 10, 14, 20)
IMAGES = (224, 600, 2000)
FAMILIES = (1, 5, 12)
#: Equalized odds of the original.
FROM = 0.7
REPLICATES, TURNS = 100, 20


@dataclass(frozen=True)
class Found:
    """What simulated studies find of one effect.

    Parameters
    ----------
    shares : (families, seeds)
        Share of studies that find it, alpha / family being Holm's first step.
    effect
        The mean difference on such test images.
    spread
        How the difference varies.
    """

    shares: Array
    effect: float
    spread: Spread


def find(images: int, effect: float, studies: int) -> Found:
    """Make studies of two recipes that differ in equalized odds, and test their first seeds."""
    shape = Shape(max(SEEDS), images, methods=2, own=True)
    strengths = strength_of(np.array([FROM, FROM - effect]))
    p_values, points, shared = [], [], []
    for number in range(studies):
        made, _ = logits(shape, strengths, numpy_rng(number, "power", str(shape), str(effect)))
        drawn = draws(shape, number % TURNS, REPLICATES)
        original, method = values_of(made, shape, "equalized_odds", drawn)
        whole = method - original
        firsts = [
            replace(whole, points=whole.points[:s], samples=whole.samples[:s], n=whole.n[:s])
            for s in SEEDS
        ]
        p_values.append([compare_predictions(first)[0].p_value for first in firsts])
        points.append(whole.points)
        shared.append(shared_by_replicates(whole.samples))
    shares = [(np.array(p_values) < ALPHA / family).mean(axis=0) for family in FAMILIES]
    of_seeds = np.sqrt(np.var(points, axis=1, ddof=1).mean())
    spread = Spread(float(of_seeds), float(np.sqrt(max(np.mean(shared), 0))))
    return Found(np.array(shares), float(np.mean(points)), spread)


def draw_power(path: Path, studies: int) -> None:
    """Simulate, print and draw: dots are simulated, lines computed (`statistics/power.py`)."""
    made = {(n, effect): find(n, effect, studies) for n in IMAGES for effect in EFFECTS}
    print(f"{'images':>6} {'effect':>6} {'sd, seeds':>9} {'images':>6} {'family':>6}  ", end="")
    print(" ".join(f"{seeds:4}" for seeds in SEEDS), "seeds")
    for (n, effect), one in made.items():
        for family, shares in zip(FAMILIES, one.shares, strict=True):
            print(f"{n:6,} {effect:6.2f} {one.spread.seeds:9.3f} {one.spread.images:6.3f} ", end="")
            print(f"{family:6}  ", *(f"{share:4.0%}" for share in shares))
    _draw(made, path)


def _draw(made: dict[tuple[int, float], Found], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from rightreasons.figures._style import COLORS, RC, WIDTH

    with plt.rc_context(RC):
        figure, axes = plt.subplots(
            len(FAMILIES), len(IMAGES), figsize=(WIDTH, 6.2), sharex=True, sharey=True,
            layout="constrained",
        )  # fmt: skip
        for i, family in enumerate(FAMILIES):
            for j, n in enumerate(IMAGES):
                axis = axes[i, j]
                axis.axhline(0.8, color="0.7", linewidth=0.6, linestyle="--")
                for effect, color in zip(EFFECTS, COLORS, strict=False):
                    one = made[n, effect]
                    axis.plot(SEEDS, one.shares[i], "o", color=color, markersize=3)
                    axis.plot(*_computed(one, family), color=color, label=f"{effect:g}")
                compared = "1 comparison" if family == 1 else f"{family} comparisons"
                axis.set_title(f"{n:,} test images, {compared}")
                axis.set(xlim=(1.5, 20.5), ylim=(0, 1.02), xticks=[2, 5, 10, 15, 20])
        for axis in axes[-1]:
            axis.set_xlabel("seeds")
        for axis in axes[:, 0]:
            axis.set_ylabel("share of studies that find it")
        lines, labels = axes[0, 0].get_legend_handles_labels()
        title = "difference in equalized odds (line: computed, dots: simulated)"
        figure.legend(lines, labels, title=title, loc="outside lower center", ncols=len(EFFECTS))
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


def _computed(one: Found, family: int) -> tuple[Array, list[float]]:
    seeds = np.arange(min(SEEDS), max(SEEDS) + 1)
    return seeds, [found(one.effect, one.spread, int(s), family=family) for s in seeds]
