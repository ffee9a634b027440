"""Parameters of SavaniAFT."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rightreasons.debias._decision import DecisionParams


class SavaniAftParams(DecisionParams):
    """Budget, critic and penalty."""

    criterion: Literal["equalized_odds", "equal_opportunity", "statistical_parity"] = Field(
        "equalized_odds", description="bias that the critic predicts"
    )
    critic_input: Literal["logits", "features"] = Field(
        "logits", description="what the critic sees: logits, or logits and penultimate features"
    )
    rounds: int = Field(10, ge=1, description="rounds of critic steps, then model steps")
    critic_steps: int = Field(5, ge=1, description="steps of the critic per round")
    model_steps: int = Field(5, ge=1, description="steps of the model per round")
    batch_size: int = Field(64, ge=8, description="images per step, a quarter from each cell")
    learning_rate: float = Field(1e-4, gt=0, description="learning rate of the model")
    critic_learning_rate: float = Field(1e-4, gt=0, description="learning rate of the critic")
    critic_warmup: int = Field(
        500, ge=0, description="steps of the critic on vanilla's outputs before the first round"
    )
    critic_warmup_learning_rate: float = Field(
        1e-3, gt=0, description="learning rate of these steps"
    )
    strength: float = Field(1.0, ge=0, description="weight lambda of the predicted bias")
    epsilon: float = Field(0.1, ge=0, le=1, description="bias that is tolerated")
    delta: float = Field(0.01, ge=0, le=1, description="margin below the tolerated bias")
    threshold: Literal["half", "equalized_odds"] = Field(
        "equalized_odds", description="threshold 0.5, or thropt's choice on the debias split"
    )
