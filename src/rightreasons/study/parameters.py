"""A component's full parameters, from its keys in a config."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from rightreasons.core.errors import UserError
from rightreasons.core.registry import Registry, suggestion
from rightreasons.study.messages import explain, quoted


def component_params(
    registry: Registry, where: str, name: str, chosen: dict[str, Any]
) -> dict[str, Any]:
    """Return a component's full parameters, with its `kind`.

    Parameters
    ----------
    registry
        Where its kind is looked for.
    where
        Its place in the config, for errors.
    name
        What the study calls it: its kind, where `chosen` names none.
    chosen
        Its keys in the config; None is as good as none.

    Raises
    ------
    UserError
        For an unknown kind, an unknown parameter or a value that is not allowed.
    """
    chosen = dict(chosen or {})
    kind = chosen.pop("kind", name)
    if kind not in registry:
        hint = suggestion(kind, registry.names()) if isinstance(kind, str) else "."
        raise UserError(
            f"{where}: unknown {registry.noun} {quoted(kind)}{hint} "
            f"Allowed: {', '.join(registry.names())}."
        )
    params = registry[kind].params
    try:
        return {"kind": kind, **params(**chosen).model_dump(mode="json")}
    except ValidationError as error:
        raise UserError(explain(error, params, where)) from None
