"""The config's JSON schema, for editors: the study's models with every component's parameters."""

from __future__ import annotations

import json
from typing import Any

from rightreasons.core.registry import Registry
from rightreasons.study.load import registries
from rightreasons.study.sections import StudyConfig


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a study's config."""
    base = StudyConfig.model_json_schema()
    kinds = registries()
    for section in ("datasets", "designs", "methods"):
        base["properties"][section]["additionalProperties"] = _components(kinds[section], base)
    explain = base["$defs"]["ExplainConfig"]["properties"]["sets"]
    explain["additionalProperties"] = {
        "type": "object",
        "additionalProperties": _components(kinds["explainers"], base),
    }
    measure = base["$defs"]["MeasureConfig"]["properties"]["metrics"]
    measure["additionalProperties"] = _components(kinds["metrics"], base)
    report = base["$defs"]["ReportConfig"]["properties"]["figures"]
    report["additionalProperties"] = _components(kinds["figures"], base)
    return base


def _components(registry: Registry, base: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one component's parameters: any of the registered ones."""
    options = []
    for component in registry:
        own = component.params.model_json_schema(ref_template="#/$defs/{model}")
        base["$defs"].update(own.pop("$defs", {}))
        own["title"] = f"{registry.noun} {component.name}"
        own["properties"] = {
            "kind": {"const": component.name, "description": component.title},
            **own.get("properties", {}),
        }
        options.append(own)
    return {"anyOf": options}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
