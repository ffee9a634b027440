"""The traced copy of a network is the same function, also of one that works in place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.classifier import Classifier
from rightreasons.saliency._attention import Unit
from rightreasons.saliency._trace import trace

Body = Callable[["Block", torch.Tensor], torch.Tensor]


class Block(nn.Module):
    """A convolution whose output a function goes on with."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu, self.rectify = nn.ReLU(inplace=True), nn.SiLU(inplace=True)
        self.gain = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(self, self.conv(x)).mean((2, 3))


def by_method(block: Block, x: torch.Tensor) -> torch.Tensor:
    x.mul_(block.gain)  # as timm's NFNets: what it returns is not used
    return x


def by_module(block: Block, x: torch.Tensor) -> torch.Tensor:
    block.rectify(x)
    return x


def by_function(block: Block, x: torch.Tensor) -> torch.Tensor:
    F.relu(x, True)
    F.silu(x, inplace=True)
    return x * 2


def by_operator(block: Block, x: torch.Tensor) -> torch.Tensor:
    shortcut = x
    x += 1.0
    x *= 2.0
    return x + shortcut  # which is the same tensor


def by_activation_before(block: Block, x: torch.Tensor) -> torch.Tensor:
    return block.relu(x) + x  # what is added is rectified too


def by_sizes(block: Block, x: torch.Tensor) -> torch.Tensor:
    height = x.shape[2]
    more = height
    more += 1  # numbers are not changed in place
    return x * (more - height)


WAYS = [by_method, by_module, by_function, by_operator, by_activation_before, by_sizes]


def classifier(body: Body) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(Block(body), nn.Linear(4, 2)).eval()


@pytest.mark.parametrize("body", WAYS)
def test_what_is_changed_in_place_is_changed_for_all_that_read_it(body: Body) -> None:
    model = classifier(body)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    given = x.clone()
    graph = trace(model, "lrp", "")
    torch.testing.assert_close(graph(x), model(x.clone()))
    assert (x == given).all()


def test_a_copy_that_is_another_function_is_refused() -> None:
    """A part that is changed in place changes the whole, which tracing does not see."""

    def body(block: Block, x: torch.Tensor) -> torch.Tensor:
        x[:, :2].mul_(5.0)
        return x

    graph = trace(classifier(body), "lrp", "Choose another.")
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    with pytest.raises(UserError, match=r"lrp: .* another logit, off by .* Choose another"):
        graph(x)


def test_lengths_are_a_step_of_their_own_in_the_last_dimension_alone() -> None:
    def body(block: Block, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x, dim=-1)

    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    model = classifier(body)
    graph = trace(model, "lrp", "")
    assert any(isinstance(module, Unit) for module in graph.modules())
    torch.testing.assert_close(graph(x), model(x))
    model = classifier(lambda block, x: F.normalize(x))
    graph = trace(model, "lrp", "")
    assert not any(isinstance(module, Unit) for module in graph.modules())
    torch.testing.assert_close(graph(x), model(x))


@torch.no_grad()
def test_rounding_is_no_other_function_where_a_logit_is_next_to_zero() -> None:
    """Weights off by some 1e-4, as sums on a GPU are, and logits whose terms cancel."""
    stream = torch.Generator().manual_seed(1)
    x = torch.randn(1, 3, 6, 6, generator=stream)
    model = classifier(by_method)
    features = model.features(x.clone())[0]
    model.head.bias.zero_()
    along = (model.head.weight @ features) / (features @ features)
    model.head.weight -= along[:, None] * features
    graph = trace(model, "lrp", "")
    weight = graph.get_submodule("trunk.conv").weight
    weight *= 1 + 3e-4 * torch.randn(weight.shape, generator=stream)
    off = (graph(x) - model(x.clone())).abs().max()
    assert model(x.clone()).abs().max() < 1e-5
    assert off > 1e-5
