"""Confidence maps and validation: the network's own numbers, in the right places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rightreasons.contracts.fakes import CPU, quiet
from rightreasons.core.errors import UserError
from rightreasons.learning.images import Rows, normalise
from rightreasons.regions.geometry import corners
from rightreasons.regions.maps import coarse_lines, confidence_maps, interpolated, validate
from rightreasons.regions.networks import PatchNetwork, build_patch_network

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])


def network(kind: str = "dense") -> PatchNetwork:
    return build_patch_network(
        kind, n_classes=3, size=32, patch=12, positions=16, embedding=4, seed=0
    ).eval()


@torch.no_grad()
def softmax_of(classifier: PatchNetwork, image: int, position: int) -> np.ndarray:
    y, x = corners(32, 12, 16)[position]
    patch = normalise(torch.from_numpy(IMAGES[image : image + 1, y : y + 12, x : x + 12]), CPU)
    logits = classifier(patch, torch.tensor([position]))[0].double().numpy()
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("kind", ["published", "dense"])
def test_a_map_is_the_confidence_of_each_patch(kind: str) -> None:
    classifier = network(kind)
    maps = confidence_maps(classifier, IMAGES, "maximum", device=CPU, progress=quiet, batch=3)
    margins = confidence_maps(classifier, IMAGES, "margin", device=CPU, progress=quiet)
    assert maps.shape == (7, 4, 4)
    assert maps.dtype == np.float16
    for image, row, column in [(0, 0, 0), (3, 1, 2), (6, 3, 3)]:
        softmax = np.sort(softmax_of(classifier, image, 4 * row + column))
        assert maps[image, row, column] == pytest.approx(softmax[-1], abs=1e-3)
        assert margins[image, row, column] == pytest.approx(softmax[-1] - softmax[-2], abs=1e-3)


def test_batches_rows_and_the_networks_mode_do_not_matter() -> None:
    classifier = network()
    whole = confidence_maps(classifier, IMAGES, "entropy", device=CPU, progress=quiet)
    for batch in (1, 2, 100):
        classifier.train()
        some = Rows(IMAGES, np.array([5, 1, 2]))
        maps = confidence_maps(classifier, some, "entropy", device=CPU, progress=quiet, batch=batch)
        np.testing.assert_allclose(maps, whole[[5, 1, 2]], atol=1e-3)


def test_maps_stream_into_a_memory_map(tmp_path: Path) -> None:
    path = tmp_path / "confidence.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(7, 4, 4))
    steps: list[Any] = []

    def counted(iterable: Any, description: str) -> Any:
        steps.extend(iterable)
        return steps

    classifier = network()
    got = confidence_maps(
        classifier, IMAGES, "maximum", device=CPU, progress=counted, batch=2, out=out
    )
    assert got is out
    assert len(steps) == 4
    out.flush()
    expected = confidence_maps(classifier, IMAGES, "maximum", device=CPU, progress=quiet, batch=2)
    np.testing.assert_array_equal(np.load(path), expected)


def test_validation_is_patch_by_patch() -> None:
    classifier = network()
    confidence, correct = validate(classifier, IMAGES, LABELS, device=CPU, progress=quiet, batch=3)
    assert confidence.shape == correct.shape == (7, 16)
    assert confidence.dtype == np.float32
    assert correct.dtype == bool
    for image in range(7):
        for position in (0, 5, 15):
            softmax = softmax_of(classifier, image, position)
            assert confidence[image, position] == pytest.approx(softmax.max(), abs=1e-5)
            assert correct[image, position] == (softmax.argmax() == LABELS[image])


def test_no_images() -> None:
    maps = confidence_maps(network(), IMAGES[:0], "maximum", device=CPU, progress=quiet)
    assert maps.shape == (0, 4, 4)


def test_a_coarse_grid_agrees_where_it_looks_and_is_linear_between() -> None:
    classifier = build_patch_network(
        "dense", n_classes=3, size=32, patch=12, positions=49, embedding=4, seed=0
    )
    fine = confidence_maps(classifier, IMAGES, "maximum", device=CPU, progress=quiet)
    maps = confidence_maps(classifier, IMAGES, "maximum", device=CPU, progress=quiet, coarse=3)
    assert coarse_lines(7, 3).tolist() == [0, 3, 6]
    np.testing.assert_allclose(maps[:, ::3, ::3], fine[:, ::3, ::3], atol=1e-3)
    a, b = maps[:, 0, 0].astype(float), maps[:, 0, 3].astype(float)
    np.testing.assert_allclose(maps[:, 0, 1], a + (b - a) / 3, atol=1e-3)
    everything = confidence_maps(
        classifier, IMAGES, "maximum", device=CPU, progress=quiet, coarse=7
    )
    np.testing.assert_allclose(everything, fine, atol=1e-3)


def test_interpolation_is_exact_on_bilinear_maps() -> None:
    y, x = np.mgrid[:11, :11]
    plane = 0.1 * y - 0.2 * x + 0.03 * x * y
    for coarse in (2, 4, 6, 11):
        lines = coarse_lines(11, coarse)
        assert lines[0] == 0
        assert lines[-1] == 10
        got = interpolated(plane[np.ix_(lines, lines)][None], lines, 11)
        np.testing.assert_allclose(got[0], plane, atol=1e-12)


@pytest.mark.parametrize("coarse", [1, 8])
def test_coarse_grids_that_there_are_not(coarse: int) -> None:
    with pytest.raises(UserError, match="2 to 7 positions per side"):
        coarse_lines(7, coarse)
