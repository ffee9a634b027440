"""The probes' page: docs/probes.md."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from rightreasons.probes import in_order
from rightreasons.study.sections import ProbeConfig

PAGE = (Path(__file__).parents[2] / "docs" / "probes.md").read_text(encoding="utf-8")


def test_documented_parameters_are_the_probes() -> None:
    """Every probe has a section with formula, source, and a table of all its parameters."""
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert list(sections) == [one.name for one in in_order()]
    for one in in_order():
        section = sections[one.name]
        found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", section, re.MULTILINE)
        assert {key: (default, meaning) for key, default, meaning in found} == {
            key: (str(field.default), field.description)
            for key, field in one.params.model_fields.items()
        }, one.name
        assert one.title in section, one.name
        assert one.paper in section, one.name
        assert f"$${one.traits['formula']}$$" in section, one.name


def test_the_overview_says_what_the_traits_say() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (
            one.name,
            *(one.traits[trait] for trait in ("family", "better", "sign")),
            ", ".join(one.traits["needs"]) or "nothing",
        )
        for one in in_order()
    ]


def test_the_printed_section_is_one() -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert ProbeConfig.model_validate(yaml.safe_load(text)["probe"]).images == 24
