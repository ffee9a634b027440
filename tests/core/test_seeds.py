"""Random streams: each belongs to its key alone."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rightreasons.core.arrays import write_array, write_arrays
from rightreasons.core.seeds import derive, generator_of, numpy_rng, seed_torch, torch_generator


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


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**62 + 11])
def test_every_bit_of_a_seed_counts(seed: int) -> None:
    """torch's own manual_seed takes the low 32 bits on the CPU."""

    def drawn(seed: int) -> torch.Tensor:
        return torch.rand(700, generator=generator_of(seed))

    own = [torch.Generator().manual_seed(s).get_state()[8:] for s in (seed, seed + 2**32)]
    assert torch.equal(*own)
    assert torch.equal(drawn(seed), drawn(seed))
    others = [seed ^ (1 << bit) for bit in range(63)]
    assert not any(torch.equal(drawn(seed), drawn(other)) for other in others)


@pytest.mark.parametrize("seed", [0, 12, 2**40 + 5])
def test_a_generator_draws_what_numpys_mersenne_twister_does(seed: int) -> None:
    """A number in [0, 1) is the low 24 bits of a draw, over 2**24; 624 draws make new words."""
    words = np.random.SeedSequence(seed).generate_state(624)
    words[0] = 0x80000000
    twister = np.random.MT19937()
    twister.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": 624}}
    expected = (twister.random_raw(2000) % 2**24) / 2**24
    drawn = torch.rand(2000, generator=generator_of(seed))
    assert np.array_equal(drawn.numpy(), expected.astype(np.float32))
    assert stats.kstest(drawn.numpy(), "uniform").pvalue > 1e-3


def test_global_streams_are_seeded_as_a_generator_is() -> None:
    with torch.random.fork_rng():
        torch.rand(3)
        seed_torch(2**40 + 5)
        first = torch.rand(100)
    assert torch.equal(first, torch.rand(100, generator=generator_of(2**40 + 5)))


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


#: Parts that are easily taken for each other, and any others.
ALIKE = st.sampled_from([1, 1.0, "1", "1.0", 0, -0.0, "", "a", "b", "ab", "a,b", 'a","b'])
PARTS = st.one_of(ALIKE, st.text(max_size=8), st.integers(), st.floats(allow_nan=False))
KEYS = st.tuples(st.integers(0, 3), st.sampled_from(["", "a"]), st.lists(PARTS, max_size=3))


@given(st.lists(KEYS, min_size=2, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_streams_are_the_same_exactly_if_their_keys_are(
    keys: list[tuple[int, str, list[Any]]], rng: random.Random
) -> None:
    seeds = {json.dumps(key): derive(key[0], key[1], *key[2]) for key in keys}
    assert len(set(seeds.values())) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds.values())
    for seed, stage, rest in rng.sample(keys, len(keys)):  # in another order
        stream = derive(seed, stage, *rest)
        assert stream == seeds[json.dumps([seed, stage, rest])]
        texts = [str(part) for part in rest]
        assert (stream == derive(seed, stage, *texts)) == (texts == rest)
        assert (stream == derive(seed, stage, "".join(texts))) == (["".join(texts)] == rest)


def test_neighbouring_streams_are_not_alike() -> None:
    """4,096 seeds in a row: their bits, and the first number of each stream, look random."""
    seeds = np.array([derive(seed, "train", "task", 0.5) for seed in range(4096)], np.uint64)
    assert len(np.unique(seeds)) == 4096
    bits = (seeds[:, None] >> np.arange(63, dtype=np.uint64)) & np.uint64(1)
    assert (np.abs(bits.mean(axis=0) - 0.5) < 5 * 0.5 / math.sqrt(4096)).all()
    first = [np.random.default_rng(int(seed)).random() for seed in seeds]
    assert stats.kstest(first, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 5 / math.sqrt(4096)
