"""The ClArC methods: what projection removes, and what RR-ClArC's penalty is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rightreasons.contracts.fakes import CPU, biased_images, make_context, trained
from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS, Context
from rightreasons.debias._cav import cell_weights, fit_cav
from rightreasons.debias._gradient_penalty import (
    directional_penalty,
    explained_output,
    right_reason_penalty,
)
from rightreasons.debias._tuning import fine_tune
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import normalise
from rightreasons.learning.training import extract_features
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, Intervened, projection
from rightreasons.models.layers import by_position, captured, layer_of

TRAINING = TrainingConfig(epochs=3, batch_size=32, learning_rate=1e-3)


@pytest.fixture(scope="module")
def context() -> Context:
    model = trained(biased_images(256, 0.8), TRAINING)
    return make_context(model, biased_images(128, 0.6, seed=1), training=TRAINING)


@pytest.fixture
def inputs(context: Context) -> torch.Tensor:
    return normalise(torch.from_numpy(context.debias().images[:16]), CPU)


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_projection_is_the_matrix(strength: float) -> None:
    generator = torch.Generator().manual_seed(0)
    v, z = (torch.randn(7, dtype=torch.float64, generator=generator) for _ in range(2))
    x = torch.randn(5, 7, dtype=torch.float64, generator=generator)
    unit = v / v.norm()
    slow = torch.stack([row - strength * torch.outer(unit, unit) @ (row - z) for row in x])
    torch.testing.assert_close(projection(v, z, strength)(x), slow)


@pytest.mark.parametrize("weighting", ["images", "cells"])
@pytest.mark.parametrize("origin", ["clean", "attribute", "all", "cells"])
def test_p_clarc_puts_all_images_at_the_origins_level(
    context: Context, weighting: str, origin: str
) -> None:
    chosen = METHODS["p_clarc"].params(cav_weighting=weighting, origin=origin)
    model = METHODS["p_clarc"].run(context, chosen).model
    data = context.debias()
    target, protected = data.target.numpy(), data.protected.numpy()
    features = extract_features(model, data.images, CPU).double().numpy()
    cell = [[features[(target == t) & (protected == a)] for a in (0, 1)] for t in (0, 1)]
    if weighting == "cells":
        without, with_ = (np.mean([cell[t][a].mean(0) for t in (0, 1)], axis=0) for a in (0, 1))
    else:
        without, with_ = (features[protected == a].mean(0) for a in (0, 1))
    direction = (with_ - without) / np.linalg.norm(with_ - without)
    level = {
        "clean": without,
        "attribute": with_,
        "all": features.mean(0),
        "cells": np.mean([cell[t][a].mean(0) for t in (0, 1) for a in (0, 1)], axis=0),
    }[origin]
    after = model.intervention(torch.from_numpy(features).float()).double().numpy()
    np.testing.assert_allclose(after @ direction, np.full(len(after), level @ direction), atol=1e-4)
    across = features - np.outer(features @ direction, direction)
    kept = after - np.outer(after @ direction, direction)
    np.testing.assert_allclose(kept, across, atol=1e-4)


def test_p_clarc_is_in_the_graph(context: Context, inputs: torch.Tensor) -> None:
    model = METHODS["p_clarc"].run(context, METHODS["p_clarc"].params()).model
    features = model.features(inputs).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model.classify(features)[:, 1].sum(), features)
    along = gradient @ model.intervention.read[0]
    torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-5, rtol=0)


def test_a_clarc_trains_with_the_projection_and_takes_it_away(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rightreasons.debias.a_clarc as module

    seen: list[nn.Module] = []
    original = module.fine_tune

    def spy(context: Context, model: Classifier, *arguments: object) -> object:
        seen.append(model.intervention)
        return original(context, model, *arguments)

    monkeypatch.setattr(module, "fine_tune", spy)
    model = METHODS["a_clarc"].run(context, METHODS["a_clarc"].params(steps=4)).model
    assert isinstance(model.intervention, nn.Identity)
    assert not any(key.startswith("intervention") for key in model.state_dict())
    vanilla = context.vanilla()
    features = extract_features(vanilla, context.debias().images, CPU)
    protected = context.debias().protected.numpy()
    weights = cell_weights(context.debias().target.numpy(), protected)
    cav = fit_cav(features.numpy(), protected, "signal", weights=weights)
    projected = seen[0](features).numpy() @ cav.direction
    level = np.average(features.numpy(), axis=0, weights=weights) @ cav.direction
    np.testing.assert_allclose(projected, np.full(len(projected), level), atol=1e-4)
    assert not torch.equal(model.trunk.conv1.weight, vanilla.trunk.conv1.weight)


class Tail(nn.Module):
    """A small smooth network on activations of any of the three shapes, in double precision."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, 5)
        self.head = nn.Linear(5, 2)
        self.double()

    def forward(self, activation: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.mix(by_position(activation)))
        return self.head(torch.sin(3 * hidden).sum(dim=1))


