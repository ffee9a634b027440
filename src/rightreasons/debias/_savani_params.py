"""Parameters of SavaniAFT."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.debias._tuning import TuningParams


class SavaniAftParams(TuningParams):
    """Budget, critic and penalty."""

    batch_size: int = Field(32, ge=8, description="images per step, a quarter from each cell")
    criterion: Literal["equalized_odds", "equal_opportunity", "statistical_parity"] = Field(
        "equalized_odds", description="bias that the critic predicts"
    )
    critic_input: Literal["logits", "features"] = Field(
        "logits", description="what the critic sees: logits, or logits and penultimate features"
    )
    rounds: int = Field(10, ge=1, description="rounds of critic steps, then model steps")
    critic_ratio: float = Field(
        0.75, ge=0, description="steps of the critic per step of the model, in every round"
    )
    critic_learning_rate: float = Field(1e-3, gt=0, description="learning rate of the critic")
    critic_warmup: int = Field(
        500, ge=0, description="steps of the critic on vanilla's outputs before the first round"
    )
    critic_warmup_learning_rate: float = Field(
        1e-3, gt=0, description="learning rate of these steps"
    )
    strength: float = Field(
        20.0, ge=0, description="weight lambda of the predicted bias; 0: no critic"
    )
    epsilon: float = Field(0.05, ge=0, le=1, description="bias that is tolerated")
    delta: float = Field(0.01, ge=0, le=1, description="margin below the tolerated bias")


#: published: the authors' settings for CelebA, 10 x (302 critic's + 402 model's steps).
PRESETS = {
    "published": {
        "threshold": "equalized_odds",
        "steps": 4020,
        "batch_size": 32,
        "learning_rate": 1e-4,
        "critic_input": "features",
        "critic_learning_rate": 1e-4,
        "critic_warmup": 0,
        "strength": 20.0,
        "epsilon": 0.05,
    },
    "detoxai": {
        "threshold": "equalized_odds",
        "steps": 50,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "critic_ratio": 1.0,
        "critic_learning_rate": 1e-4,
        "strength": 1.0,
        "epsilon": 0.1,
    },
}
