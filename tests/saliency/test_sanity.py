"""Cascading randomisation: which layer when, what maps are compared with, what must not move."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from rightreasons.contracts.fakes import CPU, biased_images, quiet, trained
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen
from rightreasons.core.registry import Params
from rightreasons.learning.config import TrainingConfig
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS, Attribution
from rightreasons.saliency.maps import explain
from rightreasons.saliency.sanity import cascade, layers, randomisation_table, steps
from rightreasons.study.load import load_config
from rightreasons.study.parameters import component_params
from rightreasons.tables.schema import TABLES, conform
from study import demo

DATA = biased_images(16, 0.5)
SMALL = ["trunk.conv1", "trunk.conv2", "trunk.conv3", "head"]


def params_of(**chosen: dict[str, Any]) -> list[Chosen]:
    return [
        Chosen.of(name, component_params(EXPLAINERS, name, name, given))
        for name, given in chosen.items()
    ]


EXPLAINED = params_of(lrp={}, integrated_gradients={"steps": 4})


@pytest.fixture(scope="module")
def model() -> Classifier:
    """A network whose batch norm has statistics of its own, in eval mode."""
    network = trained(biased_images(64, 0.5), TrainingConfig(epochs=2, batch_size=16)).eval()
    return network


@pytest.fixture(scope="module")
def fresh() -> Classifier:
    return build_classifier("small_cnn", seed=11).eval()


def table(model: Classifier, fresh: Classifier, explainers: Any = None, **changes: Any) -> Any:
    options = {"stages": 6, "seed": 1, "replicates": 50, **changes}
    return randomisation_table(
        model, fresh, DATA.images, DATA.target, explainers or EXPLAINED,
        device=CPU, batch_size=8, progress=quiet, **options,
    )  # fmt: skip


# Layers and steps


def test_batch_norm_belongs_to_the_layer_before_it() -> None:
    found = layers(build_classifier("small_cnn"))
    assert list(found) == SMALL
    assert found["trunk.conv2"] == ["trunk.conv2", "trunk.bn2"]
    assert found["head"] == ["head"]


@pytest.mark.parametrize(
    ("architecture", "convolutions"), [("resnet18", 20), ("squeezenet1_1", 25)]
)
def test_every_tensor_of_a_deep_network_is_in_one_layer(
    architecture: str, convolutions: int
) -> None:
    network = build_classifier(architecture)
    found = layers(network)
    assert len(found) == convolutions + 1
    assert list(found)[-1] == "head"
    members = [name for modules in found.values() for name in modules]
    tensors = [
        f"{name}.{key}"
        for name in members
        for key, _ in (
            *network.get_submodule(name).named_parameters(recurse=False),
            *network.get_submodule(name).named_buffers(recurse=False),
        )
    ]
    assert sorted(tensors) == sorted(network.state_dict())


@pytest.mark.parametrize(
    ("n", "stages", "sizes"),
    [(21, 6, [1, 4, 4, 4, 4, 4]), (4, 6, [1, 1, 1, 1]), (10, 3, [1, 5, 4]), (1, 2, [1])],
)
def test_steps_go_from_the_head_to_the_input(n: int, stages: int, sizes: list[int]) -> None:
    names = [f"l{i}" for i in range(n)]
    made = steps(names, stages)
    assert [len(step) for step in made] == sizes
    assert [name for step in made for name in step] == names[::-1]


# The cascade


def test_tensors_are_made_random_layer_by_layer(model: Classifier, fresh: Classifier) -> None:
    kept = copy.deepcopy(model.state_dict())
    parts = ["head", "3", "2", "1"]  # the numbers of conv and bn
    for i, (name, done, network) in enumerate(cascade(model, fresh)):
        assert name == SMALL[::-1][i]
        assert done == i + 1
        for key, tensor in network.state_dict().items():
            random = any(part in key.split(".")[-2] for part in parts[: i + 1])
            wanted = fresh if random else model
            assert torch.equal(tensor, wanted.state_dict()[key]), (name, key)
    assert i == 3
    assert all(torch.equal(tensor, kept[key]) for key, tensor in model.state_dict().items())


def test_a_fresh_network_of_another_architecture_is_refused(model: Classifier) -> None:
    with pytest.raises(UserError, match="another architecture"):
        next(cascade(model, build_classifier("squeezenet1_1")))


# Similarities


def test_an_unchanged_network_has_its_own_maps(model: Classifier) -> None:
    made = table(model, copy.deepcopy(model))
    assert len(made) == 4 * 2 * 2
    np.testing.assert_allclose(made["value"], 1)
    assert (made["n"] == len(DATA)).all()


def test_values_are_means_of_similarities_to_the_original_maps(
    model: Classifier, fresh: Classifier
) -> None:
    made = table(model, fresh).set_index(["explainer", "layer", "similarity"])["value"]

    def maps(network: Classifier) -> np.ndarray:
        return explain(
            network, DATA.images, DATA.target, EXPLAINED, device=CPU, batch_size=16,
            seed_of=lambda name: 0, progress=quiet,
        )[0]  # fmt: skip

    headless = copy.deepcopy(model)
    headless.head = copy.deepcopy(fresh.head)
    for layer, network in (("head", headless), ("trunk.conv1", fresh)):
        for e, name in enumerate(chosen.name for chosen in EXPLAINED):
            pairs = [np.abs(pair) for pair in zip(maps(model)[e], maps(network)[e], strict=True)]
            ssim = [structural_similarity(a / a.max(), b / b.max(), data_range=1) for a, b in pairs]
            ranks = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs]
            assert made[name, layer, "ssim"] == pytest.approx(np.mean(ssim), abs=1e-4)
            assert made[name, layer, "spearman"] == pytest.approx(np.mean(ranks), abs=1e-4)


def test_maps_of_a_random_network_are_others(model: Classifier, fresh: Classifier) -> None:
    made = table(model, fresh)
    last = made[made["randomised"] == made["of"]]
    assert (last["value"] < 0.9).all()
    assert (made["ci_low"] <= made["value"]).all()
    assert (made["value"] <= made["ci_high"]).all()


def test_the_table_repeats_and_fits_its_schema(model: Classifier, fresh: Classifier) -> None:
    made = table(model, fresh, stages=3)
    assert made["layer"].unique().tolist() == ["head", "trunk.conv2", "trunk.conv1"]
    assert made["randomised"].unique().tolist() == [1, 3, 4]
    assert conform(made, TABLES["sanity"]).num_rows == len(made) == 3 * 2 * 2
    pd.testing.assert_frame_equal(made, table(model, fresh, stages=3))


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> str:
    """An explainer that looks at the image only: the size of its horizontal gradient, and noise."""
    monkeypatch.setattr(EXPLAINERS, "_components", dict(EXPLAINERS._components))

    @EXPLAINERS.register("blind", title="Blind", paper="made up for a test")
    @contextmanager
    def blind(
        model: Classifier, params: Params, generator: torch.Generator
    ) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
        def make(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
            maps = inputs.diff(dim=-1, append=inputs[..., :1]).sum(1)
            maps = maps + torch.randn(maps.shape, generator=generator)
            return Attribution(maps, torch.full((len(maps),), torch.nan))

        yield make

    return "blind"


def test_an_explainer_that_ignores_the_network_is_found_out(
    blind: str, model: Classifier, fresh: Classifier
) -> None:
    made = table(model, fresh, params_of(blind={}, lrp={}))
    np.testing.assert_allclose(made.loc[made["explainer"] == blind, "value"], 1)
    assert (made.loc[made["explainer"] == "lrp", "value"] < 0.999).any()


def test_maps_of_zeros_are_not_compared(model: Classifier) -> None:
    dead = copy.deepcopy(model)
    for tensor in dead.head.parameters():
        tensor.data.zero_()
    made = table(model, dead, params_of(lrp={}))
    assert made["value"].isna().all()
    assert (made["n"] == 0).all()


# Config


def test_the_check_is_off_unless_images_are_asked_for() -> None:
    raw = demo()
    assert load_config(raw).sanity.images == 0
    assert load_config({**raw, "sanity": {"images": 8}}).sanity.stages == 6
    with pytest.raises(UserError, match=r"sanity.images = 5: allowed are 0"):
        load_config({**raw, "sanity": {"images": 5}})
