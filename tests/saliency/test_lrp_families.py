"""LRP on every family of networks: the same function, and nothing lost but to what is added."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lrp_networks import explain, generator
from rightreasons.core.errors import UserError
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import _conv_rules, _general_rules
from tiny_networks import SIDE, TINY, tiny_network

COMPOSITES = ("epsilon", "gamma", "epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box")


def images(n: int) -> torch.Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=generator(1)).double()


@pytest.mark.parametrize("family", TINY)
@torch.no_grad()
def test_the_ruled_network_is_the_same_function(family: str) -> None:
    from rightreasons.saliency._canonize import canonize
    from rightreasons.saliency._rules import Rules, attach_rules

    model, inputs = tiny_network(family), images(2)
    box = (torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1))
    network = canonize(model)
    torch.testing.assert_close(network(inputs), model(inputs))
    ruled = attach_rules(network, Rules.of_composite("gamma", 1e-6, 0.25, box))
    torch.testing.assert_close(ruled(inputs), model(inputs))


@pytest.mark.parametrize("family", TINY)
def test_relevance_is_conserved_where_nothing_is_added(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the default stabiliser some 1e-5 of it is lost, more where the logit is small."""
    for module in (_general_rules, _conv_rules):
        monkeypatch.setattr(module, "STABILIZER", 1e-9)
    model, inputs = tiny_network(family, biases=False), images(2)
    logits = model(inputs).detach()[[0, 1], [0, 1]]
    for composite in COMPOSITES:
        result = explain(model, inputs, [0, 1], composite=composite, epsilon=1e-9)
        off = (result.maps.sum((1, 2)) - logits).abs() / logits.abs()
        assert (off < 1e-4).all(), (composite, off)


@pytest.mark.parametrize("family", ["swin", "efficientnet", "vit"])
@torch.no_grad()
def test_a_map_does_not_depend_on_the_batch(family: str) -> None:
    model, inputs = tiny_network(family), images(3)
    together = explain(model, inputs, [0, 1, 0]).maps
    alone = torch.cat([explain(model, inputs[i : i + 1], [i % 2]).maps for i in range(3)])
    torch.testing.assert_close(together, alone)


class Strange(nn.Sequential):
    """A network that takes a step that nobody has a rule for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).cumsum(1)


def test_a_step_without_rule_is_named_with_its_layer() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    inner = nn.Sequential(layers, Strange(nn.Identity()))
    with pytest.raises(UserError, match=r"no rule for cumsum in trunk\.1(?s:.)*Allowed are"):
        explain(Classifier(inner, nn.Linear(4, 2)), images(1).float(), [0])


def test_a_product_of_three_values_is_refused() -> None:
    class Three(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.flatten(torch.einsum("nchw,nchw,nchw->nchw", x, x, x), 1)

    with pytest.raises(UserError, match="no rule for einsum"):
        explain(Classifier(Three(), nn.Linear(12, 2)), torch.ones(1, 3, 2, 2), [1])


def test_attention_to_which_something_of_the_image_is_added_is_refused() -> None:
    class Biased(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2)
            found = nn.functional.scaled_dot_product_attention(
                tokens, tokens, tokens, attn_mask=tokens @ tokens.transpose(1, 2)
            )
            return torch.flatten(found, 1)

    with pytest.raises(UserError, match="no rule for Attend"):
        explain(Classifier(Biased(), nn.Linear(12, 2)), torch.ones(1, 3, 2, 2), [1])


@pytest.mark.parametrize(
    ("function", "known"),
    [
        (lambda x: nn.functional.pad(x, (1, 1)), True),
        (lambda x: nn.functional.pad(x, (1, 1), value=-1.0), False),
        (lambda x: x + x, True),
        (lambda x: torch.add(x, x, alpha=-2), False),
        (lambda x: x * -1, False),
        (lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(), True),
    ],
)
def test_values_that_are_never_below_zero_are_known_by_the_structure(
    function: Callable[[torch.Tensor], torch.Tensor], known: bool
) -> None:
    from rightreasons.saliency._canonize import canonize, non_negative

    class Behind(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(x.relu()).mean((2, 3))

    graph = canonize(Classifier(Behind(), nn.Linear(3, 2)))
    (last,) = (node for node in graph.graph.nodes if node.target == "head")
    assert (last.all_input_nodes[0] in non_negative(graph)) == known


def test_a_product_of_the_image_with_itself_is_one_of_two_factors() -> None:
    """x * x gives half of its relevance to each: all to x. A ratio is refused."""

    class Square(nn.Module):
        def __init__(self, ratio: bool) -> None:
            super().__init__()
            self.ratio = ratio

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = 2 / x if self.ratio else x * x
            return torch.flatten(x, 1)

    model = Classifier(Square(False), nn.Linear(12, 2, bias=False).double())
    inputs = torch.randn(1, 3, 2, 2, generator=generator(2)).double()
    got = explain(model, inputs, [1], epsilon=1e-12).maps[0]
    slow = (inputs[0] ** 2 * model.head.weight[1].reshape(3, 2, 2)).sum(0)
    torch.testing.assert_close(got, slow.detach())
    with pytest.raises(UserError, match="no rule for truediv"):
        explain(Classifier(Square(True), nn.Linear(12, 2).double()), inputs, [1])


def test_a_vision_transformer_has_the_maps_of_attnlrps_authors(tmp_path: Path) -> None:
    """Their library needs an environment of its own: lxt 2.1 with transformers below 4.55."""
    pytest.importorskip("lxt")
    from torchvision.models import VisionTransformer

    from lxt_maps import SHAPE

    network = VisionTransformer(*SHAPE, num_classes=2).eval()
    for name, tensor in network.named_parameters():
        if "bias" in name or "head" in name or name == "class_token":
            nn.init.normal_(tensor, std=0.1, generator=generator(4))
    given = {"state": network.state_dict(), "images": images(2).float(), "classes": [0, 1]}
    torch.save({**given, "classes": torch.tensor([0, 1])}, tmp_path / "given.pt")
    script = Path(__file__).parents[1] / "helpers" / "lxt_maps.py"
    command = [sys.executable, str(script), str(tmp_path / "given.pt"), str(tmp_path / "maps.pt")]
    subprocess.run(command, check=True)
    theirs = torch.load(tmp_path / "maps.pt", weights_only=True)
    head, network.heads = network.heads.head, nn.Identity()
    told = {"composite": "epsilon", "epsilon": 1e-9}
    ours = explain(Classifier(network, head), images(2).float(), [0, 1], **told).maps
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * float(theirs.abs().max()))
