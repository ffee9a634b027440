"""What every probe of explanation quality owes.

Which of the tests are for a probe, its traits say. One that cannot pass a test that is meant for it
says why by the trait `exempt`: {"test_name": "reason"}.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from rightreasons.contracts.chosen import chosen, meant_for
from rightreasons.contracts.fakes import CPU, biased_images
from rightreasons.contracts.states import unmoved
from rightreasons.core.job import Chosen
from rightreasons.core.registry import Component
from rightreasons.learning.images import normalise
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.probes import FAMILIES, NEEDS, PROBES, Probing
from rightreasons.probes.compute import probe_one
from rightreasons.saliency import EXPLAINERS

N, SIZE = 4, 16
EXPLAINER = Chosen(name="gradient", kind="gradient", params={"channels": "sum"})


@cache
def network() -> Classifier:
    return build_classifier("small_cnn", seed=3).to(memory_format=torch.channels_last).eval()


def fresh_network() -> Classifier:
    return build_classifier("small_cnn", seed=4).eval()


def given(name: str, images: Sequence[int] = range(N), **changes: Any) -> Probing:
    """Return images with the gradient's maps of the class that the network decides for."""
    inputs = normalise(torch.from_numpy(biased_images(N, 0, SIZE).images), CPU)[list(images)]
    with torch.no_grad():
        classes = network()(inputs).argmax(1)
    component = EXPLAINERS[EXPLAINER.kind]
    with component.run(network(), component.params(), torch.Generator()) as attribute:
        maps = attribute(inputs, classes).maps.numpy()
    sign, options = PROBES[name].traits["sign"], {"fresh": fresh_network, **changes}
    made = Probing(
        network(), inputs, classes, maps, EXPLAINER, tuple(images), 5, sign=sign, **options
    )
    return made.of(EXPLAINER, maps)


def values(name: str, of: Probing) -> np.ndarray:
    return probe_one(Chosen(name=name, kind=name, params=PROBES[name].traits["small"]), of)


def reading(probe: Component) -> bool:
    """Return whether a probe looks at the maps that it is given and at no others."""
    return "maps" not in probe.traits["needs"]


@pytest.mark.parametrize("name", chosen(PROBES))
def test_traits_are_what_they_may_be(name: str) -> None:
    traits = PROBES[name].traits
    assert traits["family"] in FAMILIES
    assert traits["better"] in ("higher", "lower")
    assert traits["sign"] in ("signed", "absolute")
    assert set(traits["needs"]) <= set(NEEDS)
    low, high = traits["bounds"]
    assert low < high
    assert traits["formula"]


@meant_for(PROBES, "test_there_is_a_float_within_bounds_for_every_image")
def test_there_is_a_float_within_bounds_for_every_image(name: str) -> None:
    with warnings.catch_warnings(), unmoved():
        warnings.simplefilter("error")
        made = values(name, given(name))
    assert made.shape == (N,)
    assert made.dtype == np.float64
    assert np.isfinite(made).all()
    low, high = PROBES[name].traits["bounds"]
    assert ((made >= low - 1e-9) & (made <= high + 1e-9)).all()


@meant_for(PROBES, "test_a_map_of_zeros_has_no_value", reading)
def test_a_map_of_zeros_has_no_value(name: str) -> None:
    of, one = given(name), given(name).maps.copy()
    one[1] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = values(name, of.of(EXPLAINER, one))
    assert np.isnan(made).tolist() == [False, True, False, False]


@meant_for(PROBES, "test_the_unit_of_the_maps_does_not_matter", reading)
def test_the_unit_of_the_maps_does_not_matter(name: str) -> None:
    of = given(name)
    scaled = of.of(EXPLAINER, of.maps * 1024)
    np.testing.assert_allclose(values(name, scaled), values(name, of), rtol=1e-6, atol=1e-12)


@meant_for(PROBES, "test_the_seed_alone_decides")
def test_the_seed_alone_decides(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = values(name, given(name))
        torch.manual_seed(2)
        np.testing.assert_array_equal(values(name, given(name)), first)


@meant_for(PROBES, "test_an_image_does_not_depend_on_the_others_nor_on_the_size_of_passes")
def test_an_image_does_not_depend_on_the_others_nor_on_the_size_of_passes(name: str) -> None:
    together = values(name, given(name))
    alone = [values(name, given(name, [i], at_once=1))[0] for i in (2, 0)]
    np.testing.assert_allclose(alone, together[[2, 0]], rtol=1e-3, atol=1e-5)


@meant_for(PROBES, "test_explainers_share_what_is_kept_and_nothing_else")
def test_explainers_share_what_is_kept_and_nothing_else(name: str) -> None:
    of = given(name)
    other = of.of(EXPLAINER, of.maps[:, ::-1])
    values(name, other)
    np.testing.assert_array_equal(values(name, of), values(name, given(name)))


@meant_for(PROBES, "test_the_network_and_the_images_are_as_before")
def test_the_network_and_the_images_are_as_before(name: str) -> None:
    of = given(name)
    before = copy.deepcopy(of.model.state_dict())
    inputs, maps = of.inputs.clone(), of.maps.copy()
    values(name, of)
    assert all(torch.equal(value, before[key]) for key, value in of.model.state_dict().items())
    assert not any(module.training for module in of.model.modules())
    assert torch.equal(of.inputs, inputs)
    np.testing.assert_array_equal(of.maps, maps)


@meant_for(PROBES, "test_it_takes_no_more_than_it_says")
def test_it_takes_no_more_than_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = PROBES[name].traits["needs"]
    used: set[str] = set()
    methods = {"passes": "logits", "maps": "explain"}
    for need, method in methods.items():
        plain = getattr(Probing, method)

        def watched(*args: Any, need: str = need, plain: Any = plain, **named: Any) -> Any:
            used.add(need)
            return plain(*args, **named)

        monkeypatch.setattr(Probing, method, watched)

    def fresh() -> Classifier:
        used.add("fresh")
        return fresh_network()

    values(name, given(name, fresh=fresh))
    assert used == set(needs)