SHAPES = [(3, 4), (3, 4, 2, 3), (3, 6, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("output", ["max_logit", "target", "all", "log_probability"])
@pytest.mark.parametrize("penalty", ["l2", "l2_mean", "l1", "cosine"])
def test_penalty_equals_finite_differences(
    shape: tuple[int, ...], output: str, penalty: str
) -> None:
    torch.manual_seed(0)
    tail = Tail(4)
    activation = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    direction = nn.functional.normalize(torch.randn(4, dtype=torch.float64), dim=0)
    target = torch.tensor([0, 1, 1])

    def f(a: torch.Tensor) -> torch.Tensor:
        return explained_output(tail(a), target, output)

    def slope(position: int, along: torch.Tensor) -> torch.Tensor:
        step = torch.zeros_like(activation)
        by_position(step)[:, position] = 1e-5 * along
        with torch.no_grad():
            return (f(activation + step) - f(activation - step)) / 2e-5

    n_positions = by_position(activation).shape[1]
    along = torch.stack([slope(p, direction) for p in range(n_positions)], dim=1)
    axes = torch.eye(4, dtype=torch.float64)
    gradient = torch.stack(
        [torch.stack([slope(p, e) for e in axes], dim=1) for p in range(n_positions)], dim=1
    )
    expected = {
        "l2": along.pow(2).sum(1).mean(),
        "l2_mean": (gradient.mean(1) @ direction).pow(2).mean(),
        "l1": along.abs().sum(1).mean(),
        "cosine": (along / gradient.norm(dim=2)).abs().mean(),
    }[penalty]
    value = right_reason_penalty(tail(activation), target, activation, direction, output, penalty)
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-3)


def test_penalty_is_differentiable_in_the_weights() -> None:
    torch.manual_seed(0)
    tail = Tail(4)
    activation = torch.randn(3, 4, 2, 2, dtype=torch.float64)
    direction = nn.functional.normalize(torch.ones(4, dtype=torch.float64), dim=0)
    target = torch.tensor([0, 1, 1])

    def value() -> torch.Tensor:
        a = activation.clone().requires_grad_()
        return right_reason_penalty(tail(a), target, a, direction, "target", "l2")

    value().backward()
    weight = tail.mix.weight
    for i, j in [(0, 0), (2, 3)]:
        with torch.no_grad():
            weight[i, j] += 1e-4
        up = float(value())
        with torch.no_grad():
            weight[i, j] -= 2e-4
        down = float(value())
        with torch.no_grad():
            weight[i, j] += 1e-4
        assert float(weight.grad[i, j]) == pytest.approx((up - down) / 2e-4, rel=1e-2, abs=1e-4)


def test_explained_outputs() -> None:
    logits = torch.tensor([[1.0, 3.0], [0.5, -2.0]], dtype=torch.float64)
    target = torch.tensor([0, 1])
    assert explained_output(logits, target, "max_logit").tolist() == [3.0, 0.5]
    assert explained_output(logits, target, "target").tolist() == [1.0, -2.0]
    assert explained_output(logits, target, "all").tolist() == [4.0, -1.5]
    expected = logits.softmax(1).log().mean(1)
    torch.testing.assert_close(explained_output(logits, target, "log_probability"), expected)
    torch.manual_seed(0)
    sums = {float(explained_output(logits, target, "random")[0]) for _ in range(50)}
    assert sums == {4.0, -4.0, 2.0, -2.0}


@pytest.mark.parametrize("penalty", ["l2", "l2_mean", "l1", "cosine"])
def test_a_zero_gradient_has_no_penalty_and_no_nan(penalty: str) -> None:
    gradient = torch.zeros(2, 3, 4, requires_grad=True)
    value = directional_penalty(gradient, torch.ones(4) / 2, penalty)
    value.backward()
    assert float(value) == 0
    assert gradient.grad.isfinite().all()


def test_penalty_at_the_penultimate_layer_is_the_heads(context: Context) -> None:
    """There the gradient is a row of the head, so the penalty cannot move the trunk."""
    model = context.vanilla()
    batch = normalise(torch.from_numpy(context.debias().images[:8]), CPU)
    direction = nn.functional.normalize(torch.ones(model.n_features), dim=0)
    target = torch.zeros(8, dtype=torch.long)
    with captured(layer_of(model, "penultimate")) as outputs:
        value = right_reason_penalty(model(batch), target, outputs[0], direction, "target", "l2")
    assert float(value) == pytest.approx(float(model.head.weight[0] @ direction) ** 2, rel=1e-4)
    trunk = torch.autograd.grad(
        value, list(model.trunk.parameters()), allow_unused=True, retain_graph=True
    )
    assert all(g is None or not g.any() for g in trunk)
    with captured(layer_of(model, "conv2")) as outputs:
        value = right_reason_penalty(
            model(batch), target, outputs[0], direction[:32], "target", "l2"
        )
    (moved,) = torch.autograd.grad(value, [model.trunk.conv3.weight])
    assert moved.any()


@pytest.mark.parametrize(
    ("layer", "freeze"),
    [
        ("penultimate", "none"),
        ("conv2", "none"),
        ("relu2", "none"),
        ("pool2", "none"),
        ("last_conv", "trunk"),
        ("last_conv", "convolutions"),
        ("conv2", "trunk"),
    ],
)
def test_rr_clarc_lowers_its_penalty(context: Context, layer: str, freeze: str) -> None:
    method = METHODS["rr_clarc"]
    chosen = {"layer": layer, "steps": 16, "batch_size": 32, "freeze": freeze}
    penalties = []
    for strength in (0.0, 1e3):
        notes = method.run(context, method.params(strength=strength, **chosen)).notes
        penalties.append(notes["penalty"][-1] / notes["penalty"][0])
    assert penalties[1] < 0.7 * penalties[0]


def test_a_layer_that_the_logits_do_not_depend_on_is_refused() -> None:
    activation, weight = torch.randn(3, 4), torch.randn(4, 2, requires_grad=True)
    target, v = torch.zeros(3, dtype=torch.long), torch.ones(4) / 2
    for needs in (False, True):
        a = activation.clone().requires_grad_(needs)
        logits = (a.detach() if needs else a) @ weight
        with pytest.raises(UserError, match=r"rr_clarc: the logits have no gradient.*`layer`"):
            right_reason_penalty(logits, target, a, v, "target", "l2")


@pytest.mark.parametrize("name", ["a_clarc", "rr_clarc"])
@pytest.mark.parametrize("freeze", ["trunk", "convolutions"])
def test_a_frozen_trunk_is_vanillas(context: Context, name: str, freeze: str) -> None:
    chosen = {"steps": 4, "freeze": freeze, "layer": "last_conv"}
    model = METHODS[name].run(context, METHODS[name].params(**chosen)).model
    before, after = context.vanilla().state_dict(), model.state_dict()
    assert before.keys() == after.keys()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"head.weight", "head.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [("small_cnn", "last_conv"), ("resnet18", "layer4"), ("squeezenet1_1", "last_conv")],
)
@pytest.mark.parametrize("name", ["p_clarc", "leace", "inlp"])
def test_a_layers_channel_means_no_longer_tell_the_attribute(
    architecture: str, layer: str, name: str
) -> None:
    """What p_clarc and leace promise of the penultimate layer holds for channels of any other."""
    data = biased_images(24, 0.3, size=32)
    context = make_context(build_classifier(architecture, seed=2).eval(), data)
    method = METHODS[name]
    chosen = {"rounds": 20} if name == "inlp" else {}
    model = method.run(context, method.params(layer=layer, **chosen)).model
    inputs = normalise(torch.from_numpy(data.images), CPU)
    target, protected = data.target, data.protected

    def gap(network: Classifier) -> float:
        place = layer_of(network, layer if network.trunk is not model.trunk else layer_here)
        with torch.no_grad(), captured(place) as outputs:
            network(inputs)
        x = by_position(outputs[0]).mean(dim=1)
        cells = [[x[(target == t) & (protected == a)].mean(0) for a in (0, 1)] for t in (0, 1)]
        return float((cells[0][1] - cells[0][0] + cells[1][1] - cells[1][0]).norm())

    layer_here = next(n for n, m in model.trunk.named_modules() if isinstance(m, Intervened))
    assert gap(model) < 1e-3 * gap(context.vanilla()) or name == "inlp"
    assert gap(model) < 0.9 * gap(context.vanilla())


