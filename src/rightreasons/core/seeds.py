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
    import torch

    return torch.Generator(device=device).manual_seed(derive(seed, stage, *key))
