"""What a run through SLURM costs, and whether it gives the tables of a local run.

    python benchmarks/cluster.py [--study studies/celeba_check.yaml --data data] [--poll 20]

The study (default: the tests' tiny one) runs on a throw-away cluster and then locally; the command
fails where the tables differ in a bit. Needs what tests/slurm needs. Prints, for jobs of SLURM, the
seconds from submission to start (by SLURM's clock: whole seconds), from start to the first line of
the first script's log (two nested Snakemakes and a Python), and the job's length; then both runs'
wall times, and the comparison.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests/helpers"), str(ROOT / "tests/slurm")]

from cluster import Cluster  # noqa: E402
from rightreasons.study.load import read_yaml  # noqa: E402
from rightreasons.tables.compare import compare  # noqa: E402
from runs import Site, ended, small  # noqa: E402
from study import Workspace  # noqa: E402

FIRST_LINE = re.compile(r"^(\S+ \S+) on (\S+), SLURM job (\d+)")


def script_starts(site: Site) -> dict[int, datetime]:
    """Return when the first script of each job of SLURM began to log."""
    starts: dict[int, datetime] = {}
    for path in (site.folder / "results").glob("*/logs/**/*.log"):
        found = FIRST_LINE.match(path.read_text())
        assert found is not None
        when = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f")
        number = int(found[3])
        starts[number] = min(when, starts.get(number, when))
    return starts


def jobs(cluster: Cluster, site: Site) -> pd.DataFrame:
    """Return a row per job of SLURM: rule, node, seconds to its start, its script, its end."""
    fields = "JobID:|,NodeList:|,SubmitTime:|,StartTime:|,EndTime:|,Comment:|"
    lines = cluster.ask("squeue", "--noheader", "--states=all", f"--Format={fields}").splitlines()
    scripts, rows = script_starts(site), []
    for line in lines:
        number, node, *times, what = line.rstrip("|").split("|")
        submitted, started, over = map(datetime.fromisoformat, times)
        rows.append(
            {
                "job": int(number),
                "node": node,
                "what": what.removeprefix("rule_").partition("_wildcards")[0][:24],
                "to start": (started - submitted).total_seconds(),
                "to script": (scripts[int(number)] - started).total_seconds(),
                "length": (over - started).total_seconds(),
            }
        )
    return pd.DataFrame(rows).sort_values("job")


def prepare(place: Workspace, config: dict[str, Any], data: Path | None) -> None:
    """Give a copy of the workflow its study, and the data beside it."""
    place.configure(config)
    if data is not None:
        (place.folder / "data").symlink_to(data.resolve())


def main() -> None:
    """Run both, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--study", type=Path, help="config; default: the tests' tiny study")
    parser.add_argument("--data", type=Path, help="folder of data")
    parser.add_argument("--poll", default=20, type=int, help="the profile's first look at a job")
    options = parser.parse_args()
    config = small() if options.study is None else read_yaml(options.study)
    with tempfile.TemporaryDirectory() as name, Cluster(Path(name) / "slurm") as cluster:
        site = Site(Path(name) / "site", cluster)
        prepare(site, config, options.data)
        began = time.perf_counter()
        wait = ("--slurm-init-seconds-before-status-checks", str(options.poll))
        code, said = ended(site.start(*wait), 3600)
        through = time.perf_counter() - began
        assert code == 0, said
        table = jobs(cluster, site)
        print(table.to_string(index=False, float_format="{:.1f}".format))
        print(table[["to start", "to script", "length"]].median().to_string())
        local = Workspace(Path(name) / "local")
        prepare(local, config, options.data)
        began = time.perf_counter()
        subprocess.run(local.command(), cwd=local.folder, check=True, capture_output=True)
        print(
            f"through SLURM {through:.0f} s, {len(table)} jobs, first look after {options.poll} s"
        )
        print(f"locally {time.perf_counter() - began:.0f} s")
        found = compare(*(place.folder / "results" / config["study"] for place in (site, local)))
        print(found.to_string(index=False, na_rep=""))
        if (found["differs"] != "").any():
            sys.exit("the tables differ")


if __name__ == "__main__":
    main()
