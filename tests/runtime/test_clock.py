import os
import time
from pathlib import Path

import pytest

from rightreasons.core.errors import UserError
from rightreasons.runtime.clock import date_anew, refuse_future


def test_files_of_now_and_before_are_no_matter(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    for name, ahead in (("a", -1e6), ("deep/b", 0.0), ("deep/er/c", 5.0)):
        _dated(tmp_path / name, ahead)
    refuse_future(tmp_path)


def test_what_nothing_follows_from_is_no_matter(tmp_path: Path) -> None:
    for name in ("logs/train/a.log", "benchmarks/train/a.tsv", ".lock", ".hidden/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        _dated(tmp_path / name, 1e6)
    refuse_future(tmp_path)


def test_the_later_of_two_clocks_counts(tmp_path: Path) -> None:
    """A file server's clock may be ahead: all is dated by it, which harms nothing."""
    _dated(tmp_path / "a", 100)
    refuse_future(tmp_path, time.time() + 100)
    with pytest.raises(UserError, match="1 of the study's files"):
        refuse_future(tmp_path, time.time() - 100)


def test_files_of_the_future_can_be_dated_anew(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    _dated(tmp_path / "old", -1e6)
    _dated(tmp_path / "deep/late", 1e6)
    before = (tmp_path / "old").stat().st_mtime
    date_anew(tmp_path)
    refuse_future(tmp_path)
    assert (tmp_path / "deep/late").stat().st_mtime <= time.time()
    assert (tmp_path / "old").stat().st_mtime == before


@pytest.mark.parametrize(
    ("ahead", "said"), [(100, r"\d+ seconds"), (610, "10 minutes"), (3 * 86400 + 60, "3 days")]
)
def test_the_farthest_file_is_named(ahead: float, said: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    _dated(tmp_path / "near", 30)
    _dated(tmp_path / "deep/far", ahead)
    with pytest.raises(UserError, match=rf"2 of the .* by up to {said} \({tmp_path}/deep/far\)"):
        refuse_future(tmp_path)


def _dated(path: Path, ahead: float) -> None:
    path.touch()
    when = time.time() + ahead + 1
    os.utime(path, (when, when))
