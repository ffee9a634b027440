"""The suite on a real SLURM: the profile, the guard against orphans, what a cluster does to jobs.

All tests share one cluster; a run with troubles goes on beside the study.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from cluster import Cluster, missing
from runs import Site, ended, small, until
from study import Workspace

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no SLURM here: {missing()}"),
]
GPU_STAGES = ("train", "debias", "explain")
TROUBLES = ("hungry", "slow", "unlucky")
# Every table, and three of the figures.
TARGETS = (
    "results/tiny/tables/reliance.parquet",
    "results/tiny/report/leaderboard.txt",
    "results/tiny/report/figures/runtimes.png",
    "results/tiny/report/figures/fairness_against_saliency.png",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster") / "slurm") as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def troubled(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[tuple[Site, str]]]:
    """A run beside the others; its jobs are killed for memory, for time, by a node's death."""
    site = Site(tmp_path_factory.mktemp("troubled"), cluster)

    def run() -> tuple[Site, str]:
        targets = [f"{name}.txt" for name in TROUBLES]
        process = site.start("--snakefile", "trouble.smk", "--", *targets)
        until((site.folder / "unlucky.txt").exists)
        cluster.kill_node("n2")
        until(lambda: cluster.nodes()["n2"].startswith("down"))
        cluster.start_node("n2")
        code, said = ended(process)
        assert code == 0, said[-4000:]
        return site, said

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(run)


@pytest.fixture(scope="module")
def finished(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("study"), cluster)
    site.finish("--", *TARGETS)
    return site


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Site:
    return Site(tmp_path, cluster)


def places(site: Site) -> dict[str, str]:
    """Return the first line of every job's log, by the log's path."""
    logs = site.folder / "results/tiny/logs"
    return {
        str(path.relative_to(logs)): path.read_text().splitlines()[0]
        for path in logs.rglob("*.log")
    }


def test_gpu_rules_get_a_gpu_and_the_others_a_cpu_node(finished: Site) -> None:
    lines = places(finished)
    assert len(lines) == 18
    for path, line in lines.items():
        wants_gpu = path.startswith(GPU_STAGES) and "thropt" not in path
        node, cuda = ("g1", ("0", "1")) if wants_gpu else ("n1", ("set",))
        assert f"on {node}, SLURM job " in line, path
        assert line.split()[-1] in cuda, path
    assert {path.partition("/")[0] for path, line in lines.items() if "on g1" in line} == {
        *GPU_STAGES
    }


def test_tables_are_those_of_a_local_run(finished: Site, tmp_path: Path) -> None:
    local = Workspace(tmp_path / "local")
    local.configure(small())
    done = local.run("--", *TARGETS)
    assert done.returncode == 0, done.stdout[-4000:]
    ours, theirs = finished.tables(), local.tables()
    assert ours.keys() == theirs.keys()
    for name, table in ours.items():
        pd.testing.assert_frame_equal(table, theirs[name], check_exact=True, obj=name)


def test_small_jobs_share_a_job_of_slurm(finished: Site) -> None:
    (together,) = finished.jobs("figures")
    lines = [line for path, line in places(finished).items() if path.startswith("report/")]
    assert len(lines) == 3
    assert all(f"SLURM job {together.number}," in line for line in lines)
    assert all(job.state == "COMPLETED" for job in finished.jobs())


def test_slurms_logs_of_good_jobs_are_gone(finished: Site) -> None:
    assert not list((finished.folder / ".snakemake/slurm_logs").rglob("*.log"))


def test_a_job_killed_for_memory_comes_back_with_more(troubled: Future[tuple[Site, str]]) -> None:
    site, said = troubled.result()
    first, second = site.jobs("hungry")
    assert (first.state, first.memory) == ("FAILED", "800M")
    assert (second.state, second.memory) == ("COMPLETED", "1600M")
    logs = site.folder / ".snakemake/slurm_logs/rule_hungry"
    (log,) = logs.rglob(f"{first.number}.log")
    assert "Exceeded job memory limit" in log.read_text()
    assert str(log) in said


