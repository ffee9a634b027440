"""Maps of both versions of an image, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rightreasons.metrics import LocatedMaps, ReferenceMaps
from rightreasons.metrics.compute import located_metrics, resolve
from rightreasons.metrics.map_change import ChangeParams, map_change, map_change_outside
from rightreasons.metrics.measures import other_versions

COUNT, HEIGHT, WIDTH = 6, 7, 9
ROI = (0.3, 0.3, 0.7, 0.7)


def maps(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, HEIGHT, WIDTH)).astype(np.float32)


def masks() -> np.ndarray:
    found = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    found[:, 2:5, 3:7] = True
    found[4] = False
    found[5] = True
    return found


def moved(one: np.ndarray, other: np.ndarray) -> float:
    """Return how much of two maps of sum 1 has to be moved to make one of the other."""
    a, b = (np.abs(m) / np.abs(m).sum() for m in (one, other))
    return sum(max(float(p - q), 0.0) for p, q in zip(a.ravel(), b.ravel(), strict=True))


def test_the_change_is_the_share_of_relevance_that_moves() -> None:
    protected = np.array([1, 0, 1, 1, 1, 1])
    one, other = (LocatedMaps(maps(seed), masks(), protected) for seed in (0, 1))
    other.maps[3] = 0
    whole = map_change(one, other, ChangeParams())
    outside = map_change_outside(one, other, ChangeParams())
    for i in (0, 2, 4):
        assert whole[i] == pytest.approx(moved(one.maps[i], other.maps[i]), rel=1e-5)
    for i in (0, 2):
        away = ~masks()[i]
        expected = moved(one.maps[i][away], other.maps[i][away])
        assert outside[i] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(whole).tolist() == [False, True, False, True, False, False]
    assert np.isnan(outside).tolist() == [False, True, False, True, True, True]


def test_what_changes_in_the_region_alone_changes_nothing_outside() -> None:
    protected = np.ones(COUNT)
    one = maps(0)
    found = masks()
    other = np.where(found, maps(1), one)
    pair = LocatedMaps(one, found, protected), LocatedMaps(other, found, protected)
    known = ~np.isnan(map_change_outside(*pair, ChangeParams()))
    assert known.tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(map_change_outside(*pair, ChangeParams())[known], 0, atol=1e-6)
    assert (map_change(*pair, ChangeParams())[known] > 0.05).all()
    same = map_change(pair[0], pair[0], ChangeParams(similarity="ssim"))
    np.testing.assert_allclose(same, 0, atol=1e-6)


def test_an_image_is_held_against_its_own_other_version() -> None:
    pool = 10
    rows = pd.DataFrame({"row": [3, 17, 13, 7, 5, 11]})  # 5 and 1 have no other version
    found = other_versions(maps(0), rows, pool)
    assert found.rows.tolist() == [2, 3, 0, 1, -1, -1]
    protected = (rows["row"] >= pool).to_numpy().astype(int)
    values = located_metrics(
        resolve(), maps=maps(0), roi=ROI, protected=protected, versions=found
    )  # fmt: skip
    expected = [np.nan, moved(maps(0)[1], maps(0)[3]), moved(maps(0)[2], maps(0)[0]), *[np.nan] * 3]
    np.testing.assert_allclose(values["map_change"], expected, rtol=1e-5)
    assert np.isnan(values["fam"]).all()  # there is no normal model


def test_without_other_versions_there_is_no_such_metric() -> None:
    protected = np.arange(COUNT) % 2
    normal = ReferenceMaps(maps(1), np.arange(COUNT))
    values = located_metrics(resolve(), maps=maps(0), roi=ROI, protected=protected, normal=normal)
    assert "map_change" not in values
    assert not np.isnan(values["fam"][1])
