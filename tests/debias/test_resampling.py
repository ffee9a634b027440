"""Resampling: which images are drawn, how often, and what an epoch is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fresh_runs import TRAIN, make, run, same
from rightreasons.contracts.fakes import biased_images
from rightreasons.debias import Context
from rightreasons.debias._cells import (
    Drawn,
    Shuffled,
    cell_of,
    levelled,
    levelling_weights,
    sizes,
    subset,
)
from rightreasons.debias.resampling import ResamplingParams, levelling_sampler


@pytest.fixture(scope="module")
def context() -> Context:
    return make()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("strength", "wanted"),
    [(0.0, [90, 10, 40, 0]), (1.0, [10, 10, 10, 0]), (0.5, [30, 10, 20, 0])],
)
def test_cells_are_brought_to_the_size_of_the_smallest(strength: float, wanted: list[int]) -> None:
    assert levelled(torch.tensor([90, 10, 40, 0]), strength) == wanted


def test_a_subset_has_as_many_random_images_of_each_cell_as_asked() -> None:
    chosen = subset(TRAIN, [3, 1, 2, 4], generator())
    cells = cell_of(TRAIN.target, TRAIN.protected)[chosen]
    assert torch.bincount(cells).tolist() == [3, 1, 2, 4]
    assert len(set(chosen.tolist())) == 10
    assert not torch.equal(chosen, subset(TRAIN, [3, 1, 2, 4], generator(1)))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_images_are_drawn_as_often_as_their_weights_say(strength: float) -> None:
    data = biased_images(200, 0.8, size=4)
    weights = levelling_weights(data, strength)
    count = {c: int((cell_of(data.target, data.protected) == c).sum()) for c in range(4)}
    for i in range(200):
        c = 2 * int(data.target[i]) + int(data.protected[i])
        assert weights[i] == pytest.approx(count[c] ** -strength)
    sampler, passes = Drawn(weights), generator()
    drawn = torch.stack([sampler(passes) for _ in range(400)])
    assert drawn.shape == (400, 200)
    share = torch.bincount(drawn.flatten(), minlength=200) / drawn.numel()
    wanted = weights / weights.sum()
    # The counts are binomial: 6 standard deviations of the rarest are not exceeded by chance.
    deviation = (wanted * (1 - wanted) / drawn.numel()).sqrt()
    assert ((share - wanted).abs() < 6 * deviation).all()
    cells = cell_of(data.target, data.protected)[drawn.flatten()]
    if strength == 1:
        np.testing.assert_allclose(torch.bincount(cells) / drawn.numel(), 0.25, atol=0.01)


def test_a_list_is_gone_through_before_it_begins_anew() -> None:
    sampler, passes = Shuffled(torch.tensor([4, 7, 9]), 5), generator()
    taken = torch.cat([sampler(passes) for _ in range(3)]).tolist()
    assert len(taken) == 15
    rounds = [taken[i : i + 3] for i in range(0, 15, 3)]
    assert all(sorted(r) == [4, 7, 9] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1


def test_all_images_in_their_order_are_plain_passes() -> None:
    sampler, one, two = Shuffled(torch.arange(44), 44), generator(), generator()
    for _ in range(3):
        assert torch.equal(sampler(one), torch.randperm(44, generator=two))


def test_under_keeps_the_same_images_of_equal_cells_throughout(context: Context) -> None:
    sampler = levelling_sampler(context, ResamplingParams(draw="under"))
    passes = [sampler(generator(k)) for k in range(20)]
    assert {len(p) for p in passes} == {len(TRAIN)}
    seen = torch.cat(passes).unique()
    least = int(sizes(TRAIN).min())
    assert torch.bincount(cell_of(TRAIN.target, TRAIN.protected)[seen]).tolist() == 4 * [least]


@pytest.mark.parametrize("draw", ["over", "under"])
def test_strength_0_is_plain_training_and_1_is_not(draw: str, context: Context) -> None:
    assert same(run("resampling", context, draw=draw, strength=0).model, context.vanilla())
    assert not same(run("resampling", context, draw=draw).model, context.vanilla())


def test_images_that_were_left_out_do_not_matter(context: Context) -> None:
    """Black out every image outside the subset: the network stays what it was, bit for bit."""
    sampler = levelling_sampler(context, ResamplingParams(draw="under"))
    seen = torch.cat([sampler(generator(k)) for k in range(20)]).unique().numpy()
    images = np.zeros_like(TRAIN.images)
    images[seen] = TRAIN.images[seen]
    blacked = make()
    data = type(TRAIN)(images, TRAIN.target, TRAIN.protected, TRAIN.image_ids)
    blacked.train = lambda: data
    first, second = (run("resampling", c, draw="under").model for c in (context, blacked))
    assert same(first, second)
    first, second = (run("resampling", c).model for c in (context, blacked))
    assert not same(first, second)
