"""Occlusion against a slow loop over boxes, and what its maps sum to."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.classifier import Classifier
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import EXPLAINERS

FILLS = {"mean": IMAGENET_MEAN, "black": (0, 0, 0), "grey": (0.5, 0.5, 0.5)}


def images(n: int, height: int = 10, width: int = 13) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, height, width, generator=stream, dtype=torch.double)


def maps(
    model: nn.Module, inputs: torch.Tensor, classes: list[int], **chosen: object
) -> torch.Tensor:
    explainer = EXPLAINERS["occlusion"]
    with explainer.run(model, explainer.params(**chosen), torch.Generator()) as run:
        return run(inputs, torch.tensor(classes)).maps


def network() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def affine() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(nn.Flatten(), nn.Linear(3 * 10 * 13, 2)).double().eval()


def fill_of(baseline: str) -> torch.Tensor:
    values = [
        (value - mean) / std
        for value, mean, std in zip(FILLS[baseline], IMAGENET_MEAN, IMAGENET_STD, strict=True)
    ]
    return torch.tensor(values, dtype=torch.double)[:, None, None]


def cuts(side: int, grid: int) -> list[int]:
    """Return where boxes begin: box i has the pixels r with i <= r * grid / side < i + 1."""
    return [next(r for r in range(side + 1) if r * grid >= i * side) for i in range(grid + 1)]


@torch.no_grad()
def slow(
    model: Classifier, image: torch.Tensor, asked: int, grid: int, baseline: str
) -> torch.Tensor:
    """Return the map (H, W), one box and one forward pass after the other."""
    _, height, width = image.shape
    rows, columns = cuts(height, grid), cuts(width, grid)
    full = model(image[None])[0, asked]
    result = torch.full((height, width), torch.nan, dtype=torch.double)
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            hidden = image.clone()
            hidden[:, top:bottom, left:right] = fill_of(baseline)
            drop = full - model(hidden[None])[0, asked]
            result[top:bottom, left:right] = drop / ((bottom - top) * (right - left))
    return result


@pytest.mark.parametrize("baseline", ["mean", "black", "grey"])
@pytest.mark.parametrize("grid", [1, 3, 4, 10])
def test_equals_a_slow_loop_whether_or_not_the_grid_divides_the_image(
    grid: int, baseline: str
) -> None:
    model, inputs, classes = network(), images(3), [0, 1, 1]
    found = maps(model, inputs, classes, grid=grid, baseline=baseline)
    for image, asked, result in zip(inputs, classes, found, strict=True):
        expected = slow(model, image, asked, grid, baseline)
        assert expected.isfinite().all()  # the boxes cover the image
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("grid", [1, 2, 3, 7, 10])
def test_boxes_differ_by_at_most_one_row_and_column(grid: int) -> None:
    from rightreasons.saliency.occlusion import _boxes

    box = _boxes(grid, 10, 13)
    assert sorted(box.unique().tolist()) == list(range(grid**2))
    for side, lines in ((10, box[:, 0] // grid), (13, box[0] % grid)):
        assert set(lines.bincount().tolist()) <= {side // grid, -(-side // grid)}
        assert (lines.diff() >= 0).all()


@pytest.mark.parametrize("grid", [1, 3, 10])
def test_the_sum_is_the_difference_from_the_baseline_where_boxes_do_not_interact(grid: int) -> None:
    model, inputs = affine(), images(2)
    found = maps(model, inputs, [0, 1], grid=grid, baseline="black").sum((1, 2))
    baseline = fill_of("black").expand_as(inputs)
    gain = (model(inputs) - model(baseline)).detach()[range(2), [0, 1]]
    torch.testing.assert_close(found, gain)


def test_the_sum_is_the_sum_of_the_drops_and_of_one_box_the_whole_difference() -> None:
    model, inputs = network(), images(2)
    gain = (model(inputs) - model(torch.zeros_like(inputs))).detach()[range(2), [0, 1]]
    torch.testing.assert_close(maps(model, inputs, [0, 1], grid=1).sum((1, 2)), gain)
    assert (maps(model, inputs, [0, 1], grid=5).sum((1, 2)) - gain).abs().min() > 1e-3


def test_only_the_box_that_the_logit_sees_gets_anything() -> None:
    model = affine()
    weight = torch.zeros(2, 3, 10, 13, dtype=torch.double)
    weight[1, 2, 6, 3] = 1.0  # row 6 of 10 and column 3 of 13 lie in box (1, 0) of 2 x 2
    model.head.weight.data = weight.flatten(1)
    (found,) = maps(model, images(1), [1], grid=2)
    assert (found[5:, :7] != 0).all()
    found[5:, :7] = 0
    assert (found == 0).all()


def test_a_grid_finer_than_the_image_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"11 x 11 boxes .* 10 x 13 pixels. Allowed: grid from 1 to 10"
    ):
        maps(network(), images(1), [0], grid=11)
