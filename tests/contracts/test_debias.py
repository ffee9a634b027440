"""What every debiasing method promises, over all registered methods."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rightreasons.debias as debias
from fakes import CPU, biased_images, make_context, trained
from rightreasons.core.errors import UserError
from rightreasons.debias import METHODS, Context
from rightreasons.learning import decisions
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import predict_logits
from rightreasons.models.classifier import Classifier, Projection

TRAINING = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)
SMALL: dict[str, dict[str, Any]] = {
    "zhang": {"steps": 6},
    "savani_aft": {"rounds": 2, "model_steps": 2, "critic_warmup": 20},
    "savani_rp": {"copies": 5},
}
TUNED = ["finetune", "a_clarc", "rr_clarc", "zhang", "savani_aft"]
RETRAINED = ["mask_general", "mask_specific", "noise_general", "noise_specific", "balanced"]


@pytest.fixture(scope="module")
def vanilla() -> Classifier:
    return trained(biased_images(128, 0.6, size=16), TRAINING)


@pytest.fixture(scope="module")
def context(vanilla: Classifier) -> Context:
    return make_context(vanilla, biased_images(96, 0.6, size=16, seed=1), training=TRAINING)


def run(name: str, context: Context, **params: Any) -> debias.Debiased:
    method = METHODS[name]
    return method.run(context, method.params(**{**SMALL.get(name, {}), **params}))


def assert_same_weights(first: torch.nn.Module, second: torch.nn.Module) -> None:
    one, two = first.state_dict(), second.state_dict()
    assert one.keys() == two.keys()
    for key in one:
        assert torch.equal(one[key], two[key]), key


@pytest.mark.parametrize("name", METHODS.names())
def test_contract(name: str, vanilla: Classifier, context: Context) -> None:
    before = copy.deepcopy(vanilla)
    global_state = torch.get_rng_state()
    debiased = run(name, context)
    assert torch.equal(torch.get_rng_state(), global_state), "global random state was used"
    assert_same_weights(vanilla, before)
    assert decisions.from_json(json.loads(json.dumps(decisions.to_json(debiased.decision))))
    json.dumps(debiased.notes, allow_nan=False)
    assert METHODS[name].title
    assert METHODS[name].paper
    assert METHODS[name].traits["changes"] in ("weights", "decision")
    assert METHODS[name].traits["regions"] in (True, False)
    assert (debiased.model is None) == (METHODS[name].traits["changes"] == "decision")
    if debiased.model is not None:
        _check_network(debiased.model, context)


def _check_network(model: Classifier, context: Context) -> None:
    assert not any(module.training for module in model.modules())
    assert isinstance(model.intervention, torch.nn.Identity | Projection)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
    assert np.isfinite(predict_logits(model, context.debias().images, CPU)).all()
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@pytest.mark.parametrize("name", METHODS.names())
def test_same_seed_same_result(name: str, vanilla: Classifier) -> None:
    data = biased_images(64, 0.6, size=16, seed=1)
    results = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        np.random.seed(noise)  # noqa: NPY002
        results.append(run(name, make_context(vanilla, data, training=TRAINING)))
    assert results[0].decision == results[1].decision
    assert results[0].notes == results[1].notes
    if results[0].model is not None:
        assert_same_weights(results[0].model, results[1].model)


@pytest.mark.parametrize("name", TUNED + RETRAINED)
def test_another_seed_another_result(name: str, vanilla: Classifier) -> None:
    data = biased_images(64, 0.6, size=16, seed=1)
    first, second = (
        run(name, make_context(vanilla, data, training=TRAINING, seed=seed)).model
        for seed in (0, 1)
    )
    assert not torch.equal(first.head.weight, second.head.weight)


@pytest.mark.parametrize("name", TUNED + RETRAINED)
def test_exploding_training_is_an_error_that_names_the_method(name: str, context: Context) -> None:
    with pytest.raises(UserError, match=name):
        run(name, context, learning_rate=1e30)


@pytest.mark.parametrize("name", TUNED)
def test_training_in_16_bits_as_on_a_gpu(
    name: str, vanilla: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightreasons.debias import _savani
    from rightreasons.learning import training

    used = []
    context = make_context(vanilla, biased_images(16, 0.5, size=8, seed=1), training=TRAINING)

    def half(device: torch.device) -> torch.autocast:
        used.append(device)
        return torch.autocast("cpu", dtype=torch.bfloat16)

    for module in (training, _savani):
        monkeypatch.setattr(module, "autocast", half)
    model = run(name, context, batch_size=8).model
    assert used
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    _check_network(model, context)


@pytest.mark.parametrize("name", ["zhang", "rr_clarc"])
def test_a_chosen_threshold_is_thropts_on_the_new_scores(name: str, context: Context) -> None:
    from rightreasons.debias._thresholds import choose_threshold, probability

    debiased = run(name, context, threshold="equalized_odds", tolerance=0.01)
    plain = run(name, context)
    assert_same_weights(debiased.model, plain.model)
    data = context.debias()
    score = probability(predict_logits(debiased.model, data.images, CPU))
    chosen = choose_threshold(score, data.target.numpy(), data.protected.numpy(), 0.01)
    assert debiased.decision.threshold == chosen.threshold
    assert plain.decision.threshold == 0.5


def test_vanilla_and_thropt_only_need_numbers(tmp_path: Path) -> None:
    """The threshold methods run, and all methods are listed, without importing torch."""
    script = """
