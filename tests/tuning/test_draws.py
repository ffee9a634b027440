"""The trials of a method: which parameters are tried, and how they are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import Field

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Component, Params
from rightreasons.core.search import Choice, Passes, Real
from rightreasons.tuning.draws import draw_trials


class Given(Params):
    steps: int = Field(10, ge=1, description="steps")
    epochs: int = Field(1, ge=1, description="epochs")
    batch_size: int = Field(32, ge=1, description="images per step")
    strength: float = Field(1.0, ge=0, le=100, description="strength")
    way: str = Field("a", description="way")


SPACE = {
    "strength": Real(0.01, 100, log=True, zero=0.25),
    "way": Choice(("a", "b", "c")),
    "batch_size": Choice((16, 64)),
    "steps": Passes("steps", each=2),
    "epochs": Passes("epochs", role="train"),
}


def method(**traits: object) -> Component:
    filled = {"search": SPACE, "presets": {}, **traits}
    return Component("kind", lambda: None, Given, "Kind", "none", filled)


def draw(trials: int = 40, seed: int = 0, budget: int = 10_000, **changes: object) -> list:
    options = {
        "trials": trials,
        "sampler": "sobol",
        "seed": seed,
        "budget": budget,
        "sizes": {"train": 100, "debias": 50},
        **changes,
    }
    of = options.pop("method", None) or method()
    searched = options.pop("searched", tuple(SPACE))
    return draw_trials(of, Given().model_dump(), searched, **options)


def test_the_first_trials_are_the_methods_own_parameters_and_its_presets() -> None:
    known = {"published": {"strength": 20.0}, "other": {"way": "c"}, "same": {"way": "a"}}
    first, second, third, fourth, *_ = draw(method=method(presets=known))
    assert (first.source, first.params) == ("default", Given().model_dump())
    assert (second.source, second.params["strength"]) == ("preset published", 20.0)
    assert (third.source, third.params["way"]) == ("preset other", "c")
    assert fourth.source == "drawn"


def test_what_is_not_searched_stays_as_it_is() -> None:
    for trial in draw(searched=("strength",)):
        assert {**trial.params, "strength": 1.0} == Given().model_dump()


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_the_draws_are_in_the_space_and_cover_it(sampler: str) -> None:
    drawn = [trial.params for trial in draw(200, sampler=sampler) if trial.source == "drawn"]
    strengths = np.array([params["strength"] for params in drawn])
    positive = strengths[strengths > 0]
    assert 0.15 < np.mean(strengths == 0) < 0.35  # a quarter is exactly 0
    assert positive.min() >= 0.01
    assert positive.max() <= 100
    assert abs(np.median(np.log10(positive))) < 0.5  # the middle of [-2, 2]
    assert {params["way"] for params in drawn} == {"a", "b", "c"}


def test_a_budget_is_a_share_of_the_image_passes_that_are_allowed() -> None:
    drawn = [trial.params for trial in draw(100) if trial.source == "drawn"]
    for params in drawn:
        assert params["steps"] * params["batch_size"] * 2 <= 0.9 * 10_000
        assert params["epochs"] * 100 <= 0.9 * 10_000
    assert max(p["steps"] * p["batch_size"] * 2 for p in drawn) > 0.7 * 10_000
    assert min(p["epochs"] * 100 for p in drawn) < 0.1 * 10_000


def test_more_trials_leave_the_first_ones_as_they_are() -> None:
    assert draw(40)[:12] == draw(12)


def test_another_seed_draws_other_trials() -> None:
    assert draw(seed=1)[1:] != draw(seed=2)[1:]
    assert draw(seed=1) == draw(seed=1)


def test_a_search_space_that_a_method_does_not_allow_is_named() -> None:
    wrong = method(search={"strength": Real(200, 300)})
    with pytest.raises(UserError, match=r"kind.*strength.*search"):
        draw(method=wrong, searched=("strength",))


@pytest.mark.parametrize(("u", "expected"), [(0.0, 0.0), (0.2499, 0.0), (0.25, 0.01), (0.625, 1.0)])
def test_a_strength_is_exactly_zero_as_often_as_its_range_says(u: float, expected: float) -> None:
    assert SPACE["strength"].value(u) == expected  # type: ignore[call-arg]


def test_a_real_number_is_uniform_or_its_logarithm_is() -> None:
    places = np.linspace(0, 0.999, 50)
    assert np.allclose([Real(2, 4).value(u) for u in places], 2 + 2 * places, rtol=6e-3)
    slow = [math.exp(math.log(1e-4) + u * (math.log(1e-1) - math.log(1e-4))) for u in places]
    assert np.allclose([Real(1e-4, 1e-1, log=True).value(u) for u in places], slow, rtol=6e-3)
