"""The suite's own methods: their page, their parts, and that a method is one file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import rightreasons.debias as debias
from rightreasons.debias import METHODS
from rightreasons.debias._decision import DecisionParams


def test_documented_parameters_are_the_methods() -> None:
    """docs/methods.md has a section per method, whose table lists every parameter and default."""
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(METHODS.names())
    for name, section in sections.items():
        documented = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, re.MULTILINE))
        fields = METHODS[name].params.model_fields
        assert documented == {key: str(field.default) for key, field in fields.items()}, name


def test_one_method_is_the_original_and_one_the_training_on_balanced_data() -> None:
    assert [m.name for m in METHODS if m.traits["changes"] == "nothing"] == ["vanilla"]
    assert [m.name for m in METHODS if m.traits["baseline"]] == ["balanced"]
    assert [m.name for m in METHODS if m.traits["reference"]] == ["finetune", "vanilla"]
    assert METHODS["vanilla"].traits["uses_protected"] == ()
    assert METHODS["finetune"].traits["uses_protected"] == ()


def test_methods_that_change_weights_have_the_same_choice_of_threshold() -> None:
    for method in METHODS:
        if method.traits["changes"] == "weights":
            assert issubclass(method.params, DecisionParams), method.name
            assert method.params.model_fields["threshold"].default == "half", method.name
            assert method.params.model_fields["tolerance"].default == 0.02, method.name


def test_a_method_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up.py").write_text(
        "from rightreasons.debias import METHODS, Debiased\n"
        "from rightreasons.core.registry import Params\n\n\n"
        '@METHODS.register("made_up", title="Made up", paper="none", changes="decision")\n'
        "def made_up(context, params: Params) -> Debiased:\n"
        "    return Debiased()\n"
    )
    monkeypatch.setattr(debias, "__path__", [*debias.__path__, str(tmp_path)])
    for scanned in ("_scanned", "_package_scanned"):
        monkeypatch.setattr(METHODS, scanned, False)
    monkeypatch.setattr(METHODS, "_components", dict(METHODS._components))
    assert "made_up" in METHODS.names()
    assert METHODS["made_up"].traits["random"] is True
    monkeypatch.delitem(sys.modules, "rightreasons.debias.made_up")
