import errno
import re
from pathlib import Path

import numpy as np
import pytest

from rightreasons.core.arrays import mapped, write_array
from rightreasons.core.errors import UserError
from rightreasons.core.files import whole


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole(path) as scratch:
        scratch.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_array(np.arange(3), path)
    with pytest.raises(ValueError, match="allow_pickle"):
        write_array(np.array([object()]), path)
    assert np.load(path).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_a_killed_writer_go_with_the_next_one(tmp_path: Path) -> None:
    left = [tmp_path / name for name in (".a.npy.4711", ".a.npy.4711.kept")]
    other = [tmp_path / name for name in (".b.npy.4711", ".a.npy", "a.npy.4711")]
    for path in [*left, *other]:
        path.touch()
    write_array(np.arange(3), tmp_path / "a.npy")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.npy", *other}


def test_a_mapped_array_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "maps.npy"
    with mapped(path, np.float32, (2, 3)) as array:
        assert (array == 0).all()
        array[1] = 7
        assert not path.exists()
    assert np.load(path).tolist() == [[0, 0, 0], [7, 7, 7]]
    with pytest.raises(ZeroDivisionError), mapped(path, np.float32, (1, 1)):
        _ = 1 / 0
    assert np.load(path).shape == (2, 3)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full. Make room"),
        (errno.EDQUOT, "your quota of disk space is used up. Make room"),
        (errno.EROFS, "the disk is read-only. Make it writable"),
        (errno.EACCES, "you have no permission. Make it writable"),
    ],
)
def test_what_is_wrong_with_the_disk_is_said(number: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for error in (OSError(number, "x"), RuntimeError(f"I/O error: x (os error {number})")):
        message = re.escape(f"{path} cannot be written: {said}")
        with pytest.raises(UserError, match=message), whole(path):
            raise error


def test_other_errors_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole(tmp_path / "a.txt"):
        (tmp_path / "missing").read_text()
    (tmp_path / "elsewhere").mkdir()
    unreadable = PermissionError(errno.EACCES, "x", str(tmp_path / "elsewhere/input"))
    with pytest.raises(PermissionError), whole(tmp_path / "a.txt"):
        raise unreadable
    with pytest.raises(UserError, match="no permission"), whole(tmp_path / "elsewhere/a.txt"):
        raise unreadable
