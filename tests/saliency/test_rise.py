"""RISE against a slow loop over masks, and what its masks are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import generator_of
from rightreasons.models.classifier import Classifier
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.saliency import EXPLAINERS

FILLS = {"mean": IMAGENET_MEAN, "black": (0, 0, 0), "grey": (0.5, 0.5, 0.5)}
CLASSES = [0, 1, 1]


def images(height: int = 10, width: int = 13) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, height, width, generator=stream, dtype=torch.double)


def maps(model: nn.Module, inputs: torch.Tensor, **chosen: object) -> torch.Tensor:
    explainer = EXPLAINERS["rise"]
    with explainer.run(model, explainer.params(**chosen), torch.Generator().manual_seed(0)) as run:
        return run(inputs, torch.tensor(CLASSES)).maps


def network() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def drawn(height: int, width: int, at_once: int, **chosen: Any) -> torch.Tensor:
    from rightreasons.saliency.rise import RiseParams, _drawn

    masks = _drawn(RiseParams(**chosen), generator_of(7), height, width)
    return torch.cat(list(masks(at_once)))


def line(cells: list[float], size: int) -> list[float]:
    """Return cells interpolated between their centres, those at the border repeated."""
    found = []
    for i in range(size):
        at = min(max((i + 0.5) * len(cells) / size - 0.5, 0), len(cells) - 1)
        low = min(int(at), len(cells) - 2) if len(cells) > 1 else 0
        high = min(low + 1, len(cells) - 1)
        found.append(cells[low] + (at - low) * (cells[high] - cells[low]))
    return found


@pytest.mark.parametrize(("height", "width", "cells"), [(10, 13, 4), (16, 8, 2), (5, 6, 1)])
def test_masks_are_shifted_windows_of_upsampled_cells(height: int, width: int, cells: int) -> None:
    """Every mask is one of the windows of what its cells, drawn in the same order, become."""
    found = drawn(height, width, 5, samples=12, cells=cells, probability=0.4)
    small = torch.rand(12, 1, cells, cells, generator=generator_of(7)) < 0.4
    steps = (-(-height // cells), -(-width // cells))
    places = set()
    for mask, one in zip(found, small[:, 0].double(), strict=True):
        rows = [line(row, (cells + 1) * steps[1]) for row in one.tolist()]
        columns = [line(list(column), (cells + 1) * steps[0]) for column in zip(*rows, strict=True)]
        large = torch.tensor(columns).T
        fits = [
            (top, left)
            for top in range(steps[0])
            for left in range(steps[1])
            if torch.allclose(large[top : top + height, left : left + width], mask, atol=1e-5)
        ]
        assert fits
        places.update(fits[:1])
    assert len(places) > 2 or cells == 1


def test_masks_do_not_depend_on_how_many_are_made_at_once() -> None:
    given = {"samples": 11, "cells": 3}
    expected = drawn(10, 13, 11, **given)
    assert expected.shape == (11, 10, 13)
    assert torch.equal(drawn(10, 13, 4, **given), expected)
    assert torch.equal(drawn(10, 13, 1, **given), expected)


def test_as_much_of_the_image_is_left_as_the_probability_says() -> None:
    for probability in (0.2, 0.5):
        masks = drawn(24, 24, 500, samples=4000, cells=3, probability=probability)
        assert masks.mean(0).sub(probability).abs().max() < 0.03
        assert masks.min() >= 0
        assert masks.max() <= 1


@torch.no_grad()
def slow(image: torch.Tensor, asked: int, masks: torch.Tensor, **chosen: Any) -> torch.Tensor:
    """Return the map (H, W), one mask and one forward pass after the other."""
    model = network()
    colour = [
        (value - mean) / std
        for value, mean, std in zip(
            FILLS[chosen["baseline"]], IMAGENET_MEAN, IMAGENET_STD, strict=True
        )
    ]
    fill = torch.tensor(colour, dtype=torch.double)[:, None, None]
    scores = [float(model((m * image + (1 - m) * fill)[None])[0, asked]) for m in masks.double()]
    middle = sum(scores) / len(scores) if chosen["centred"] else 0.0
    total = torch.zeros(image.shape[1:], dtype=torch.double)
    for score, mask in zip(scores, masks, strict=True):
        total += (score - middle) * mask
    return total / len(masks) / chosen["probability"]


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("baseline", ["mean", "black", "grey"])
def test_equals_a_slow_loop_over_masks(
    baseline: str, centred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"samples": 9, "cells": 3, "probability": 0.3}
    masks = drawn(10, 13, 9, **given)
    monkeypatch.setattr("rightreasons.saliency._passes.draw_seed", lambda generator: 7)
    found = maps(network(), images(), baseline=baseline, centred=centred, **given)
    for image, asked, one in zip(images(), CLASSES, found, strict=True):
        expected = slow(image, asked, masks, baseline=baseline, centred=centred, probability=0.3)
        torch.testing.assert_close(one, expected)


def test_the_pixels_that_the_logit_sees_get_the_most_and_others_next_to_nothing() -> None:
    model = Classifier(nn.Flatten(), nn.Linear(3 * 24 * 24, 2)).double().eval()
    weight = torch.zeros(2, 3, 24, 24, dtype=torch.double)
    weight[:, :, 6:9, 15:18] = 1
    model.head.weight.data = weight.flatten(1)
    found = maps(model, torch.ones(3, 3, 24, 24, dtype=torch.double), samples=2000, cells=6)
    seen = found[:, 6:9, 15:18].mean((1, 2))
    far = found[:, 14:, :9]
    assert (far.abs().amax((1, 2)) < 0.15 * seen).all()


def test_a_constant_logit_gives_zeros_where_scores_are_centred() -> None:
    model = network()
    nn.init.zeros_(model.head.weight)
    nn.init.constant_(model.head.bias, 3.0)
    assert maps(model, images(), samples=10, cells=3).abs().max() < 1e-12
    paper = maps(model, images(), samples=10, cells=3, centred=False)
    assert paper.abs().max() > 1


def test_cells_finer_than_the_image_are_refused() -> None:
    with pytest.raises(UserError, match=r"11 x 11 cells .* 10 x 13 pixels. Allowed: cells from 1"):
        maps(network(), images(), cells=11)
