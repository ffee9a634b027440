"""How long a job takes from the start of its process until its own work begins, stage by stage.

    python benchmarks/startup.py [--runs 5] [--parquet startup.parquet]

Runs the tests' tiny study once, keeps the scripts that Snakemake makes of its jobs, and starts one
of each stage again: its log says when it was ready (workflow_scripts/job.py: imports over, first
batch or table next). Beside it, in turns, a Python that imports nothing, torch, or pandas. Prints
medians with the least and the most, in seconds of the clock and of the processor, and for the
processor's the ratio to `import torch`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from timeline import LINE

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests/helpers"))

from study import Workspace, tiny  # noqa: E402

BARE = {"pass": "", "import pandas": "import pandas", "import torch": "import torch"}
BARE_CODE = """
import sys
{code}
sys.path.insert(0, {scripts!r})
from job import age, used
print(f"0 0 ready after {{age():.2f}} s, {{used():.2f}} s of the processor")
"""


def scripts(folder: Path) -> dict[str, Path]:
    """Return one of the scripts that Snakemake left for each stage, by the script's name."""
    left = sorted((folder / ".snakemake" / "scripts").glob("*.py"))
    return {path.name.split(".")[-2]: path for path in left}


def log_of(script: Path, folder: Path) -> Path:
    """Return the log that a script writes: named by what it is started with."""
    code = f"""
import runpy, sys
sys.argv = [{str(script)!r}]
import job
job.run = lambda main, snakemake: print(snakemake.log[0])
runpy.run_path({str(script)!r}, run_name="__main__")
"""
    return folder / run(code, folder).strip().splitlines()[-1]


def run(code: str, folder: Path) -> str:
    """Run Python code in the study's folder with its library; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def ready(text: str, name: str) -> dict[str, float]:
    """Return clock and processor seconds of the `ready` line in a text; SystemExit without one."""
    for found in LINE.finditer(text):
        if found["what"] == "ready after":
            return {"wall": float(found["wall"]), "cpu": float(found["cpu"])}
    sys.exit(f"{name}: no line says when it was ready")


def measure(folder: Path, runs: int) -> pd.DataFrame:
    """Return a row per stage and run: name, clock seconds, processor seconds."""
    stages = {name: (path, log_of(path, folder)) for name, path in scripts(folder).items()}
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    rows = []
    own = str(folder / "workflow_scripts")
    for _ in range(runs):
        for name, code in BARE.items():
            text = run(BARE_CODE.format(code=code, scripts=own), folder)
            rows.append({"name": name, **ready(text, name)})
        for name, (script, log) in stages.items():
            command = [sys.executable, str(script)]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            rows.append({"name": name, **ready(log.read_text(), name)})
    return pd.DataFrame(rows)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return per name the median, least and most of both times, and the ratio to torch's."""
    table = rows.groupby("name", sort=False)[["wall", "cpu"]].agg(["median", "min", "max"])
    table.columns = [f"{kind} {what}" for kind, what in table.columns]
    table["times import torch"] = table["cpu median"] / table.loc["import torch", "cpu median"]
    return table


def main() -> None:
    """Run the study, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--parquet", type=Path, default=Path("startup.parquet"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name))
        workspace.configure(tiny())
        done = workspace.run("--skip-script-cleanup")
        if done.returncode:
            sys.exit(f"the tiny study failed:\n{done.stdout[-2000:]}")
        rows = measure(workspace.folder, options.runs)
    print(summary(rows).to_string(float_format="{:.2f}".format))
    rows.to_parquet(options.parquet, index=False)


if __name__ == "__main__":
    main()
