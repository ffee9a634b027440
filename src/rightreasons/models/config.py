"""What a config says of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.sections import Section
from rightreasons.core.user_paths import expanded
from rightreasons.models.facts import HF, IMAGENET


class InputConfig(Section):
    """What a network takes in place of the pool's images on ImageNet's scale."""

    size: int | None = Field(
        None,
        ge=8,
        description="side of its images in pixels: the pool's are resized on their way in "
        "(bilinear, never cropped); none: as large as in the pool",
    )
    mean: Annotated[list[float], Field(min_length=3, max_length=3)] | None = Field(
        None,
        description="subtracted from red, green and blue; none: what a hf: or timm: model says; of "
        "others ImageNet's for values from 0 to 1, else 0",
    )
    std: (
        Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)] | None
    ) = Field(
        None,
        description="what is divided by; none: what a hf: or timm: model says; of others "
        "ImageNet's for values from 0 to 1, else 1",
    )
    range: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [0.0, 1.0],
        description="values of black and white before mean and std: [0, 1], [0, 255], [-1, 1]",
    )

    @model_validator(mode="after")
    def _black_below_white(self) -> InputConfig:
        if not self.range[0] < self.range[1]:
            raise ValueError("range: black must be below white, such as [0, 1]")
        return self


def _expanded(name: str) -> str:
    """Return a name with the path in it filled in, as `core.user_paths` does; `hf:~/x` too."""
    prefix, colon, path = name.partition(":~")
    try:
        return expanded(f"{prefix}:{expanded(f'~{path}')}" if colon else name)
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from None


Outputs = int | str | list[int | str]
Place = Annotated[str, AfterValidator(_expanded)]


class ModelConfig(Section):
    """Which network is trained, or was trained elsewhere."""

    architecture: Place = Field(
        "resnet50",
        description="small_cnn, small_vit, small_convnext, efficientnet_lite0, squeezenet1_0_grid, "
        "squeezenet1_1_grid, a "
        "torchvision classification model, timm:NAME, hf:FOLDER (a Hugging Face image classifier "
        "in a local folder), or a program that is not trained: torchscript, torch_export",
    )
    weights: Place = Field(
        "none",
        description="none, imagenet, imagenet_v1, imagenet_v2, or the path of a file with weights "
        "of the architecture (a state dict of whatever wrapping, .pth, .ckpt, .safetensors), or of "
        "the program; `none` of hf:FOLDER with `train: false` means the folder's own",
    )
    train: bool = Field(
        True,
        description="false: the network was trained elsewhere, and is judged as it is, head and "
        "all (docs/foreign_models.md)",
    )
    state: str | None = Field(
        None, description="which of several sets of weights in the file, as an error names them"
    )
    positive: Outputs = Field(
        1,
        description="of a network that is not trained: the output (counted from 0, or a Hugging "
        "Face label), or a group of them, that says target 1",
    )
    negative: Outputs | None = Field(
        None, description="the outputs that say target 0; none: all others"
    )
    classes: list[int | str] | None = Field(
        None,
        min_length=3,
        description="of a network that is not trained and a target with more than two classes: the "
        "output (counted from 0, or a Hugging Face label) of each class, in the order of the "
        "target's values; `positive` and `negative` are for two classes",
    )
    activation: Literal["auto", "softmax", "sigmoid"] = Field(
        "auto",
        description="what turns outputs into probabilities: softmax over all, or sigmoid of each "
        "by itself; auto: sigmoid for one output, else softmax",
    )
    image_size: int | None = Field(
        None,
        ge=8,
        description="side in pixels of the images that a network with position embeddings (ViT) is "
        "built for: they are interpolated, and images stay as they are, other than with "
        "`input: size`, which resizes images; none: the architecture's own",
    )
    input: InputConfig | None = Field(
        None,
        description="what the network takes: size and scale. Needed with `train: false`; hf: and "
        "timm: models say it themselves",
    )

    def starting(self) -> dict[str, Any]:
        """Return what `models.architectures.build_classifier` is told of a network to train."""
        return {
            "architecture": self.architecture,
            "weights": self.weights,
            "state": self.state,
            "input": None if self.input is None else self.input.model_dump(),
            "image_size": self.image_size,
        }

    def path(self) -> Path | None:
        """Return the file of the weights, None where they have a name."""
        if self.weights == "none" and not self.train and self.architecture.startswith(HF):
            folder = Path(self.architecture.removeprefix(HF))
            names = ("model.safetensors", "pytorch_model.bin")
            there = [folder / name for name in names if (folder / name).is_file()]
            return there[0] if there else folder / names[0]
        if self.weights in ("none", *IMAGENET):
            return None
        return Path(self.weights)


def check_classes(asked: int, told: int, where: str = "") -> None:
    """Raise UserError where a network does not tell as many classes apart as its target has.

    Parameters
    ----------
    asked, told
        How many classes the target has, and how many the network gives logits of.
    where
        What the message begins with.
    """
    if asked != told:
        outputs = ", ".join(map(str, range(asked)))
        raise UserError(
            f"{where}the target has {asked} classes, and the network tells {told} apart. Of more "
            "than two classes say which output each has, in the order of the target's values: "
            f"model: {{classes: [{outputs}]}}."
        )
