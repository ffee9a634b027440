"""What a config says of a task: what is predicted, what must not matter, and where that is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from rightreasons.core.sections import Section
from rightreasons.data.groups import joined
from rightreasons.study.section_names import Fraction

EXPRESSIONS = ("target", "protected")  # keys of a task


class MaskRoi(Section):
    """A region of interest from the dataset's own pixel masks."""

    mask: str = Field(description="name of the dataset's mask, one region per image")


class BoxesRoi(Section):
    """A region of interest from boxes that the dataset declares: the mask of their name."""

    boxes: str = Field(description="name of the dataset's boxes, one region per image")


Rectangle = Annotated[list[Fraction], Field(min_length=4, max_length=4)]


class TopAttribution(Section):
    """Where a patch classifier finds an attribute."""

    attribute: str = Field(description="attribute that the patch classifier is trained on")
    quantile: float = Field(
        0.9, gt=0, lt=1, description="quantile of the mean map above which the region lies"
    )


class AttributionRoi(Section):
    """A region of interest that nobody drew: the top of a mean attribution map."""

    attribution: TopAttribution = Field(description="whose attribution, and how much of it")


class ArtifactRoi(Section):
    """A region of interest where an artifact lies, or would lie: exact, image by image."""

    artifact: str = Field(description="name of an artifact of this study")


def has_area(given: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return a checked region, or say all that is allowed rather than why each kind fails."""
    try:
        roi = check(given)
    except ValidationError:
        roi = [0, 0, 0, 0]
    if isinstance(roi, BoxesRoi):
        return MaskRoi(mask=roi.boxes)
    if isinstance(roi, list) and not (roi[0] < roi[2] and roi[1] < roi[3]):
        raise ValueError(
            "allowed are a rectangle [x0, y0, x1, y1] in fractions of the image, "
            "0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, {mask: NAME}, {boxes: NAME}, and for a task "
            "{artifact: NAME} and {attribution: {attribute: NAME, quantile: 0 to 1}}"
        )
    return roi


KnownRoi = Rectangle | MaskRoi | BoxesRoi


class WatchedConfig(Section):
    """A second attribute whose reliance is measured as well: a shortcut that nobody treats."""

    attribute: str = Field(
        description="another artifact's name, or an attribute that the dataset has twins of"
    )
    level: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="of an artifact: share of images with target 1 that carry it minus that of "
        "target 0, in train and debias; in select and test half of each cell carries it",
    )


def _intersection(given: Any) -> Any:
    """Return a list of attributes as one text: its parts, separated by commas."""
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return joined(given)
    return given


def _or_several(schema: dict[str, Any]) -> None:
    """Say in a key's schema that it may be a list, too."""
    several = {"items": {"type": "string"}, "minItems": 1, "type": "array"}
    schema["anyOf"] = [{"type": schema.pop("type")}, several]


class TaskConfig(Section):
    """What is predicted, what must not matter, and where that sits in the image."""

    dataset: str = Field(description="name of a dataset of this study")
    target: str = Field(description="attribute to predict, or an expression: gender == Male")
    protected: Annotated[str, BeforeValidator(_intersection)] = Field(
        description="protected attribute, an expression (race in [Black]), or an artifact's name; "
        "an attribute with any number of values has as many groups (race), and a list of several "
        "an intersection ([race, gender])",
        json_schema_extra=_or_several,
    )
    roi: Annotated[
        Rectangle | MaskRoi | BoxesRoi | AttributionRoi | ArtifactRoi, WrapValidator(has_area)
    ] = Field(
        description="region of the protected attribute: x0, y0, x1, y1 as fractions, a mask, "
        "the top quantile of an attribution map, or where an artifact lies"
    )
    watched: WatchedConfig | None = Field(
        None,
        description="a second attribute whose reliance is measured as well, to see whether a "
        "method that mitigates one shortcut raises the other",
    )
    designs: list[str] | None = Field(
        None, min_length=1, description="designs of this task; none: all of the study"
    )
    methods: list[str] | None = Field(
        None, min_length=1, description="methods of this task beside vanilla; none: all"
    )
    sets: list[str] | None = Field(
        None, min_length=1, description="sets of explainers of this task; none: all"
    )
    model: dict[str, Any] = Field(
        default_factory=dict, description="keys of `model` that differ for this task"
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="keys of `training` that differ for this task"
    )
