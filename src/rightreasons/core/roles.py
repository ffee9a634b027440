"""Which part the methods and explainers of a study play, by their traits."""

from __future__ import annotations

from pydantic import Field

from rightreasons.core.sections import Section


class Roles(Section):
    """What tables and figures know of a study's methods and explainers beside their names.

    Attributes
    ----------
    original
        The method that changes nothing: all others start from its network.
    references
        The methods that others are compared with, the original first.
    methods, explainers
        The kind of each, by name, in the study's order.
    matched
        Of each matched control the method that it is the control of.
    chance
        The methods that decide without a look at the image: what their decisions do says nothing of
        the maps that they have from the original.
    noise
        The explainers that are nothing but chance.
    controls
        The explainers that see neither network nor class, noise among them.
    """

    original: str
    references: tuple[str, ...]
    methods: dict[str, str]
    matched: dict[str, str] = Field(default_factory=dict)
    chance: tuple[str, ...] = ()
    explainers: dict[str, str]
    noise: tuple[str, ...]
    controls: tuple[str, ...]
