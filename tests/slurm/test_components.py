"""Components from elsewhere in jobs of SLURM: a file outside the workflow, an installed plug-in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cluster import Cluster, missing
from plugin import install
from rightreasons.tables.schema import read_table
from runs import Site, small
from study import ROOT

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no SLURM here: {missing()}"),
]
TABLE = "results/tiny/tables/cell_metrics.parquet"


def test_jobs_of_slurm_find_a_file_and_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    shutil.copy(ROOT / "examples" / "study_with_components" / "my_method.py", tmp_path / "mine")
    config = small()
    config["components"] = ["../mine/my_method.py"]
    config["methods"] = {"vanilla": {}, "subg": {}, "reweighing": {}}
    config["explain"]["sets"] = {"main": {"gradient_length": {}}}
    with Cluster(tmp_path / "slurm") as cluster:
        site = Site(tmp_path / "site", cluster)
        site.configure(config)
        target = install(tmp_path / "plugin")
        site.environment = {**cluster.environment, "PYTHONPATH": str(target)}
        site.finish("--", TABLE)
        jobs = site.jobs("debias")
    assert len(jobs) == 2
    assert {(job.state, job.node) for job in jobs} == {("COMPLETED", "g1")}
    table = read_table(site.folder / TABLE)
    assert set(table["method"]) == {"vanilla", "subg", "reweighing"}
    assert set(table["explainer"].dropna()) == {"gradient_length"}
    assert "precision" in set(table["metric"])
