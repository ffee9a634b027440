"""Layer-wise relevance propagation."""

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


class LRPParams(Params):
    """Parameters of LRP."""

    composite: Literal[
        "epsilon_plus",
        "epsilon_plus_flat",
        "epsilon_gamma_box",
        "epsilon_alpha2_beta1",
        "epsilon",
        "gamma",
    ] = Field(
        "epsilon_plus",
        description="Rules by layer. The first four: epsilon rule for linear layers; convolutions "
        "with zplus (plus), gamma, or alpha-beta with alpha 2; first layer flat or box where "
        "named. epsilon and gamma: the same rule for linear layers and convolutions.",
    )
    products: Literal["signal", "half"] = Field(
        "signal",
        description="What factors of a product get (attention, squeeze-and-excitation). signal: "
        "the value gets all, and the weight of attention or the gate that lets it pass counts as "
        "a constant. half: both the same (AttnLRP); softmax and sigmoid keep relevance then.",
    )
    epsilon: float = Field(
        1e-6, gt=0, description="What the epsilon rule adds to the size of a logit or activation."
    )
    gamma: float = Field(
        0.25,
        ge=0,
        description="Extra weight of the gamma rule (composites with gamma in their name only).",
    )


@EXPLAINERS.register(
    "lrp",
    title="Layer-wise relevance propagation",
    paper="Bach et al. 2015; Montavon et al. 2019, Anders et al. 2021; attention and norms: "
    "Achtibat et al. 2024 (AttnLRP), Ali et al. 2022",
    params=LRPParams,
    check="conservation",
)
@contextmanager
def lrp(
    model: Classifier, params: LRPParams, generator: torch.Generator
) -> Iterator[Callable[[torch.Tensor, torch.Tensor], Attribution]]:
    """Yield a function that hands a logit down to the pixels, layer by layer.

    Works on a copy of `model`, made once: batch norm merged into the convolutions, attention
    written out, the intervention merged into the head. `generator` is not used. The map has the
    logit's sign: what speaks for a negative logit is negative. A logit of exactly 0 gives a map of
    zeros.
    The error is |sum of relevance - logit| / max(|logit|, 1e-6). Relevance that biases (merged
    batch norm's above all, class tokens, position embeddings) keep for themselves is missing from
    the sum, so it is below 1e-4 without them and some tenths with them; a logit next to zero makes
    it large. Only an error of hundreds for most images would mean that the propagation is wrong.
    Raises UserError for a network with a step that has no rule.
    """
    import torch

    from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
    from rightreasons.saliency._canonize import canonize
    from rightreasons.saliency._passes import pulled_back
    from rightreasons.saliency._rules import Rules, attach_rules

    mean, std = model.head.weight.new_tensor([IMAGENET_MEAN, IMAGENET_STD])[..., None, None]
    scale = getattr(model.input, "scale", torch.nn.Identity())
    box = (scale(-mean[None] / std), scale((1 - mean[None]) / std))
    rules = Rules.of_composite(params.composite, params.epsilon, params.gamma, box, params.products)
    network = attach_rules(canonize(model), rules)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> Attribution:
        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_()
            logits = network(inputs)
        asked = torch.nn.functional.one_hot(classes, logits.shape[1])
        relevance = pulled_back(logits, inputs, asked)
        logit = logits.detach().gather(1, classes[:, None])[:, 0]
        off = (relevance.sum((1, 2, 3)) - logit).abs()
        return Attribution(relevance.sum(1), off / logit.abs().clamp_min(1e-6))

    yield explain
