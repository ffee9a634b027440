"""What a config says of the training of a network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rightreasons.core.sections import Section


class TrainingConfig(Section):
    """How a network is trained. Defaults are the saliency paper's."""

    epochs: int = Field(1, ge=1, description="passes over the train split")
    batch_size: int = Field(128, ge=2, description="images per step")
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimizer")
    learning_rate: float = Field(3e-4, gt=0, description="initial learning rate")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of the optimizer")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd; others have none")
    nesterov: bool = Field(False, description="Nesterov's momentum, for sgd")
    schedule: Literal["constant", "cosine", "exponential", "step"] = Field(
        "constant", description="how the learning rate falls"
    )
    decay: float = Field(0.95, gt=0, le=1, description="factor of exponential and step schedules")
    step_epochs: int = Field(40, ge=1, description="epochs between two steps of a step schedule")
    augment: Literal["none", "flip"] = Field("none", description="training augmentation")
    freeze: Literal["none", "trunk", "convolutions"] = Field(
        "none",
        description="what stays as the weights have it, in training and methods: trunk (a linear "
        "probe: the head alone is trained), or all convolutions and batch norms",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="label smoothing")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> TrainingConfig:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: true needs a momentum above 0")
        return self
