"""Attention rollout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier

BLIND = "It looks at the attention weights alone, and at neither the class nor what is behind them."


class AttentionRolloutParams(Params):
    """Parameters of attention rollout."""

    heads: Literal["mean", "max", "min"] = Field(
        "mean",
        description="How the heads' weights become one: their mean (Abnar and Zuidema), the "
        "largest or the smallest.",
    )


@EXPLAINERS.register(
    "attention_rollout",
    title="Attention rollout",
    paper="Abnar and Zuidema 2020",
    params=AttentionRolloutParams,
    only=("vit",),
    exempt={
        "test_each_image_is_explained_for_its_own_class": BLIND,
        "test_a_logit_of_zero_for_every_image_gives_zeros": BLIND,
        "test_a_projection_shows_in_the_map_and_one_of_strength_zero_does_not": BLIND,
        "test_a_gated_map_is_shown_or_refused_with_a_reason": BLIND,
    },
)
@contextmanager
def attention_rollout(
    model: Classifier, params: AttentionRolloutParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that multiplies the attention weights of all layers.

    Works on a copy of `model`, made once; `generator` is not used. A layer's matrix is 0.5 A + 0.5
    I with rows that sum to 1, A the heads' weights as one; the map is the product's row of the
    class token, or the mean row of the patches that are read where there is none, upsampled
    bilinearly. Maps are at least 0 and the same for every class; no sum is promised.
    Raises UserError for a network in which not all tokens attend to each other.
    """
    import torch
    import torch.nn.functional as F

    from rightreasons.saliency._passes import unchecked
    from rightreasons.saliency._tokens import Attention

    attention = Attention(model, "attention_rollout")

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        _, layers = attention.read(inputs)
        unit = joint = torch.eye(layers[0].shape[-1]).to(inputs)
        for layer in layers:
            weights = layer.detach()
            weights = weights.mean(1) if params.heads == "mean" else _extreme(weights, params.heads)
            square = weights.shape[1] == len(unit)
            joint = F.normalize(weights + unit if square else weights, p=1, dim=-1) @ joint
        return unchecked(attention.map(joint, layers[-1], inputs))

    yield explain


def _extreme(weights: torch.Tensor, heads: str) -> torch.Tensor:
    """Return the largest or smallest weights (N, queries, keys) of the heads."""
    return weights.amax(1) if heads == "max" else weights.amin(1)
