"""Random streams, each derived from (seed, stage, key) and from nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, stage: str, *key: str | int | float) -> int:
    """Return the seed of the stream that belongs to (seed, stage, key).

    Streams of different stages or keys are independent, and no stream depends on the order in which
    jobs run.

    Parameters
    ----------
    seed
        A seed of the study.
    stage
        The stage, or another name that sets the stream apart.
    *key
        What else the stream belongs to, such as task and level. Order and types count: 1, 1.0 and
        "1" are three keys.

    Returns
    -------
    int
        In [0, 2**63): a BLAKE2b hash of the arguments as JSON.
    """
    text = json.dumps([seed, stage, *key], separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def numpy_rng(seed: int, stage: str, *key: str | int | float) -> np.random.Generator:
    """Return numpy's generator for the stream of (seed, stage, key); see `derive`."""
    return np.random.default_rng(derive(seed, stage, *key))


def torch_generator(
    seed: int, stage: str, *key: str | int | float, device: Any = "cpu"
) -> torch.Generator:
    """Return torch's generator for the stream of (seed, stage, key); see `derive`.

    Parameters
    ----------
    seed, stage, *key
        The stream.
    device
        Where the generator draws. The numbers of a GPU are others than those of the CPU.

    Returns
    -------
    torch.Generator
        Freshly seeded.
    """
    return generator_of(derive(seed, stage, *key), device)


def generator_of(seed: int, device: Any = "cpu") -> torch.Generator:
    """Return torch's generator for a derived seed, of which every bit counts.

    `torch.Generator.manual_seed` looks at the low 32 bits only on the CPU: seed and seed + 2**32
    would be one stream, and of 100,000 streams two would probably be the same. A GPU's generator
    takes 64 bits.

    Parameters
    ----------
    seed
        In [0, 2**63).
    device
        Where the generator draws.
    """
    import torch

    generator = torch.Generator(device=device).manual_seed(seed)
    if generator.device.type == "cpu":
        generator.set_state(_spread(generator.get_state(), seed))
    return generator


def seed_torch(seed: int, device: Any = "cpu") -> None:
    """Seed torch's global streams from a derived seed, of which every bit counts.

    Parameters
    ----------
    seed
        In [0, 2**63).
    device
        Whose stream is seeded as well as the CPU's.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    torch.default_generator.set_state(_spread(torch.default_generator.get_state(), seed))
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed(seed)


def _spread(state: torch.Tensor, seed: int) -> torch.Tensor:
    """Return a state of torch's Mersenne Twister, just seeded, with new words from numpy.

    The words are those with which numpy's MT19937 begins. In the state's bytes they come after 24
    others, each as 8 bytes; the first is the seed's low half, which tells that this is so.
    """
    import torch

    state = state.clone()
    words = state[24 : 24 + 8 * 624].view(torch.int64)
    if int(words[0]) != seed % 2**32:
        raise RuntimeError("this torch keeps the state of its random generator in another order")
    spread = np.random.SeedSequence(seed).generate_state(624).astype(np.int64)
    spread[0] = 2**31  # all that counts of this word is its highest bit, and not all may be 0
    words.copy_(torch.from_numpy(spread))
    return state
