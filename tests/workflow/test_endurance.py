"""Two runs at once, full and read-only disks, wrong clocks: said clearly, and nothing is lost."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study import Workspace, tinier

CELL = "smiling_by_necktie/phi-0.8/seed-0"
Mount = Callable[[str], Path]


def study(**changes: Any) -> dict[str, Any]:
    """Return a study of vanilla alone with one explainer."""
    explain = {"images": 16, "sets": {"main": {"gradient": {}}}}
    return {**tinier([0.8], explain=explain), **changes}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that nothing disturbs."""
    space = Workspace(tmp_path_factory.mktemp("alone"))
    space.configure(study())
    done = space.run("--", "tabulate")
    assert done.returncode == 0, done.stdout[-4000:]
    return space


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small file system in memory, with these options, or change its options."""
    place = tmp_path / "disk"
    place.mkdir()

    def command(*options: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", *options], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk needs root and the right to mount: {done.stderr.strip()}")

    def made(options: str) -> Path:
        again = "remount," if os.path.ismount(place) else ""
        command("-o", again + options, "tmpfs", str(place))
        return place

    yield made
    if os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def test_without_a_level_0_nothing_waits_for_it_and_its_metrics_are_missing(
    alone: Workspace,
) -> None:
    cells = pd.read_parquet(alone.folder / f"results/tiny/measure/{CELL}/cell_metrics.parquet")
    assert cells.loc[cells["metric"].isin(["fam", "ccm"]), "value"].isna().all()
    assert cells.loc[cells["metric"] == "top_fraction", "value"].notna().all()


def test_a_second_run_beside_the_first_harms_nothing(alone: Workspace, tmp_path: Path) -> None:
    """And two studies in one folder are not in each other's way."""
    space, other = Workspace(tmp_path), object.__new__(Workspace)
    other.folder = space.folder
    space.configure(study())
    (tmp_path / "other.yaml").write_text(
        space.configure(study()).read_text().replace("study: tiny", "study: other")
    )
    runs = [_start(space, "study.yaml"), _start(space, "other.yaml")]
    _until((tmp_path / "results/tiny/.lock").exists)
    refused = space.run("--", "tabulate")
    assert runs[0].poll() is None, "the first run ended too early"
    assert refused.returncode != 0
    assert f"another Snakemake (process {runs[0].pid}) is running this study" in refused.stdout
    assert "Traceback" not in refused.stdout
    for run in runs:
        said, _ = run.communicate(timeout=600)
        assert run.returncode == 0, said[-4000:]
    assert _results(tmp_path / "results/tiny") == _results(alone.folder / "results/tiny")
    images = [tmp_path / f"results/{name}/explain/{CELL}/vanilla/main/maps.npy"
              for name in ("tiny", "other")]  # fmt: skip
    assert images[0].read_bytes() == images[1].read_bytes()
    assert (tmp_path / "results/other/tables/cell_metrics.parquet").exists()


def test_a_full_disk_is_told_of_and_nothing_is_lost(
    alone: Workspace, tmp_path: Path, mount: Mount
) -> None:
    disk = mount("size=1m")
    space = Workspace(tmp_path / "space")
    space.configure(study(results=str(disk)))
    _refused(space, disk)  # by the pool: writing to its mapped arrays would be a SIGBUS
    mount("size=6m")
    _fill(disk, leaving=0)
    before = _results(disk)
    _refused(space, disk)
    assert _results(disk) == before
    (disk / "filler").unlink()
    _fill(disk, leaving=2**21 + 2**19)  # images fit, twins or what follows them do not
    _refused(space, disk)
    assert list((disk / "tiny/pool/synthfaces").glob("*.npy"))
    (disk / "filler").unlink()
    mount("size=64m")
    done = space.run("--", "tabulate")
    assert done.returncode == 0, done.stdout[-4000:]
    ours, theirs = _results(disk / "tiny"), _results(alone.folder / "results/tiny")
    differ = {name for name in ours | theirs if ours.get(name) != theirs.get(name)}
    assert all(name.startswith("tables/") for name in differ), differ  # they name the folder


def test_a_read_only_disk_is_told_of_before_anything_is_done(tmp_path: Path, mount: Mount) -> None:
    disk = mount("ro")
    space = Workspace(tmp_path / "space")
    space.configure(study(results=str(disk)))
    done = space.run("--", "tabulate")
    assert done.returncode != 0
    assert f"{disk}/tiny/.lock cannot be written: the disk is read-only." in done.stdout
    assert "Make it writable" in done.stdout
    assert "rule fetch" not in done.stdout


def test_results_from_the_future_are_refused_and_can_be_dated_anew(alone: Workspace) -> None:
    """Snakemake would train again and then delete the model as older than its images."""
    results = alone.folder / "results/tiny"
    before = _results(results)
    hours = time.time() + 3 * 3600
    for path in results.rglob("*.*"):
        os.utime(path, (hours, hours))
    os.utime(results / "pool/synthfaces/images.npy", (hours + 60, hours + 60))
    done = alone.run("--", "tabulate")
    assert done.returncode != 0
    said = r"(\d+) of the study's files are dated in the future, by up to 3 hours \("
    assert (found := re.search(said, done.stdout)), done.stdout[-4000:]
    assert int(found[1]) > 10
    assert "images.npy): the clock of this machine is wrong" in done.stdout
    assert "rule train" not in done.stdout
    assert alone.run("--touch", "--forceall", "--", "tabulate").returncode == 0
    done = alone.run("--", "tabulate")
    assert "Nothing to be done" in done.stdout, done.stdout[-4000:]
    assert _results(results) == before


def test_inputs_newer_than_outputs_are_only_work(
    alone: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was slow dates what is finished before what it was made of."""
    monkeypatch.setenv("RIGHTREASONS_TERMINAL", "snakemake")  # its own words, not ours
    results = alone.folder / "results/tiny"
    before = _results(results)
    hour = time.time() - 3600
    for path in (results / "measure").rglob("*.*"):
        os.utime(path, (hour, hour))
    done = alone.run("--", "tabulate")
    assert done.returncode == 0, done.stdout[-4000:]
    assert set(re.findall(r"rule (\w+):", done.stdout)) == {"measure", "compare", "tabulate"}
    assert _results(results) == before


def _start(space: Workspace, config: str) -> subprocess.Popen[str]:
    command = [part.replace("study.yaml", config) for part in space.command("--cores", "1")]
    return subprocess.Popen(
        [*command, "--", "tabulate"],
        cwd=space.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _refused(space: Workspace, disk: Path) -> None:
    """Run the study and see that it says which file on `disk` does not fit, and no more."""
    done = space.run("--", "tabulate")
    assert done.returncode != 0
    said = rf"error: {disk}/\S+ cannot be written: the disk is full\. Make room .* is kept\."
    assert re.search(said, done.stdout), done.stdout[-4000:]
    assert "Traceback" not in done.stdout
    hidden = {path.name for path in disk.rglob(".*")}
    assert hidden == {".lock"}


def _fill(disk: Path, leaving: int) -> None:
    """Take all room but `leaving` bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with open(disk / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - leaving)


def _results(root: Path) -> dict[str, bytes]:
    """Return every result that must not depend on when it was made."""
    found = {}
    for path in root.rglob("*"):
        place = path.relative_to(root)
        timed = {"benchmarks", "logs"} & set(place.parts) or path.stem in ("runtimes", "filler")
        if path.is_file() and not timed and path.name not in (".lock", "study.json"):
            found[str(place)] = path.read_bytes()
    return found
