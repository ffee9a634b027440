"""What made the results in a folder: no results are ever shown under another config or name.

Snakemake makes a result anew when the parameters or the code of its job have changed, as long as
its own records (`.snakemake`) of this folder are there. A copied or renamed folder has none.
Therefore each results folder keeps the checked config and a digest of the code itself.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rightreasons.core.code import digest
from rightreasons.core.errors import UserError
from rightreasons.core.files import read_json, write_json
from rightreasons.study.load import registries
from rightreasons.study.sections import StudyConfig

RECORD = "study.json"
#: How many differences an error names.
NAMED = 4


def check_record(
    study: StudyConfig, snakemake: Path, *, triggers: Collection[str], forced: bool
) -> None:
    """Refuse to go on with results that another config or another name made.

    Parameters
    ----------
    study
        The checked config.
    snakemake
        The folder of Snakemake's own records.
    triggers
        What makes Snakemake run a job again (`--rerun-triggers`).
    forced
        Whether everything is made anew (`--forceall`).

    Raises
    ------
    UserError
        Where the folder holds another study's results, or results of another config or code that
        Snakemake would take for this one's.
    """
    root = _root(study)
    if not any(root.glob("*/")):
        return
    record = _record(root)
    if record is not None and record["study"] != study.study:
        raise UserError(
            f"{root} holds the results of the study {record['study']!r}, and their tables say so "
            f"in every row. Rename the folder to {record['study']}, or delete it, and start again."
        )
    if forced:
        return
    if record is None:
        if not any((snakemake / "metadata").glob("*")):
            raise UserError(
                f"{root} holds results, but neither {root / RECORD} nor {snakemake} says what made "
                f"them. {_cures(root)}"
            )
        return
    if "params" in triggers and _mark(snakemake, study) == record["id"]:
        return
    changed = list(_differences(record["config"], _config(study)))
    if not changed and record["code"] != code_of_all():
        changed = ["the code of the suite or of a component"]
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        raise UserError(
            f"{root} was made with another config: {'; '.join(changed[:NAMED])}{more}. Snakemake "
            f"cannot tell what is out of date: {_why(triggers, snakemake)}. {_cures(root)}"
        )


def write_record(study: StudyConfig, snakemake: Path, *, forced: bool = False) -> None:
    """Keep what makes the results from now on, in the folder and beside Snakemake's records.

    Parameters
    ----------
    study
        The checked config.
    snakemake
        The folder of Snakemake's own records.
    forced
        Whether everything is made anew: then the folder gets a new identifier.
    """
    root = _root(study)
    record = None if forced else _record(root)
    name = secrets.token_hex(8) if record is None else record["id"]
    root.mkdir(parents=True, exist_ok=True)
    content = {"study": study.study, "config": _config(study), "code": code_of_all(), "id": name}
    if record != content:
        write_json(content, root / RECORD)
    if record is None:  # these results and Snakemake's records of them begin together
        place = _mark_file(snakemake, study)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)


def code_of_all() -> str:
    """Return the digest of the code of all stages and components."""
    components = {one.module for registry in registries().values() for one in registry}
    stages = Path(__file__).parents[1] / "stages"
    names = {f"rightreasons.stages.{path.stem}" for path in stages.glob("[a-z]*.py")}
    return digest(*sorted(components | names))


def _root(study: StudyConfig) -> Path:
    return Path(study.results) / study.study


def _record(root: Path) -> dict[str, Any] | None:
    path = root / RECORD
    try:
        return read_json(path) if path.exists() else None
    except ValueError as error:
        raise UserError(
            f"{path} cannot be read ({error}), so nobody knows what made the results beside it. "
            f"{_cures(root)}"
        ) from error


def _config(study: StudyConfig) -> dict[str, Any]:
    """Return the checked config without the places of results and data, as JSON holds it."""
    config: dict[str, Any] = json.loads(study.model_dump_json(exclude={"results", "data"}))
    return config


def _mark_file(snakemake: Path, study: StudyConfig) -> Path:
    return snakemake / "rightreasons" / study.study


def _mark(snakemake: Path, study: StudyConfig) -> str:
    """Return which results Snakemake's own records are about, "" where they are about none."""
    path = _mark_file(snakemake, study)
    return path.read_text() if path.exists() else ""


def _why(triggers: Collection[str], snakemake: Path) -> str:
    if "params" not in triggers:
        return "--rerun-triggers leaves out params"
    return f"its records of them are not in {snakemake} (a copied folder, or a deleted one)"


def _cures(root: Path) -> str:
    return (
        f"Make everything anew with --forceall, name the study differently, or delete {root}; "
        "where a folder was copied, copy its .snakemake as well."
    )


def _differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield what differs between two configs, key by key."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            place = f"{where}.{key}" if where else str(key)
            if key not in new:
                yield f"{place} is gone"
            elif key not in old:
                yield f"{place} is new"
            else:
                yield from _differences(old[key], new[key], place)
    elif old != new:
        yield f"{where} was {_short(old)} and is {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
