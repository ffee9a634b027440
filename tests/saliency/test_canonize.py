"""The canonical form that LRP works on: the same function, and what is refused."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn

from lrp_networks import explain, generator, images, randomise, tiny
from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Affine, Classifier, projection
from rightreasons.models.layers import captured, intervene, layer_of


@pytest.mark.parametrize(
    "architecture", ["small_cnn", "resnet18", "resnet50", "squeezenet1_0", "efficientnet_lite0"]
)
@torch.no_grad()
def test_the_canonical_form_is_the_same_function(architecture: str) -> None:
    from rightreasons.saliency._canonize import canonize

    model = randomise(build_classifier(architecture).double())
    d = model.n_features
    model.intervention = projection(torch.randn(d, generator=generator()), torch.ones(d)).double()
    network = canonize(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    torch.testing.assert_close(network(images(2).double()), model(images(2).double()))


@torch.no_grad()
def test_a_merged_intervention_is_intervention_and_head() -> None:
    from rightreasons.saliency._trace import merge_intervention

    model = tiny()
    x = torch.randn(5, 4, generator=generator(), dtype=torch.double)
    torch.testing.assert_close(merge_intervention(model, "lrp")(x), model.classify(x))


def test_an_intervention_that_is_not_affine_is_refused() -> None:
    model = tiny()
    model.intervention = nn.Tanh()
    with pytest.raises(UserError, match="Tanh is not an affine map"):
        explain(model, images(1, 6, 8).double(), [0])


def test_a_projection_changes_the_map_and_one_of_strength_zero_does_not() -> None:
    model = build_classifier("resnet18").eval()
    inputs = images(2)
    plain = explain(model, inputs, [0, 1]).maps
    direction = torch.randn(512, generator=generator())
    model.intervention = projection(direction, torch.zeros(512), 0.0)
    torch.testing.assert_close(explain(model, inputs, [0, 1]).maps, plain, rtol=0, atol=0)
    model.intervention = projection(direction, torch.ones(512), 1.0)
    assert (explain(model, inputs, [0, 1]).maps - plain).abs().max() > 0.01 * plain.abs().max()


@pytest.mark.parametrize(
    ("architecture", "layer", "merged"),
    [
        ("small_cnn", "conv2", True),
        ("small_cnn", "bn2", True),
        ("small_cnn", "last_conv", False),
        ("resnet18", "layer3.0.bn1", True),
        ("resnet18", "last_conv", False),
        ("squeezenet1_1", "features.8", False),
    ],
)
def test_a_map_in_the_trunk_is_merged_into_the_layer_before_it_or_stays(
    architecture: str, layer: str, merged: bool
) -> None:
    from rightreasons.saliency._canonize import canonize

    model, inputs = randomise(build_classifier(architecture).double()), images(2, 32, 32).double()
    with torch.no_grad(), captured(layer_of(model, layer)) as outputs:
        model(inputs)
    width = outputs[0].shape[1]
    intervene(model, layer, projection(torch.randn(width), torch.ones(width), 0.8).double())
    model.eval()
    network = canonize(model)
    assert any(isinstance(m, Affine) for m in network.modules()) != merged
    with torch.no_grad():
        torch.testing.assert_close(network(inputs), model(inputs))


@pytest.mark.parametrize("epsilon", [1e-6, 0.1])
@torch.no_grad()
def test_a_map_that_stays_has_the_epsilon_rule(epsilon: float) -> None:
    """R_i = sum_j x_i M_ji R_j / (z_j +- epsilon), position by position."""
    affine = Affine(*torch.randn(2, 2, 3, generator=generator()), torch.randn(3)).double()
    trunk = nn.Sequential(affine, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = Classifier(trunk, nn.Linear(3, 2, bias=False).double()).eval()
    image = torch.randn(1, 3, 2, 3, generator=generator(4)).double()
    got = explain(model, image, [1], composite="epsilon_plus", epsilon=epsilon).maps[0]
    logit, weight, matrix = model(image)[0, 1], model.head.weight[1], affine.matrix()
    for h, w in itertools.product(range(2), range(3)):
        z = matrix @ image[0, :, h, w] + affine.bias
        mean = affine(image)[0].mean((1, 2))
        damped = logit / (logit + (epsilon if logit >= 0 else -epsilon))
        given = [weight[j] * mean[j] * damped * z[j] / (6 * mean[j]) for j in range(3)]
        slow = sum(
            image[0, i, h, w] * matrix[j, i] * given[j]
            / (z[j] + (epsilon if z[j] >= 0 else -epsilon))
            for i, j in itertools.product(range(3), range(3))
        )  # fmt: skip
        torch.testing.assert_close(got[h, w], slow)


@torch.no_grad()
def test_no_relevance_where_a_projection_removes_all_that_the_head_sees() -> None:
    model = tiny()
    model.head.weight.copy_(model.head.weight[:1].expand(2, -1))
    model.intervention = projection(model.head.weight[0], torch.zeros(4).double(), 1.0)
    plain = explain(tiny(projected=False), images(2, 6, 8).double(), [0, 1]).maps
    result = explain(model, images(2, 6, 8).double(), [0, 1])
    assert result.maps.abs().max() < 1e-9 * plain.abs().max()
    torch.testing.assert_close(result.error, torch.ones(2).double())


class Shifted(nn.Sequential):
    """A network that adds to its images."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x + 1)


