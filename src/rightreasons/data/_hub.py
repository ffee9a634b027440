"""Files of a repository of Hugging Face's hub, each checked against its checksum there."""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path
from typing import Any

from rightreasons.core.errors import UserError, reason
from rightreasons.core.files import read_json, write_json
from rightreasons.data._shown import listing

#: In the folder of the files: which commit they are of, and their checksums.
RECORD = "hub.json"


def fetch_shards(repo: str, revision: str, files: str, home: Path, name: str) -> dict[str, Any]:
    """Put a repository's Parquet files into a folder, unless they are there.

    Parameters
    ----------
    repo
        `owner/name` of a data set.
    revision
        A branch, a tag or a commit.
    files
        A folder, a file or a pattern in it; "." for all.
    home
        The folder to put them into, at their places in the repository.
    name
        The dataset's, for errors.

    Returns
    -------
    dict
        repo, revision, commit, and files: place -> checksum (SHA-256, or Git's of a small file).
        Once written, it is read again without a network.

    Raises
    ------
    UserError
        Where the library is not installed, the hub cannot be reached, there is no such file, and
        where a file is not what the hub says.
    """
    asked = {"repo": repo, "revision": revision, "pattern": files}
    if (home / RECORD).exists():
        record = read_json(home / RECORD)
        if asked.items() <= record.items():
            _check(home, record["files"], name)
            return record
    try:
        import huggingface_hub as hub
    except ImportError:
        raise UserError(
            f"dataset {name}: `repo` needs the package huggingface_hub: pip install "
            "'rightreasons[huggingface]'. Or download the Parquet files yourself, and set `root`."
        ) from None
    try:
        info = hub.HfApi().dataset_info(repo, revision=revision, files_metadata=True)
        wanted = {one.rfilename: _sum(one) for one in info.siblings or [] if _is_asked(one, files)}
        if not wanted:
            raise UserError(_nothing(info, repo, revision, files, name))
        for place, known in wanted.items():
            if not (home / place).is_file() or checksum(home / place, known) != known:
                hub.hf_hub_download(
                    repo, place, repo_type="dataset", revision=info.sha, local_dir=home
                )
    except UserError:
        raise
    except Exception as error:  # no network, no permission, no such repository
        raise UserError(
            f"dataset {name}: {repo} at {revision} cannot be fetched ({type(error).__name__}: "
            f"{reason(error)}). Fetch it on a machine with a network first, or download the "
            "Parquet files and set `root`."
        ) from error
    _check(home, wanted, name)
    record = {**asked, "commit": info.sha, "files": wanted}
    write_json(record, home / RECORD)
    return record


def checksum(path: Path, known: str) -> str:
    """Return a file's SHA-256, or Git's checksum if that is what is `known`."""
    if not known.startswith("git:"):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    content = path.read_bytes()
    return f"git:{hashlib.sha1(b'blob %d' % len(content) + bytes(1) + content).hexdigest()}"


def _sum(sibling: Any) -> str:
    lfs = sibling.lfs
    if lfs is None:
        return f"git:{sibling.blob_id}"
    return str(lfs["sha256"] if isinstance(lfs, dict) else lfs.sha256)


def _is_asked(sibling: Any, files: str) -> bool:
    place: str = sibling.rfilename
    pattern = files.rstrip("/")
    inside = pattern in ("", ".") or place.startswith(f"{pattern}/")
    return place.endswith(".parquet") and (inside or fnmatch.fnmatch(place, pattern))


def _check(home: Path, files: dict[str, str], name: str) -> None:
    """Raise UserError where files are not there, or not what the hub says."""
    if missing := [place for place in files if not (home / place).is_file()]:
        raise UserError(
            f"dataset {name}: {listing(missing)} is gone from {home}. Delete {home / RECORD} to "
            "fetch again."
        )
    wrong = [place for place, known in files.items() if checksum(home / place, known) != known]
    if wrong:
        raise UserError(
            f"dataset {name}: {listing(wrong)} in {home} is not the hub's file, by its checksum. "
            f"Delete it and {home / RECORD}, and start again."
        )


def _nothing(info: Any, repo: str, revision: str, files: str, name: str) -> str:
    there = sorted({one.rfilename for one in info.siblings})
    return (
        f"dataset {name}: {repo} at {revision} has no Parquet file for `files: {files}`. It has "
        f"{listing(there)}. Most data sets of other forms are there as Parquet at `revision: "
        "refs/convert/parquet`."
    )
