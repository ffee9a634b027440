"""The example plug-in, built and installed into a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from study import ROOT


def install(folder: Path) -> Path:
    """Install the plug-in without an index and return the folder to put on PYTHONPATH."""
    source = folder / "source"
    shutil.copytree(ROOT / "examples" / "plugin", source)  # building leaves files behind
    target = folder / "installed"
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target
