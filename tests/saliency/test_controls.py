"""The controls: noise that depends on the image alone, edges against scipy's Sobel filter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch import nn

from rightreasons.learning.images import normalise
from rightreasons.saliency import EXPLAINERS

CPU = torch.device("cpu")


class Untouchable(nn.Module):
    """A network that must not be asked."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a control asked the network")


def pixels(n: int, height: int = 30, width: int = 40) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, height, width, 3), generator=stream, dtype=torch.uint8)


def maps(name: str, inputs: torch.Tensor, classes: list[int], seed: int = 0) -> torch.Tensor:
    explainer = EXPLAINERS[name]
    generator = torch.Generator().manual_seed(seed)
    with explainer.run(Untouchable(), explainer.params(), generator) as run:
        return run(inputs, torch.tensor(classes)).maps


def test_edges_are_scipys_sobel_magnitude_of_the_grey_image() -> None:
    found = maps("edges", normalise(pixels(3), CPU), [0, 1, 0])
    for image, result in zip(pixels(3).numpy() / 255.0, found.numpy(), strict=True):
        grey = image @ np.array([0.299, 0.587, 0.114])
        steps = [ndimage.sobel(grey, axis=axis, mode="nearest") for axis in (0, 1)]
        np.testing.assert_allclose(result, np.hypot(*steps), rtol=1e-4, atol=1e-5)


def test_edges_of_a_white_square_lie_on_its_outline() -> None:
    image = torch.zeros(1, 30, 40, 3, dtype=torch.uint8)
    image[:, 10:20, 15:30] = 255
    (found,) = maps("edges", normalise(image, CPU), [0])
    assert found[12:18, 17:28].abs().max() < 1e-5
    torch.testing.assert_close(found[15, [14, 15]], torch.tensor([4.0, 4.0]))
    assert found.max() <= 4 * 2**0.5
    assert maps("edges", normalise(torch.full_like(image, 99), CPU), [0]).abs().max() < 1e-5


def test_noise_belongs_to_the_image_whatever_its_batch_class_and_memory_format() -> None:
    inputs = normalise(pixels(4), CPU)
    together = maps("random", inputs, [0, 1, 0, 1])
    assert torch.equal(maps("random", inputs[2:3], [1])[0], together[2])
    flipped = inputs.flip(0).contiguous(memory_format=torch.channels_last)
    assert torch.equal(maps("random", flipped, [0, 0, 1, 1]), together.flip(0))
    assert torch.equal(maps("random", inputs + 1e-6, [0, 1, 0, 1]), together)  # other rounding


def test_noise_is_independent_between_images_and_seeds() -> None:
    inputs = normalise(pixels(4), CPU)
    both = torch.cat([maps("random", inputs, [0] * 4), maps("random", inputs, [0] * 4, seed=1)])
    correlations = np.corrcoef(both.flatten(1).numpy()) - np.eye(8)
    assert np.abs(correlations).max() < 5 / np.sqrt(30 * 40)
    changed = pixels(1)
    changed[0, 0, 0, 0] ^= 1
    near = torch.stack(
        [maps("random", normalise(image, CPU), [0])[0].flatten() for image in (pixels(1), changed)]
    )
    assert abs(np.corrcoef(near.numpy())[0, 1]) < 5 / np.sqrt(30 * 40)


def test_noise_is_standard_normal_in_every_pixel() -> None:
    found = maps("random", normalise(pixels(20), CPU), [0] * 20).numpy()
    assert stats.kstest(found.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(found[:, :, :-1].ravel(), found[:, :, 1:].ravel())[0, 1]) < 0.04


@pytest.mark.parametrize("name", ["random", "edges"])
def test_controls_declare_themselves(name: str) -> None:
    assert EXPLAINERS[name].traits["control"]
