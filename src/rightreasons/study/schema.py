"""The config's JSON schema, for editors: the study's models with every component's parameters.

python -m rightreasons.study.schema [--components my_method.py ...] > my.schema.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rightreasons.core.components import load_components
from rightreasons.core.errors import UserError
from rightreasons.core.registry import Registry
from rightreasons.study.load import registries, scanned
from rightreasons.study.sections import StudyConfig

#: Where the schema has a mapping of components, for those that are no section of the config.
PLACES = {
    "explainers": ("$defs", "ExplainConfig", "properties", "sets", "additionalProperties"),
    "probes": ("$defs", "ProbeConfig", "properties", "probes"),
    "metrics": ("$defs", "MeasureConfig", "properties", "metrics"),
    "figures": ("$defs", "ReportConfig", "properties", "figures"),
}


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a study's config.

    It has the parameters of every component that is registered, the user's too once they are
    loaded.
    """
    base = StudyConfig.model_json_schema()
    for section, registry in registries().items():
        place = base
        for step in PLACES.get(section, ("properties", section)):
            place = place[step]
        place["additionalProperties"] = _components(registry, base)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the schema, with components of the user's if any are named.

    Parameters
    ----------
    arguments
        The command line, by default the process'.

    Returns
    -------
    int
        The exit code: 1 where components cannot be loaded.
    """
    parser = argparse.ArgumentParser(
        prog="rightreasons schema", description="Print the JSON schema of a study's config."
    )
    parser.add_argument(
        "--components",
        nargs="+",
        default=[],
        metavar="NAME",
        help="files, folders (mine/) and modules with components of your own",
    )
    chosen = parser.parse_args(arguments)
    try:
        scanned()
        load_components(chosen.components)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(schema(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
