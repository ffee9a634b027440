"""How often intervals of the yardstick's mean over tasks hold what endless datasets would give.

python benchmarks/yardstick_intervals.py

Made-up studies: a task's correlation is tanh of a normal number with a part of its dataset, one
of its own and one of its seeds. Printed is the table of docs/statistics.md, in two minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightreasons.core.seeds import numpy_rng
from rightreasons.statistics.nested import nested_mean
from rightreasons.statistics.student import t_quantile

Array = np.ndarray
Ends = tuple[float, float]

STUDIES, REPLICATES = 1000, 200
CENTRE = 1.0  # tanh: 0.76


@dataclass(frozen=True)
class Setting:
    """Made-up studies.

    Parameters
    ----------
    tasks
        The number of tasks of each dataset.
    datasets, own, seeds
        Standard deviations on the scale of Fisher's z.
    """

    tasks: tuple[int, ...]
    datasets: float
    own: float
    seeds: float

    def drawn(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return a study's correlations, and the dataset of each."""
        which = np.repeat(np.arange(len(self.tasks)), self.tasks)
        z = CENTRE + self.datasets * rng.normal(size=len(self.tasks))[which]
        z += np.hypot(self.own, self.seeds) * rng.normal(size=len(which))
        return np.tanh(z), which

    def mean(self) -> float:
        """Return the mean correlation over endless datasets."""
        sd = np.sqrt(self.datasets**2 + self.own**2 + self.seeds**2)
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        return float((weights * np.tanh(CENTRE + sd * nodes)).sum() / weights.sum())


SETTINGS = tuple(
    Setting(tasks, datasets, own, 0.2)
    for tasks in ((4, 4, 4), (12, 12, 3), (4,) * 6)
    for datasets, own in ((0.0, 0.2), (0.2, 0.2), (0.5, 0.2))
)


def ours(y: Array, which: Array, rng: np.random.Generator) -> Ends:
    """Return the suite's interval for other datasets."""
    found = nested_mean(y, which, np.full(len(y), np.nan), (-1, 1)).datasets
    return found.low, found.high


def tasks_alone(y: Array, which: Array, rng: np.random.Generator) -> Ends:
    """Return Student's interval of tasks that are taken for independent."""
    margin = float(t_quantile(len(y) - 1)) * y.std(ddof=1) / np.sqrt(len(y))
    return y.mean() - margin, y.mean() + margin


def two_levels(y: Array, which: Array, rng: np.random.Generator) -> Ends:
    """Return percentiles of a bootstrap of datasets, and of tasks in each that is drawn."""
    parts = [y[which == d] for d in np.unique(which)]
    drawn = [
        np.mean([rng.choice(parts[d], len(parts[d])).mean() for d in row])
        for row in rng.integers(0, len(parts), (REPLICATES, len(parts)))
    ]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def weighted(y: Array, which: Array, rng: np.random.Generator) -> Ends:
    """Return Hartung and Knapp's interval with DerSimonian and Laird's weights."""
    parts = [y[which == d] for d in np.unique(which)]
    means = np.array([part.mean() for part in parts])
    errors = np.array([part.var(ddof=1) / len(part) for part in parts])
    w, k = 1 / errors, len(parts)
    q = (w * (means - (w * means).sum() / w.sum()) ** 2).sum()
    tau = max(0.0, (q - (k - 1)) / (w.sum() - (w**2).sum() / w.sum()))
    w = 1 / (errors + tau)
    mean = (w * means).sum() / w.sum()
    error = np.sqrt((w * (means - mean) ** 2).sum() / ((k - 1) * w.sum()))
    margin = float(t_quantile(k - 1)) * error
    return mean - margin, mean + margin


METHODS = {
    "tasks as independent": tasks_alone,
    "bootstrap of datasets and tasks": two_levels,
    "inverse variances, Hartung-Knapp": weighted,
    "ours": ours,
}


def coverage(setting: Setting, studies: int = STUDIES) -> dict[str, tuple[float, float]]:
    """Return how often each interval holds the mean over endless datasets, and its mean width."""
    rng, real = numpy_rng(0, "yardstick_intervals", str(setting)), setting.mean()
    made = [setting.drawn(rng) for _ in range(studies)]
    found = {}
    for name, method in METHODS.items():
        ends = np.array([method(*one, rng) for one in made])
        inside = (ends[:, 0] <= real) & (real <= ends[:, 1])
        found[name] = float(inside.mean()), float(np.ptp(ends, axis=1).mean())
    return found


def main() -> None:
    """Print the table."""
    print("| tasks | datasets differ | " + " | ".join(METHODS) + " |")
    print("|---" * (2 + len(METHODS)) + "|")
    for setting in SETTINGS:
        cells = [f"{share:.2f} ({width:.2f})" for share, width in coverage(setting).values()]
        tasks = ", ".join(map(str, setting.tasks))
        print(f"| {tasks} | {setting.datasets:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
