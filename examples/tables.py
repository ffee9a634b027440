"""From the tables of a study to a figure and a statistic that the suite does not have.

python examples/tables.py results/demo [FOLDER]

Cells are marked with `# %%`: VS Code, PyCharm, Spyder and Jupytext open the file as a notebook. The
question: of what a method gains in fairness, how much comes with less use of the attribute?
"""

# %% What there is: a folder of Parquet files, read by anything that reads Parquet
import sys
from itertools import combinations
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

arguments = [one for one in sys.argv[1:] if not one.startswith("-")]
study = Path(arguments[0] if arguments else "results/demo")
folder = Path(arguments[1] if len(arguments) > 1 else study / "own")
tables = study / "tables"
print("Tables:", ", ".join(sorted(path.stem for path in tables.glob("*.parquet"))))

# %% One row per model: SQL where tables are filtered and pivoted
cells = duckdb.sql(f"""
    SELECT task, design, level, seed, method,
           first(value) FILTER (metric = 'equalized_odds') AS odds,
           first(value) FILTER (metric = 'twin_flip_rate') AS flips,
           max(value) FILTER (metric = 'collapsed_prediction') AS collapsed
    FROM '{tables}/cell_metrics.parquet'
    WHERE explainer IS NULL AND level <> 0 AND method NOT IN
          (SELECT method FROM '{tables}/leaderboard.parquet' WHERE noise)    -- coins
    GROUP BY ALL
    HAVING odds IS NOT NULL AND flips IS NOT NULL AND collapsed = 0
""").df()
print(cells.head())

# %% Against the original of the same seed: pandas where rows are matched
key = ["task", "design", "level", "seed"]
vanilla = cells[cells["method"] == "vanilla"][[*key, "odds", "flips"]]
others = cells[cells["method"] != "vanilla"]
pairs = others.merge(vanilla, on=key, suffixes=("", "_vanilla"))
pairs["fairer"] = pairs["odds_vanilla"] - pairs["odds"]
pairs["fewer_flips"] = pairs["flips_vanilla"] - pairs["flips"]
gains = pairs.groupby("method")[["fairer", "fewer_flips"]].agg(["mean", "min", "max"]).round(3)
print(gains.sort_values(("fairer", "mean"), ascending=False))


# %% A statistic of our own: do methods that gain more fairness lose more flips?
# Kendall's tau over methods within a task, level and seed, so that only models of the same original
# are compared. Seeds are the unit: the spread over them is shown, and not that over models.
def tau(group: pd.DataFrame) -> float:
    """Return concordant less discordant pairs of methods, as a share; ties count for neither."""
    x, y = group["fairer"].to_numpy(), group["fewer_flips"].to_numpy()
    signs = [np.sign((x[i] - x[j]) * (y[i] - y[j])) for i, j in combinations(range(len(x)), 2)]
    return float(np.mean(signs)) if signs else np.nan


taus = pd.Series({where: tau(group) for where, group in pairs.groupby(key)}).dropna()
print(f"Kendall's tau in {len(taus)} groups of models: mean {taus.mean():.2f},", end=" ")
print(f"from {taus.min():.2f} to {taus.max():.2f}")

# %% A figure of our own: on the dashed line every step in fairness comes with as many flips saved
fig, axes = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
for method, group in pairs.groupby("method"):
    axes.scatter(group["fewer_flips"], group["fairer"], s=30, label=method)
ends = [0, max(pairs[["fairer", "fewer_flips"]].max().max(), 0.01)]
axes.plot(ends, ends, "--", color="grey", linewidth=1)
axes.axvline(0, color="grey", linewidth=0.5)
axes.axhline(0, color="grey", linewidth=0.5)
axes.set(xlabel="flips that vanilla has and the method has not", ylabel="equalized odds gained")
axes.set_title("Left of the line: fairer than it looks away", loc="left", fontsize="medium")
fig.legend(loc="outside right upper", frameon=False)
folder.mkdir(parents=True, exist_ok=True)
fig.savefig(folder / "fairness_by_flips.png", dpi=150)

# %% Keep the numbers beside the picture, with the run that they are from
[(run,)] = duckdb.sql(f"SELECT any_value(run) FROM '{tables}/cell_metrics.parquet'").fetchall()
pairs.assign(run=run).to_csv(folder / "fairness_by_flips.csv", index=False)
print("Written:", folder / "fairness_by_flips.png", folder / "fairness_by_flips.csv")
