"""How many images went through networks. No torch, so that methods without networks count, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Passes:
    """Images that networks saw, in training or not: each pass of each image counts."""

    images: int = 0


_counting: list[Passes] = []


@contextmanager
def counted() -> Iterator[Passes]:
    """Count the images that `learning.images.take` takes in the block."""
    passes = Passes()
    _counting.append(passes)
    try:
        yield passes
    finally:
        _counting.remove(passes)


def count(images: int) -> None:
    """Add images to what is being counted."""
    for passes in _counting:
        passes.images += images
