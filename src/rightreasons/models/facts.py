"""What is known of architectures by name alone, without torch: which there are, and their images.

Names of the suite's own and of torchvision's classifiers; `timm:NAME` and `hf:FOLDER` for those of
other libraries; `torchscript` and `torch_export` for programs, which bring their network along.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from rightreasons.core.errors import UserError
from rightreasons.core.registry import suggestion
from rightreasons.models.weight_files import EXPORT, TORCHSCRIPT

#: Kinds of architecture whose layers are not known here: a program takes images and gives outputs.
PROGRAMS = (TORCHSCRIPT, EXPORT)
TIMM, HF = "timm:", "hf:"
GRID = "_grid"
SMALL = ("small_cnn", "small_vit", "small_convnext")
OWN = (*SMALL, "efficientnet_lite0", "squeezenet1_0_grid", "squeezenet1_1_grid")
#: What torchvision calls the weights that a config can name.
IMAGENET = {
    "imagenet": "DEFAULT",
    "imagenet_v1": "IMAGENET1K_V1",
    "imagenet_v2": "IMAGENET1K_V2",
}


@dataclass(frozen=True)
class Family:
    """Architectures that are alike.

    Attributes
    ----------
    name
        Of the family, by which explainers take or refuse networks (traits `refuses`, `only`).
    members
        Their names.
    least
        Side of the smallest image that they take.
    only
        The one side that they take, where there is only one.
    patch
        Side of the patches that they cut images into, where they have a position embedding for
        each: such networks can be built for other sizes.
    """

    name: str
    members: tuple[str, ...]
    least: int = 8
    only: int | None = None
    patch: int | None = None


def _family(name: str, members: str, least: int = 8) -> Family:
    return Family(name, tuple(name + m.strip("-") for m in members.split()), least)


FAMILIES = (
    Family("small_cnn", ("small_cnn",)),
    Family("efficientnet_lite", ("efficientnet_lite0",)),
    Family("alexnet", ("alexnet",), 63),
    Family("convnext", ("small_convnext",)),
    _family("convnext", "_base _large _small _tiny", 32),
    _family("densenet", "121 161 169 201", 29),
    _family("efficientnet", "_b0 _b1 _b2 _b3 _b4 _b5 _b6 _b7 _v2_l _v2_m _v2_s"),
    Family("googlenet", ("googlenet",), 15),
    Family("inception", ("inception_v3",), 75),
    Family("maxvit", ("maxvit_t",), 224, 224),
    _family("mnasnet", "0_5 0_75 1_0 1_3"),
    Family("mobilenet_v2", ("mobilenet_v2",)),
    _family("mobilenet_v3", "_large _small"),
    _family("regnet_x", "_16gf _1_6gf _32gf _3_2gf _400mf _800mf _8gf"),
    _family("regnet_y", "_128gf _16gf _1_6gf _32gf _3_2gf _400mf _800mf _8gf"),
    _family("resnet", "101 152 18 34 50"),
    _family("resnext", "101_32x8d 101_64x4d 50_32x4d"),
    _family("shufflenet_v2", "_x0_5 _x1_0 _x1_5 _x2_0"),
    Family("squeezenet", ("squeezenet1_0", "squeezenet1_0_grid"), 21),
    Family("squeezenet", ("squeezenet1_1", "squeezenet1_1_grid"), 17),
    _family("swin", "_b _s _t _v2_b _v2_s _v2_t"),
    _family("vgg", "11 11_bn 13 13_bn 16 16_bn 19 19_bn", 32),
    Family("vit", ("small_vit",), 64, 64, patch=8),
    Family("vit", ("vit_h_14",), 224, 224, patch=14),
    Family("vit", ("vit_b_16", "vit_l_16"), 224, 224, patch=16),
    Family("vit", ("vit_b_32", "vit_l_32"), 224, 224, patch=32),
    _family("wide_resnet", "101_2 50_2"),
)
_BY_NAME = {member: family for family in FAMILIES for member in family.members}
NAMES = tuple(_BY_NAME)


def is_program(architecture: str) -> bool:
    """Return whether an architecture is a program, of which nothing but outputs is seen."""
    return architecture in PROGRAMS


def is_outside(architecture: str) -> bool:
    """Return whether an architecture is none of those that the suite knows by name."""
    return is_program(architecture) or architecture.startswith((TIMM, HF))


def family_of(architecture: str) -> Family | None:
    """Return the family of an architecture that the suite knows by name, None for others."""
    return _BY_NAME.get(architecture)


def members_of(families: Collection[str]) -> list[str]:
    """Return the names of the architectures of some families."""
    return [name for name, family in _BY_NAME.items() if family.name in families]


def check_name(architecture: str) -> None:
    """Raise UserError for an architecture that there is not, with the likely one.

    Only for a name that is unknown here torchvision is asked, which is slow to import.
    """
    if architecture in _BY_NAME or is_program(architecture):
        return
    if architecture.startswith((TIMM, HF)):
        if architecture.partition(":")[2].strip():
            return
    elif architecture in _of_torchvision():
        return
    likely = {_plain(name): name for name in (*NAMES, *PROGRAMS)}
    same = likely.get(_plain(architecture))
    hint = f" (did you mean {same!r}?)." if same else suggestion(architecture, likely.values())
    raise UserError(
        f"model.architecture: unknown architecture {architecture!r}{hint} Allowed: "
        f"{', '.join(SMALL)}, efficientnet_lite0, torchvision's classification models "
        "(resnet18, resnet50, squeezenet1_0, ...), timm:NAME, hf:FOLDER, torchscript and "
        "torch_export."
    )


def check_weights_name(weights: str) -> None:
    """Raise UserError for weights that are called as elsewhere: None, DEFAULT, IMAGENET1K_V1."""
    elsewhere = {
        "default": "imagenet",
        "pretrained": "imagenet",
        "imagenet1k": "imagenet",
        **{there.lower(): here for here, there in IMAGENET.items()},
    }
    plain = weights.rpartition(".")[2].strip().lower()
    meant = "none" if plain in ("none", "null", "") else elsewhere.get(plain, plain)
    if weights not in ("none", *IMAGENET) and meant in ("none", *IMAGENET):
        raise UserError(
            f"model.weights: {weights!r} is called {meant!r} here. Allowed: none, "
            f"{', '.join(IMAGENET)}, or the path of a file."
        )


#: Architectures that torchvision has IMAGENET1K_V2 weights of, and those without V1.
SECOND = frozenset(
    (
        *("efficientnet_b1", "mobilenet_v2", "mobilenet_v3_large", "resnet50", "resnet101"),
        *("resnet152", "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2"),
        "wide_resnet101_2",
        *(m for f in FAMILIES if f.name.startswith("regnet") for m in f.members),
    )
) - {"regnet_y_128gf"}
NOT_FIRST = frozenset(("regnet_y_128gf", "vit_h_14"))


def named_weights(architecture: str) -> list[str]:
    """Return the names of the ImageNet weights that there are of an architecture."""
    name = architecture.removesuffix(GRID)
    if name in SMALL or is_outside(name):
        return []
    there = {
        "imagenet": True,
        "imagenet_v1": name not in (*NOT_FIRST, "efficientnet_lite0"),
        "imagenet_v2": name in SECOND,
    }
    return [weights for weights, known in there.items() if known]


def check_weights_of(architecture: str, weights: str) -> None:
    """Raise UserError for named ImageNet weights that there are not of an architecture."""
    if weights in IMAGENET and weights not in named_weights(architecture):
        raise UserError(
            f"model.weights: there are no weights {weights!r} of {architecture}. Allowed: "
            f"{', '.join(('none', *named_weights(architecture)))}, or the path of a file."
        )


#: Sides that networks with named weights are built for, where it is not their family's.
LARGER = {("vit_h_14", "imagenet"): 518}
#: Networks that torchvision hands images on another scale with its own weights.
TRANSFORMED = ("googlenet", "inception_v3")


def built_for(architecture: str, weights: str, image_size: int | None) -> int | None:
    """Return the side of images that a network is built for, None for what is usual of it."""
    return image_size or LARGER.get((architecture, weights))


def check_multiple(architecture: str, image_size: int, patch: int) -> None:
    """Raise UserError for a size of images that patches do not fill."""
    if image_size % patch:
        below = image_size // patch * patch
        near = f"{below} or {below + patch}" if below else str(patch)
        raise UserError(
            f"model.image_size = {image_size}: {architecture} cuts images into patches of {patch} "
            f"pixels. Allowed: multiples of {patch}, such as {near}."
        )


def check_image_size(architecture: str, image_size: int | None) -> None:
    """Raise UserError for a size that an architecture cannot be built for.

    Of timm's networks timm says it when a run starts.
    """
    if image_size is None or architecture.startswith(TIMM):
        return
    family = family_of(architecture)
    if family is not None and family.patch is not None:
        check_multiple(architecture, image_size, family.patch)
        return
    why = "its own files say how it is built" if is_outside(architecture) else "it has none"
    raise UserError(
        f"model.image_size = {image_size}: networks with a position embedding for each patch "
        f"(ViTs) are built for a size of images, and not {architecture}: {why}. Leave it out; "
        f"`model.input: {{size: {image_size}}}` resizes images on their way into the network."
    )


def check_size(
    architecture: str,
    size: int,
    where: str,
    weights: str = "none",
    image_size: int | None = None,
) -> None:
    """Raise UserError for images that an architecture cannot take.

    Parameters
    ----------
    architecture
        Its name.
    size
        Side of its images in pixels.
    where
        What says so, for the message.
    weights
        What the config calls its weights.
    image_size
        The side that it is built for, where the config says one.
    """
    check_image_size(architecture, image_size)
    family = family_of(architecture)
    if family is None:
        return
    only = built_for(architecture, weights, image_size) or family.only
    if size == only or (only is None and size >= family.least):
        return
    needs = f"of {only} pixels" if only else f"from {family.least} pixels up"
    resized = (
        f"`model.input: {{size: {only or family.least}}}`, by which images are resized on their "
        "way into the network"
    )
    if family.patch is None:
        advice = f"Choose another size, another architecture, or {resized}."
    elif size % family.patch == 0:
        advice = (
            f"Set `model.image_size: {size}`, by which its position embeddings are interpolated "
            f"and images stay as they are, or {resized}."
        )
    else:
        advice = (
            f"Set {resized}. `model.image_size` builds it for another size, a multiple of "
            f"{family.patch}."
        )
    raise UserError(f"{where} = {size}: {architecture} takes images {needs}. {advice}")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _of_torchvision() -> list[str]:
    try:
        from torchvision import models
    except ImportError:
        return []
    return list(models.list_models(module=models))
