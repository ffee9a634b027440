"""Random streams: each belongs to its key alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from rightreasons.core.arrays import write_array, write_arrays
from rightreasons.core.seeds import derive, numpy_rng, torch_generator


def test_streams_are_fixed_for_all_time() -> None:
    """Were these to change, every published result would."""
    assert derive(0, "train") == 2217471301398860085
    assert derive(3, "split", "task", "0.5", 7) == 935508625584411255


def test_no_two_keys_share_a_stream() -> None:
    keys = [
        (seed, stage, *rest)
        for seed, stage in itertools.product((0, 1, 10), ("train", "split"))
        for rest in ((), ("a",), ("a", "b"), ("ab",), ("b", "a"), (1,), ("1",), (0.5,), ("0.5",))
    ]
    derived = [derive(*key) for key in keys]
    assert len(set(derived)) == len(keys)
    assert all(0 <= value < 2**63 for value in derived)


def test_generators_start_anew_each_time() -> None:
    assert numpy_rng(1, "a", "b").random() == numpy_rng(1, "a", "b").random()
    assert numpy_rng(1, "a", "b").random() != numpy_rng(1, "a", "c").random()
    one, two, other = (torch_generator(s, "a") for s in (1, 1, 2))
    first = torch.rand(3, generator=one)
    assert torch.equal(first, torch.rand(3, generator=two))
    assert not torch.equal(first, torch.rand(3, generator=other))


def test_arrays_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_array(array, tmp_path / "a.npy")
    write_arrays(tmp_path / "b.npz", x=array, **{"map/lrp/vanilla": array + 1})
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    with np.load(tmp_path / "b.npz") as stored:
        assert np.array_equal(stored["map/lrp/vanilla"], array + 1)
        assert set(stored) == {"x", "map/lrp/vanilla"}
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_array(np.array([object()]), tmp_path / "a.npy")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_arrays(tmp_path / "b.npz", x=np.array([object()]))
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    with np.load(tmp_path / "b.npz") as stored:
        assert set(stored) == {"x", "map/lrp/vanilla"}
