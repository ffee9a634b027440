"""Components from elsewhere in jobs of SLURM: a file outside the workflow, an installed plug-in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from cluster import Cluster, missing
from plugin import install
from runs import Site, small
from study import ROOT

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no SLURM here: {missing()}"),
]
CELLS = "results/tiny/measure/smiling_by_necktie/phi-0.8/seed-0/cell_metrics.parquet"


def test_jobs_of_slurm_find_a_file_and_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes before jobs with components is done without SLURM, which takes longer."""
    (tmp_path / "mine").mkdir()
    shutil.copy(ROOT / "examples" / "study_with_components" / "my_method.py", tmp_path / "mine")
    config = small()
    config["components"] = ["../mine/my_method.py"]
    config["methods"] = {"vanilla": {}, "subg": {}, "reweighing": {}}
    config["explain"]["sets"] = {"main": {"gradient_length": {}}}
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path / "plugin")))
    with Cluster(tmp_path / "slurm") as cluster:
        site = Site(tmp_path / "site", cluster)
        site.configure(config)
        done = site.run("--until", "train")
        assert done.returncode == 0, done.stdout[-4000:]
        site.finish("--", CELLS)
        assert len(site.jobs("explain")) == 3
        assert len(site.jobs("measure")) == 1
        jobs = site.jobs("debias")
    assert len(jobs) == 2
    assert {(job.state, job.node) for job in jobs} == {("COMPLETED", "g1")}
    cells = pd.read_parquet(site.folder / CELLS)
    assert set(cells["method"]) == {"vanilla", "subg", "reweighing"}
    assert set(cells["explainer"].dropna()) == {"gradient_length"}
    assert "precision" in set(cells["metric"])
