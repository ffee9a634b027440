"""Results of one study from two machines in one folder: `rightreasons merge A B --into C`.

Each machine made some of the seeds, or some of the methods. What both made has to be the same, and
nothing is left of tables and figures: the next run makes these, of all cells.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from rightreasons.core.errors import UserError
from rightreasons.core.files import read_json, write_json
from rightreasons.runtime.guard import held
from rightreasons.study.record import RECORD, differences

#: Stages whose files belong to datasets, groups or cells: they are taken as they are.
KEPT = (
    *("fetch", "pool", "region", "fenced_region", "split", "train", "tune", "choose"),
    *("debias", "explain", "witness", "sanity", "probe"),
)
#: Stages whose files are about all methods of a group: they are taken where both have the same.
OF_METHODS = ("measure", "universe")
#: Files that tell of a run and not of results: the first folder's are taken.
TOLD = ("logs", "benchmarks")
#: The whole config of the merged study, for `--configfile`.
CONFIG = "study.yaml"


def merge(first: Path, second: Path, into: Path) -> dict[str, Any]:
    """Put two folders of results of one study into a third.

    Parameters
    ----------
    first, second
        The folders, `results/<study>` of two machines.
    into
        Where the merged results go, a folder `<study>` that does not exist.

    Returns
    -------
    dict
        The config of what is merged.

    Raises
    ------
    UserError
        With all reasons for which they cannot be merged; then nothing is written.
    """
    records = [_record(folder) for folder in (first, second)]
    config = merged_config(*(record["config"] for record in records))
    reasons = list(_reasons(records, (first, second), into))
    if reasons:
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        raise UserError(f"{first} and {second} cannot be merged:\n{listed}")
    stages = (*KEPT, *OF_METHODS) if _same_methods(records) else KEPT
    scratch = into.with_name(f".{into.name}.merging")
    shutil.rmtree(scratch, ignore_errors=True)
    for folder in (second, first):  # the first one's logs stay
        for stage in (*stages, *TOLD):
            if (folder / stage).is_dir():
                shutil.copytree(folder / stage, scratch / stage, dirs_exist_ok=True)
    for stage in TOLD:  # what is made again
        for name in ("compare", "report"):
            shutil.rmtree(scratch / stage / name, ignore_errors=True)
    record = {**records[0], "config": config, "id": secrets.token_hex(8)}
    write_json(record, scratch / RECORD)
    whole = {**config, "results": str(into.parent)}
    (scratch / CONFIG).write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    now = time.time()
    for path in scratch.rglob("*"):  # of two clocks: nothing is to be older than what it is from
        os.utime(path, (now, now))
    scratch.rename(into)
    return config


def merged_config(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return a config with the seeds and methods of both, and of the first all that they share.

    Parameters
    ----------
    first, second
        Checked configs.
    """
    tasks = {
        name: {**task, "methods": _together(task, second["tasks"].get(name, task))}
        for name, task in first["tasks"].items()
    }
    return {
        **first,
        "seeds": sorted({*first["seeds"], *second["seeds"]}),
        "methods": {**first["methods"], **second["methods"]},
        "tasks": tasks,
    }


def _together(first: dict[str, Any], second: dict[str, Any]) -> list[str] | None:
    """Return the methods of a task in both configs, None where one names none: it has all."""
    named = [task.get("methods") for task in (first, second)]
    if named[0] is None or named[1] is None:
        return None
    return list(dict.fromkeys([*named[0], *named[1]]))


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not path.is_file():
        raise UserError(f"there is no {path}: {folder} is no folder of a study's results.")
    return read_json(path)


def _same_methods(records: Sequence[dict[str, Any]]) -> bool:
    first, second = (
        (
            record["config"]["methods"],
            [task["methods"] for task in record["config"]["tasks"].values()],
        )
        for record in records
    )
    return bool(first == second)


def _reasons(
    records: Sequence[dict[str, Any]], folders: Sequence[Path], into: Path
) -> Iterator[str]:
    """Yield why two folders cannot be merged."""
    first, second = records
    if into.exists():
        yield f"{into} exists already: name a folder that does not"
    if first["study"] != second["study"]:
        yield f"they are of two studies, {first['study']!r} and {second['study']!r}"
        return
    if into.name != first["study"]:
        yield f"the folder {into} must bear the study's name, {first['study']}"
    if first["code"] != second["code"]:
        yield "their code differs: make both with the same version of the suite"
    for folder, record in zip(folders, records, strict=True):
        if record.get("anew"):
            yield f"{folder}: a run with --forceall has not ended"
        lock = folder / ".lock"
        if lock.exists() and held(lock):
            yield f"{folder}: a run is going on"
    others = [
        text
        for text in differences(first["config"], second["config"])
        if not _may_differ(text.split(" ", 1))
    ]
    yield from (f"their configs differ: {text}" for text in others[:10])
    if not others:
        yield from _collisions(folders, _same_methods(records))


def _may_differ(difference: Sequence[str]) -> bool:
    """Return whether two configs may differ so: in seeds, and in which methods there are."""
    where, what = difference
    parts = where.split(".")
    if parts == ["seeds"]:
        return True
    if parts[0] == "methods" and len(parts) == 2:
        return what in ("is new", "is gone")
    return parts[0] == "tasks" and parts[2:] == ["methods"]


def _collisions(folders: Sequence[Path], same_methods: bool) -> Iterator[str]:
    """Yield files that both folders have and that differ, with what that means."""
    first, second = folders
    for stage in (*KEPT, *OF_METHODS) if same_methods else KEPT:
        paths = [path for path in (first / stage).rglob("*") if path.is_file()]
        for path in sorted(paths):
            name = path.relative_to(first)
            other = second / name
            if other.is_file() and not filecmp.cmp(path, other, shallow=False):
                yield (
                    f"both have {name}, and they differ: of what both made, one was made with "
                    "another processor, library or data"
                )
                break  # one of a stage says it


def main(arguments: Sequence[str]) -> int:
    """Merge results of one study from two machines.

    Parameters
    ----------
    arguments
        Of the command line: two folders, and `--into` a third.
    """
    parser = argparse.ArgumentParser(prog="rightreasons merge", description=main.__doc__)
    parser.add_argument("first", type=Path, help="results/<study> of one machine")
    parser.add_argument("second", type=Path, help="results/<study> of the other")
    parser.add_argument("--into", type=Path, required=True, help="a new folder <study>")
    given = parser.parse_args(arguments)
    try:
        config = merge(given.first, given.second, given.into)
    except UserError as error:
        parser.exit(1, f"error: {error}\n")
    print(
        f"{given.into}: seeds {', '.join(map(str, config['seeds']))}; {len(config['methods'])} "
        f"methods. Tables and figures: snakemake --cores 2 --configfile {given.into / CONFIG}"
    )
    return 0