def test_a_job_out_of_time_comes_back_with_more(troubled: Future[tuple[Site, str]]) -> None:
    site, _ = troubled.result()
    first, second = site.jobs("slow")
    assert (first.state, first.limit) == ("TIMEOUT", "1:00")
    assert (second.state, second.limit) == ("COMPLETED", "2:00")


def test_a_job_on_a_node_that_dies_is_started_again_by_slurm(
    troubled: Future[tuple[Site, str]], cluster: Cluster
) -> None:
    site, _ = troubled.result()
    (job,) = site.jobs("unlucky")
    assert job.state == "COMPLETED"
    assert "Restarts=1" in cluster.ask("scontrol", "show", "job", str(job.number))
    assert (site.folder / "unlucky.txt").read_text() == "done\n"


def test_an_interrupted_run_takes_its_jobs_with_it(site: Site) -> None:
    process = site.start("--snakefile", "trouble.smk", "--", "lasting.txt")
    until(lambda: site.diary() == ["start"])
    process.send_signal(signal.SIGINT)
    code, said = ended(process, 120)
    assert code != 0, said
    until(lambda: not site.active(), 30)
    assert not (site.folder / "lasting.txt").exists()
    (site.folder / "go").touch()
    site.finish("--snakefile", "trouble.smk", "--", "lasting.txt")
    assert site.diary() == ["start", "start", "end"]


def kill_in_mid_run(site: Site) -> None:
    """Start a run, and kill its Snakemake with -9 while its job runs."""
    process = site.start("--snakefile", "trouble.smk", "--", "lasting.txt")
    until(lambda: site.diary() == ["start"])
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_no_run_starts_beside_orphans_and_after_them_one_does(site: Site) -> None:
    kill_in_mid_run(site)
    (orphan,) = site.active()
    code, said = ended(site.start("--snakefile", "trouble.smk", "--", "lasting.txt"), 120)
    assert code != 0
    assert "1 of its jobs are still in SLURM's queue" in said
    assert f"{orphan.number}  RUNNING" in said
    assert "Traceback" not in said
    code, said = ended(site.orphans())
    assert code == 1
    assert "rule_lasting" in said
    waiting = site.orphans("--wait")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.communicate(timeout=3)
    (site.folder / "go").touch()
    code, said = ended(waiting, 120)
    assert code == 0
    assert "They are gone." in said
    assert site.diary() == ["start", "end"]
    site.finish("--snakefile", "trouble.smk", "--", "lasting.txt")
    assert site.diary() in (["start", "end"], ["start", "end", "start", "end"])
    assert (site.folder / "lasting.txt").read_text() == "done\n"


def test_orphans_can_be_cancelled(site: Site) -> None:
    kill_in_mid_run(site)
    code, said = ended(site.orphans("--cancel"), 120)
    assert code == 0, said
    assert not site.active()
    (site.folder / "go").touch()
    site.finish("--snakefile", "trouble.smk", "--", "lasting.txt")
    assert site.diary() == ["start", "start", "end"]
    assert (site.folder / "lasting.txt").read_text() == "done\n"


@pytest.mark.skipif(missing(accounting=True) is not None, reason=str(missing(accounting=True)))
def test_with_accounting(tmp_path: Path) -> None:
    """A job that is cancelled from outside comes back; wasted resources are reported."""
    with Cluster(tmp_path / "slurm", accounting=True) as cluster:
        site = Site(tmp_path / "site", cluster, account="test")
        process = site.start(
            *("--snakefile", "trouble.smk", "--slurm-efficiency-report"),
            *("--slurm-efficiency-report-path", "results", "--", "lasting.txt"),
        )
        until(lambda: site.diary() == ["start"])
        cluster.succeeds("scancel", str(site.jobs("lasting")[0].number))
        (site.folder / "go").touch()
        code, said = ended(process)
        assert code == 0, said[-4000:]
        assert [job.state for job in site.jobs("lasting")] == ["CANCELLED", "COMPLETED"]
        recorded = cluster.ask("sacct", "-n", "-X", "--format=Account,State", "--parsable2")
        assert recorded.splitlines()[-1] == "test|COMPLETED"
        (report,) = (site.folder / "results").glob("efficiency_report_*.csv")
        assert "rule_lasting" in set(pd.read_csv(report)["RuleName"])
