"""The canonical form that LRP works on: the same function, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lrp_networks import explain, generator, images, randomise, tiny
from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18", "resnet50", "squeezenet1_0"])
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


@torch.no_grad()
def test_no_relevance_where_a_projection_removes_all_that_the_head_sees() -> None:
    model = tiny()
    model.head.weight.copy_(model.head.weight[:1].expand(2, -1))
    model.intervention = projection(model.head.weight[0], torch.zeros(4).double(), 1.0)
    plain = explain(tiny(projected=False), images(2, 6, 8).double(), [0, 1]).maps
    result = explain(model, images(2, 6, 8).double(), [0, 1])
    assert result.maps.abs().max() < 1e-9 * plain.abs().max()
    torch.testing.assert_close(result.error, torch.ones(2).double())


@pytest.mark.parametrize(
    ("architecture", "what"),
    [("densenet121", "BatchNorm2d that does not"), ("efficientnet_b0", "SiLU"), ("vit_b_16", "")],
)
def test_a_network_with_a_step_without_rule_is_refused(architecture: str, what: str) -> None:
    model = build_classifier(architecture)
    with pytest.raises(UserError, match=f"no relevance rule for .*{what}.*(?s:.)*Allowed are"):
        explain(model, images(1), [0])


def test_arithmetic_that_is_no_sum_of_branches_is_refused() -> None:
    class Shifted(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x + 1)

    model = Classifier(Shifted(*tiny().trunk), nn.Linear(4, 2).double())
    with pytest.raises(UserError, match="no relevance rule for add"):
        explain(model, images(1, 6, 8).double(), [0])


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
