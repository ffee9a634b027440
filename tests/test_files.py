from pathlib import Path

import numpy as np
import pytest

from rightreasons.arrays import write_array
from rightreasons.files import whole


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
