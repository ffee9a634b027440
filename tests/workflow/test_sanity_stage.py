"""The stage `sanity` on a tiny study: only what it needs is run, and its table has its rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.rules import Rules
from rightreasons.tables.schema import TABLES, read_table, write_table
from scripts import run_script
from study import Workspace, tinier

SETS = {
    "main": {"lrp": {}},
    "more": {"ig": {"kind": "integrated_gradients", "steps": 2}},
}
GROUP = {"task": "smiling_by_necktie", "design": "phi", "level": "0.8", "seed": "0"}


def config(**sanity: object) -> dict:
    return tinier([0.0, 0.8], explain={"sets": SETS}, sanity=sanity)


def test_the_sanity_check_alone(tmp_path: Path) -> None:
    """No other job is run, but for the provenance, which is made up: `tabulate` waits for all."""
    places = {"results": str(tmp_path / "results"), "data": str(tmp_path / "data")}
    rules = Rules(Plan(load_config({**config(images=8, stages=3), **places})))
    made_up = pd.DataFrame({"run": ["r"], "study": ["tiny"]})
    provenance = TablePlan(rules.plan).sanity().input.provenance
    provenance.parent.mkdir(parents=True)
    write_table([made_up], "provenance", provenance)
    for stage in ("fetch", "pool"):
        run_script(rules, stage, dataset="synthfaces")
    run_script(rules, "twins", dataset="synthfaces", attribute="Wearing_Necktie")
    for stage in ("split", "train"):
        run_script(rules, stage, **GROUP)
    for explainers in SETS:
        run_script(rules, "sanity", **GROUP, explainers=explainers)
    run_script(rules, "tabulate_sanity")
    table = read_table(rules.tables()["sanity"])
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
    logs = tmp_path / "results/tiny/logs/sanity/smiling_by_necktie/phi-0.8/seed-0"
    assert (logs / "more.log").exists()


def test_snakemake_plans_check_and_probes_of_the_strongest_level(tmp_path: Path) -> None:
    """Of which cells there are others, tests/study/test_plan.py says."""
    space = Workspace(tmp_path)
    space.configure({**config(images=8), "probe": {"images": 8}})
    planned = space.planned()
    assert (planned["tabulate"], planned["sanity"], planned["tabulate_sanity"]) == (1, 2, 1)
    assert (planned["probe"], planned["tabulate_probes"], planned["figure_probes"]) == (2, 1, 1)
