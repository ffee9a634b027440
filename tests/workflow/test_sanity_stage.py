"""The stage `sanity` on a tiny study: only what it needs is run, and its table has its rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rightreasons.tables.schema import TABLES, read_table, write_table
from study import Workspace, tinier

SETS = {
    "main": {"lrp": {}},
    "more": {"ig": {"kind": "integrated_gradients", "steps": 2}},
}
TABLE = "results/tiny/tables/sanity.parquet"
NEEDED = ("fetch", "pool", "twins", "split", "train", "sanity", "tabulate_sanity")


def config(**sanity: object) -> dict:
    return tinier([0.0, 0.8], explain={"sets": SETS}, sanity=sanity)


def test_the_sanity_check_alone(tmp_path: Path) -> None:
    """The provenance is made up, so that the table does not wait for the rest of the study."""
    space = Workspace(tmp_path)
    space.configure(config(images=8, stages=3))
    assert space.run("--until", "fetch").returncode == 0
    made_up = pd.DataFrame({"run": ["r"], "study": ["tiny"]})
    (tmp_path / TABLE).parent.mkdir(parents=True)
    write_table([made_up], "provenance", tmp_path / TABLE.replace("sanity", "provenance"))
    done = space.run("--allowed-rules", *NEEDED, "--", TABLE)
    assert done.returncode == 0, done.stdout[-4000:]
    table = read_table(tmp_path / TABLE)
    assert list(table) == [column.name for column in TABLES["sanity"].columns]
    assert len(table) == 2 * 3 * 2  # explainers, steps, similarities
    assert set(table["explainer"]) == {"lrp", "ig"}
    assert set(table["level"]) == {0.8}
    assert set(table["method"]) == {"vanilla"}
    assert set(table["run"]) == {"r"}
    assert table["value"].between(-1, 1).all()
    assert (table["n"] <= 8).all()
    assert table.loc[table["randomised"] == table["of"], "layer"].unique().tolist() == [
        "trunk.conv1"
    ]
    logs = space.folder / "results/tiny/logs/sanity/smiling_by_necktie/phi-0.8/seed-0"
    assert (logs / "more.log").exists()


@pytest.mark.parametrize(
    ("sanity", "jobs"),
    [({}, 0), ({"images": 8}, 2), ({"images": 8, "levels": "all"}, 4)],
    ids=["off", "strongest", "all"],
)
def test_which_cells_are_checked(tmp_path: Path, sanity: dict, jobs: int) -> None:
    space = Workspace(tmp_path)
    space.configure(config(**sanity))
    planned = space.planned()
    assert planned["tabulate"] == 1
    assert planned.get("sanity", 0) == jobs
    assert planned.get("tabulate_sanity", 0) == (jobs > 0)
