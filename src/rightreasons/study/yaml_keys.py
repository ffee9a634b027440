"""Keys that a YAML file names twice: its readers keep the last and say nothing."""

from __future__ import annotations

from pathlib import Path

import yaml

from rightreasons.core.errors import UserError, reason


def check_keys(path: Path) -> None:
    """Refuse a file that names a key twice in one mapping.

    Raises
    ------
    UserError
        For such a file, with both lines, and for one that is no YAML.
    """
    try:
        top = yaml.compose(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is no YAML: {reason(error)}") from error
    seen: set[int] = set()  # an alias stands for the same node again
    waiting = [("", top)]
    while waiting:
        where, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_mapping(path, where, node)
            waiting += [(f"{where}{key.value}.", value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(f"{where}{i}.", value) for i, value in enumerate(node.value)]


def _check_mapping(path: Path, where: str, node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        name, line = (key.tag, str(key.value)), key.start_mark.line + 1
        if name in lines:
            raise UserError(
                f"{path}: the key {where}{key.value} is named twice, in the lines {lines[name]} "
                f"and {line}. Only the second would count: keep one, or rename one."
            )
        lines[name] = line
