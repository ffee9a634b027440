"""The metrics' page, docs/metrics.md, and their parameters in a config."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rightreasons.core.errors import UserError
from rightreasons.metrics import METRICS
from rightreasons.metrics.compute import resolve


def test_the_documentation_says_what_the_code_says():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^- \*\*`(\w+)`\*\* (.*?)(?=^- \*\*`|^## |\Z)", page, re.M | re.S))
    assert {"rrf", "rddt", "equalized_odds", "ece", "twin_effect"} <= set(entries)
    for name, entry in entries.items():
        metric, text = METRICS[name], " ".join(entry.split())
        assert text.startswith(f"{metric.title}:")
        assert f"${metric.traits['formula']}$" in text
        assert f"Source: {metric.paper}." in text
        for key, field in metric.params.model_fields.items():
            assert f"`{key}` = {field.default}" in text


def test_parameters_are_checked():
    assert resolve({"ece": {"bins": 5}})["ece"].bins == 5
    assert set(resolve()) == set(METRICS.names())
    with pytest.raises(UserError, match="did you mean 'rrf'"):
        resolve({"rrff": {}})
    with pytest.raises(UserError, match=r"'epsilon'.*eps"):
        resolve({"hrf": {"epsilon": 0.1}})
    with pytest.raises(UserError, match="'alpha'"):
        resolve({"det": {"alpha": 2}})
