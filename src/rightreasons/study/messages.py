"""What is wrong in a config, in words: from pydantic's errors to a line per mistake."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from rightreasons.core.registry import suggestion

SHOWN = 120  # letters of a wrong value
MAPPING = "must be keys with values, `{}` for the defaults"
MESSAGES = {
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "invalid_key": "a key must be text: put it in quotes",
}


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """Return one readable line per mistake in the config.

    Parameters
    ----------
    error
        What pydantic found.
    model
        The class that was to be made, whose keys are the allowed ones.
    prefix
        The place of the section in the config.
    """
    return "config: " + "; ".join(_line(item, model, prefix) for item in error.errors()) + "."


def _line(item: Any, model: type[BaseModel], prefix: str) -> str:
    steps = [str(step) for step in item["loc"]]
    is_key = steps[-1:] == ["[key]"]
    if is_key:
        steps = steps[:-2]
    where = ".".join([prefix, *steps] if prefix else steps)
    if item["type"] == "extra_forbidden":
        allowed = _keys_at(model, item["loc"][:-1])
        hint = suggestion(steps[-1], allowed)
        return f"unknown key {where}{hint} Allowed: {', '.join(allowed) or 'none'}"
    if item["type"] == "missing":
        return f"{where} is missing"
    message = MESSAGES.get(item["type"], item["msg"].removeprefix("Value error, "))
    if is_key and item["type"] == "string_type":
        message = f"the name {quoted(item['input'])} must be text: put it in quotes"
    if not where:
        return message
    return f"{where}: {message}" if is_key else f"{where} = {quoted(item['input'])}: {message}"


def quoted(value: Any) -> str:
    """Return a value of the config as it is written, or its beginning."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        text = "a huge number"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _keys_at(model: type[BaseModel], steps: tuple[Any, ...]) -> list[str]:
    """Return the keys that are allowed at a place of the config."""
    current: Any = model
    for step in steps:
        fields = getattr(current, "model_fields", {})
        if step in fields:
            current = _section_of(fields[step].annotation)
    return sorted(getattr(current, "model_fields", {}))


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if found := _section_of(part):
            return found
    return None