@pytest.mark.parametrize("name", METHODS.names())
def test_presets_are_parameters_and_searched_ones_too(name: str) -> None:
    method = METHODS[name]
    for preset in method.traits["presets"].values():  # an empty one says: as the defaults
        given = method.params(**preset).model_dump()
        assert not preset or given != method.params().model_dump()
    assert set(method.traits["search"]) <= set(method.params.model_fields)
    knob = method.traits["knob"]
    assert not knob or method.traits["search"][knob].value(0.0) == 0.0


CLARC = ["p_clarc", "a_clarc", "rr_clarc", "leace", "inlp", "reactive_p_clarc"]


@pytest.mark.parametrize("name", CLARC)
def test_presets_run(context: Context, name: str, inputs: torch.Tensor) -> None:
    method = METHODS[name]
    for preset in method.traits["presets"].values():
        budget = {"steps": 2} if "steps" in method.params.model_fields else {}
        debiased = method.run(context, method.params(**preset, **budget))
        assert debiased.model(inputs).isfinite().all()


@pytest.mark.parametrize("name", ["p_clarc", "leace", "inlp", "reactive_p_clarc"])
def test_at_strength_zero_an_inert_method_is_vanilla(
    context: Context, inputs: torch.Tensor, name: str
) -> None:
    assert METHODS[name].traits["inert"]
    model = METHODS[name].run(context, METHODS[name].params(strength=0.0)).model
    assert torch.equal(model(inputs), context.vanilla()(inputs))