@torch.no_grad()
def test_what_is_added_to_pixels_keeps_its_share() -> None:
    """As the bias of a layer does: a pixel x gets x / (x + 1) of what x + 1 gets."""
    inputs, plain = images(2, 6, 8).double(), tiny(projected=False)
    inputs[:, 1:] = -1  # one channel alone has relevance: a map is its sum over them
    shifted = Classifier(Shifted(*plain.trunk), plain.head)
    expected = explain(plain, inputs + 1, [0, 1]).maps * inputs[:, 0] / (inputs[:, 0] + 1)
    torch.testing.assert_close(explain(shifted, inputs, [0, 1]).maps, expected)


def test_steps_that_depend_on_values_are_refused() -> None:
    class Branching(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x if x.sum() > 0 else -x)

    model = Classifier(Branching(*tiny().trunk), nn.Linear(4, 2).double())
    with pytest.raises(UserError, match="cannot be traced"):
        explain(model, images(1, 6, 8).double(), [0])


def test_a_model_with_a_forward_hook_is_refused() -> None:
    model = tiny()
    model.trunk.register_forward_hook(lambda *_: None)
    with pytest.raises(UserError, match="trunk has a forward hook"):
        explain(model, images(1, 6, 8).double(), [0])


def test_batch_norm_is_merged_and_dropout_off_in_a_model_left_in_training_mode() -> None:
    model = tiny()
    expected = explain(model, images(2, 6, 8).double(), [0, 1]).maps
    training = copy.deepcopy(model).train()
    assert torch.equal(explain(training, images(2, 6, 8).double(), [0, 1]).maps, expected)
    assert training.training


class InPlace(nn.Module):
    """A convolution whose ReLU is a function that works in place, as GoogLeNet's are."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if self.how == "function":
            x = nn.functional.relu(x, inplace=True)
        elif self.how == "method":
            x = x.relu_()
        else:
            x = nn.functional.relu(x)
        return torch.flatten(self.average(x), 1)


@pytest.mark.parametrize("composite", ["epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1"])
@pytest.mark.parametrize("how", ["function", "method"])
def test_functions_that_work_in_place_give_the_same_maps(how: str, composite: str) -> None:
    inputs = torch.randn(2, 3, 8, 8, generator=generator())
    made = []
    for each in (how, "plain"):
        with torch.random.fork_rng():
            torch.manual_seed(2)
            model = Classifier(InPlace(each), nn.Linear(4, 2)).eval()
        made.append(explain(model, inputs, [0, 1], composite=composite).maps)
    assert torch.equal(*made)
