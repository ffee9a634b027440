"""Records that another user keeps closed are told of in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rightreasons.core.errors import UserError
from rightreasons.runtime.guard import refuse_closed

CURE = r"chmod -R g\+rwX .*--directory"


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Path]:
    """A folder with Snakemake's records, seen as a user whom permissions bind."""
    folder = tmp_path / ".snakemake"
    (folder / "metadata").mkdir(parents=True)
    (folder / "metadata" / "one").write_text("{}")
    root = os.geteuid() == 0
    if root:  # nobody
        for path in (tmp_path, *tmp_path.rglob("*")):
            os.chown(path, 65534, -1)
        for above in tmp_path.parents:
            if above.stat().st_uid == 0 and above.is_relative_to("/tmp/pytest-of-root"):
                above.chmod(0o755)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    for path in (tmp_path, folder, folder / "metadata"):
        if path.exists():
            path.chmod(0o755)


def test_open_records_and_none_at_all(records: Path) -> None:
    refuse_closed(records)
    refuse_closed(records.parent / "elsewhere")


@pytest.mark.parametrize("closed", ["", "metadata", "metadata/one"])
def test_closed_ones_are_named(records: Path, closed: str) -> None:
    (records / closed).chmod(0o000)
    with pytest.raises(UserError, match=rf"{records / closed} belongs to .*{CURE}"):
        refuse_closed(records)


def test_a_folder_that_may_only_be_read(records: Path) -> None:
    records.parent.chmod(0o555)
    with pytest.raises(UserError, match=CURE):
        refuse_closed(records.parent / "elsewhere")
    records.chmod(0o555)
    with pytest.raises(UserError, match=CURE):
        refuse_closed(records)