import sys
import numpy as np, pandas as pd
from rightreasons.debias import METHODS, Context
rng = np.random.default_rng(0)
target, protected = np.tile([0, 1], 40), np.repeat([0, 1], 40)
score = np.clip(0.4 * target + 0.2 * protected + rng.uniform(0, 0.4, 80), 0, 1)
table = pd.DataFrame(dict(target=target, protected=protected, score=score))
context = Context(*[None] * 7, table, None, None, None, lambda stream: 1, None)
for name in METHODS.names():
    METHODS[name].params()
    if METHODS[name].traits["changes"] == "decision":
        assert METHODS[name].run(context, METHODS[name].params()).model is None
slow = {"torch", "sklearn", "scipy", "torchvision"} & set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_method_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: Context
) -> None:
    (tmp_path / "made_up.py").write_text(
        "from rightreasons.debias import METHODS, Debiased\n"
        "from rightreasons.core.registry import Params\n\n\n"
        '@METHODS.register("made_up", title="Made up", paper="none")\n'
        "def made_up(context, params: Params) -> Debiased:\n"
        "    model = context.vanilla()\n"
        "    model.head.weight.data.mul_(0.5)\n"
        "    return Debiased(model)\n"
    )
    monkeypatch.setattr(debias, "__path__", [*debias.__path__, str(tmp_path)])
    monkeypatch.setattr(METHODS, "_scanned", False)
    monkeypatch.setattr(METHODS, "_components", dict(METHODS._components))
    assert "made_up" in METHODS.names()
    _check_network(run("made_up", context).model, context)
    monkeypatch.delitem(sys.modules, "rightreasons.debias.made_up")


def test_random_perturbation_keeps_vanilla_where_nothing_is_fairer(
    vanilla: Classifier, context: Context
) -> None:
    alone = run("savani_rp", context, copies=1)
    assert_same_weights(alone.model, vanilla)
    assert alone.decision == run("thropt", context).decision
    many = run("savani_rp", context, copies=8, tolerance=0.5)
    assert many.notes["equalized_odds"] <= alone.notes["equalized_odds"]
    same = run("savani_rp", context, copies=3, scale=0.0)
    assert same.notes["copy"] == 0


def test_documented_parameters_are_the_methods() -> None:
    """docs/methods.md has a section per method, whose table lists every parameter and default."""
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(METHODS.names())
    for name, section in sections.items():
        documented = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE))
        fields = METHODS[name].params.model_fields
        assert documented == {key: str(field.default) for key, field in fields.items()}, name
