"""What made the results in a folder: no results are ever shown under another config or name.

Snakemake makes a result anew when the parameters or the code of its job have changed, as long as
its own records (`.snakemake`) of this folder are there. A copied or renamed folder has none.
Therefore each results folder keeps the checked config and a digest of the code itself.
"""

from __future__ import annotations

import hashlib
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
    study: StudyConfig,
    snakemake: Path,
    *,
    triggers: Collection[str],
    forced: bool,
    touched: bool = False,
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
    touched
        Whether results are called up to date and nothing is made (`--touch`).

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
    if forced and not touched:
        return
    if record is None:
        raise UserError(
            f"{root} holds results, but no {root / RECORD} that says what made them. {_cures(root)}"
        )
    if record.get("anew"):
        raise UserError(
            f"{root}: everything was to be made anew with --forceall, and that run has not ended "
            "well or made a part only. Nobody knows what made the rest. Start it again with "
            f"--forceall and without targets, or delete {root}."
        )
    known = "params" in triggers and _mark(snakemake, study) == record["id"]
    if known and not touched:
        return
    changed = list(differences(record["config"], _config(study)))
    if not changed and not known and record["code"] != code_of_all():
        changed = ["the code of the suite or of a component"]
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        cures = "Leave out --touch, or take the old config." if known else _cures(root)
        raise UserError(
            f"{root} was made with another config: {'; '.join(changed[:NAMED])}{more}. Snakemake "
            f"cannot tell what is out of date: {_why(triggers, snakemake, known)}. {cures}"
        )


def write_record(
    study: StudyConfig, snakemake: Path, *, forced: bool = False, kept: bool = True
) -> None:
    """Keep what makes the results from now on, in the folder and beside Snakemake's records.

    Parameters
    ----------
    study
        The checked config.
    snakemake
        The folder of Snakemake's own records.
    forced
        Whether everything is made anew: then the folder gets a new identifier.
    kept
        Whether Snakemake keeps records of what it makes (not so with `--drop-metadata`).
    """
    root = _root(study)
    old = _record(root)
    record = None if forced else old
    name = secrets.token_hex(8) if record is None else record["id"]
    content = {"study": study.study, "config": _config(study), "code": code_of_all(), "id": name}
    if forced and any(root.glob("*/")) and not _is_known(old, snakemake, study):
        content["anew"] = True
    mark = _mark_file(snakemake, study)
    if not kept:
        mark.unlink(missing_ok=True)
    elif record is None:  # these results and Snakemake's records of them begin together
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(name)
    root.mkdir(parents=True, exist_ok=True)
    if record != content:  # after the mark: a record without one could not be mended
        write_json(content, root / RECORD)


def end_record(study: StudyConfig) -> None:
    """Keep that everything was made anew, after a run that made all and ended well."""
    record = _record(_root(study))
    if record is not None and record.pop("anew", False):
        write_json(record, _root(study) / RECORD)


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
    """Return the mark of one folder: Snakemake's records go by paths, and know no copy of it."""
    where = hashlib.blake2b(str(_root(study)).encode(), digest_size=8).hexdigest()
    return snakemake / "rightreasons" / f"{study.study}-{where}"


def _is_known(record: dict[str, Any] | None, snakemake: Path, study: StudyConfig) -> bool:
    """Return whether Snakemake's own records are about all the results of a record."""
    return record is not None and "anew" not in record and _mark(snakemake, study) == record["id"]


def _mark(snakemake: Path, study: StudyConfig) -> str:
    """Return which results Snakemake's own records are about, "" where they are about none."""
    path = _mark_file(snakemake, study)
    return path.read_text() if path.exists() else ""


def _why(triggers: Collection[str], snakemake: Path, known: bool) -> str:
    if known:
        return "--touch calls all of it up to date"
    if "params" not in triggers:
        return "--rerun-triggers leaves out params"
    return f"its records of them are not in {snakemake} (a copied folder, or a deleted one)"


def _cures(root: Path) -> str:
    return (
        f"Make everything anew with --forceall, name the study differently, or delete {root}; "
        "where a folder was copied, copy its .snakemake as well."
    )


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield what differs between two configs, key by key."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            place = f"{where}.{key}" if where else str(key)
            if key not in new:
                yield f"{place} is gone"
            elif key not in old:
                yield f"{place} is new"
            else:
                yield from differences(old[key], new[key], place)
    elif old != new:
        yield f"{where} was {_short(old)} and is {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