@pytest.mark.parametrize(("name", "layer"), [("a_clarc", "conv2"), ("a_clarc", "penultimate")])
def test_a_clarc_at_strength_zero_is_fine_tuning(context: Context, name: str, layer: str) -> None:
    models = []
    for strength in (0.0, 0.0, 1.0):
        chosen = METHODS[name].params(strength=strength, layer=layer, steps=4)
        models.append(METHODS[name].run(context, chosen).model.state_dict())
    plain = context.vanilla()
    fine_tune(context, plain, METHODS[name].params(steps=4), name)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(models[0][key], value)
    assert not torch.equal(models[0]["head.weight"], models[2]["head.weight"])


def test_captured_survives_an_in_place_activation() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    with captured(net[0]) as outputs:
        out = net(x)
        torch.testing.assert_close(outputs[0], x @ net[0].weight.T + net[0].bias)
        torch.autograd.grad(out.sum(), outputs[0])
    assert not net[0]._forward_hooks


def test_unknown_layer_lists_the_trunks(context: Context) -> None:
    method = METHODS["rr_clarc"]
    with pytest.raises(UserError, match="conv1, bn1"):
        method.run(context, method.params(layer="layer4"))


@pytest.mark.parametrize("architecture", ["resnet18", "squeezenet1_1"])
def test_rr_clarc_on_torchvisions_networks(architecture: str) -> None:
    data = biased_images(16, 0.5, size=48)
    context = make_context(build_classifier(architecture).eval(), data)
    layer = {"resnet18": "layer3", "squeezenet1_1": "features.8"}[architecture]
    method = METHODS["rr_clarc"]
    debiased = method.run(
        context, method.params(layer=layer, steps=2, learning_rate=1e-4, batch_size=8)
    )
    assert np.isfinite(debiased.notes["penalty"]).all()
