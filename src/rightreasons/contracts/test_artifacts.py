"""What every artifact promises."""

from __future__ import annotations

import numpy as np
import pytest

from rightreasons.artifacts import ARTIFACTS, ArtifactParams, stamps_of
from rightreasons.artifacts.injected import Injected, inject
from rightreasons.contracts.chosen import chosen
from rightreasons.core.job import Chosen

N = 5


def images(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (N, size, size, 3)).astype(np.uint8)


def laid(name: str, pool: np.ndarray, jitter: float = 0.2) -> Injected:
    return inject(pool, Chosen(name="mark", kind=name, params={"jitter": jitter}))


@pytest.mark.parametrize("name", chosen(ARTIFACTS))
def test_its_parameters_can_move_it(name: str) -> None:
    assert issubclass(ARTIFACTS[name].params, ArtifactParams)


@pytest.mark.parametrize("name", chosen(ARTIFACTS))
@pytest.mark.parametrize("size", [16, 40, 65])
def test_it_changes_its_mask_and_nothing_else(name: str, size: int) -> None:
    pool = images(size)
    injected = laid(name, pool)
    with_it, masks = injected[np.arange(N, 2 * N)], injected.masks(np.arange(N, 2 * N))
    changed = (with_it != pool).any(axis=-1)
    assert not (changed & ~masks).any()
    assert changed.sum() > 0.5 * masks.sum() > 0
    assert np.array_equal(injected[np.arange(N)], pool)
    assert np.array_equal(injected.masks(np.arange(N)), masks)


@pytest.mark.parametrize("name", chosen(ARTIFACTS))
def test_it_is_the_same_each_time(name: str) -> None:
    pool, rows = images(40), np.array([7, 2, 9])
    first, second = laid(name, pool), laid(name, pool)
    assert np.array_equal(first[rows], second[rows])
    assert np.array_equal(first[rows][[0]], first[np.array([7])])
    fewer = laid(name, pool[:3])
    assert np.array_equal(fewer[np.array([3, 4, 5])], first[np.array([5, 6, 7])])


@pytest.mark.parametrize("name", chosen(ARTIFACTS))
def test_its_stamps_lie_in_the_image(name: str) -> None:
    component = ARTIFACTS[name]
    for stamp in stamps_of(component.run(40, component.params())):
        height, width = stamp.alpha.shape
        assert stamp.alpha.dtype == np.float32
        assert 0 <= stamp.alpha.min() <= stamp.alpha.max() <= 1
        assert stamp.alpha.max() > 0
        assert np.asarray(stamp.colour).dtype == np.float32
        assert np.shape(stamp.colour) in {(3,), (height, width, 3)}
        assert 0 <= np.min(stamp.colour) <= np.max(stamp.colour) <= 255
        assert 0 <= stamp.x <= 40 - width
        assert 0 <= stamp.y <= 40 - height
