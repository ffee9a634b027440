"""Relevance by attention and its gradient (Chefer et al.)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rightreasons.core.registry import Params
from rightreasons.saliency import EXPLAINERS, Attribution

if TYPE_CHECKING:
    import torch

    from rightreasons.models.classifier import Classifier


@EXPLAINERS.register(
    "attention_relevance",
    title="Attention relevance",
    paper="Chefer et al. 2021 (Generic Attention-model Explainability)",
    only=("vit",),
)
@contextmanager
def attention_relevance(
    model: Classifier, params: Params, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that weighs attention with its gradient, and adds it up over the layers.

    Works on a copy of `model`, made once; `generator` is not used. From layer to layer R becomes
    R + mean over heads of (G * A)^+ R, with R = I at first, A the attention weights and G the
    gradient of the logit asked for by them. The map is the class token's row of R - I, or the mean
    row of the patches that are read where there is no class token, upsampled bilinearly. Maps are
    at least 0; no sum is promised.
    Raises UserError for a network in which not all tokens attend to each other.
    """
    import torch

    from rightreasons.saliency._passes import unchecked
    from rightreasons.saliency._tokens import Attention

    attention = Attention(model, "attention_relevance")

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        logits, layers = attention.read(inputs)
        with torch.enable_grad():
            asked = logits.gather(1, classes[:, None]).sum()
            gradients = torch.autograd.grad(asked, layers, retain_graph=True)
        gained = torch.zeros(layers[0].shape[-1:] * 2).to(inputs)
        for layer, gradient in zip(layers, gradients, strict=True):
            weights = (gradient * layer.detach()).clamp_min(0).mean(1)
            new = weights + weights @ gained
            gained = gained + new if weights.shape[1] == weights.shape[2] else new
        return unchecked(attention.map(gained, layers[-1], inputs))

    yield explain
