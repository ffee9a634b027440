"""The explainers' page: docs/explainers.md."""

from __future__ import annotations

import re
from pathlib import Path

from rightreasons.saliency import EXPLAINERS


def test_documented_parameters_are_the_explainers() -> None:
    """docs/explainers.md has a section per explainer with a table of all its parameters."""
    text = (Path(__file__).parents[2] / "docs" / "explainers.md").read_text()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == EXPLAINERS.names()
    for name, section in sections.items():
        found = re.findall(r"^\| `(\w+)` \| (\S+) \| (.*) \|$", section, re.MULTILINE)
        fields = EXPLAINERS[name].params.model_fields
        assert {key: (default, meaning) for key, default, meaning in found} == {
            key: (str(field.default), field.description) for key, field in fields.items()
        }, name
        assert EXPLAINERS[name].paper in section, name
