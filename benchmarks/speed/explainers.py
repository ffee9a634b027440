"""Explainers, against the bound of one forward pass and one input gradient, zennit and captum."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import nn

from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS
from rightreasons.saliency._passes import input_gradient

from .measure import Comparison
from .options import Options

COMPOSITES = ("epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1")
LRP_AIM = 2.5  # times the bound
FAMILY_AIM = 3.0  # times the bound, on networks that are no ReLU CNNs
STEP_AIM = 1.1  # times the bound per step of integrated gradients
CLASSES = (0, 1)

Explain = Callable[[torch.Tensor, torch.Tensor], Any]


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield LRP and integrated gradients against the bound and other libraries, then the rest."""
    yield from bounds(options)
    yield from libraries(options)
    yield from all_of_them(options)


def bounds(options: Options) -> Iterator[Comparison]:
    """Yield the costs that were promised, on two networks."""
    for architecture, size, batch in options.pick(
        [("resnet18", 224, 16), ("resnet50", 128, 8), ("small_cnn", 64, 64)],
        [("resnet18", 32, 2)],
    ):
        model, inputs = network(architecture, size, batch)
        steps = options.pick(8, 2)
        chosen: list[tuple[str, dict[str, object], float]] = [
            *(("lrp", {"composite": name}, LRP_AIM) for name in COMPOSITES),
            ("integrated_gradients", {"steps": steps}, STEP_AIM * steps),
        ]
        for name, params, aim in chosen:
            what = f"{name}, {next(iter(params.values()))}"
            on = f"{architecture}, {size} px, batch {batch}"
            yield from cost("bound", what, name, params, (model, inputs), on, aim)


def cost(
    group: str,
    what: str,
    name: str,
    params: dict[str, object],
    case: tuple[Classifier, torch.Tensor],
    data: str,
    aim: float | None = None,
) -> Iterator[Comparison]:
    """Yield what an explainer costs on a network and images: in passes there and back."""
    model, inputs = case
    classes = torch.arange(len(inputs)) % 2
    with ExitStack() as stack:
        ours = opened(stack, name, params, model)
        yield Comparison(
            group=group,
            what=what,
            data=data,
            unit="maps",
            units=len(inputs),
            ours=partial(ours, inputs, classes),
            other=partial(input_gradient, model, inputs, classes),
            against="one forward pass and one input gradient",
            kind="cost",
            aim=aim,
        )


def families(options: Options) -> Iterator[Comparison]:
    """Yield the cost of LRP and DeepLIFT on networks of other kinds."""
    for architecture, size, batch in options.pick(
        [
            ("vit_b_16", 224, 4),
            ("swin_t", 224, 4),
            ("convnext_tiny", 224, 4),
            ("efficientnet_b0", 224, 4),
            ("mobilenet_v3_small", 224, 8),
            ("densenet121", 128, 4),
        ],
        [("small_vit", 64, 2)],
    ):
        case, on = network(architecture, size, batch), f"{architecture}, {size} px, batch {batch}"
        for name in ("lrp", "deeplift"):
            yield from cost("families", name, name, {}, case, on, FAMILY_AIM)


def libraries(options: Options) -> Iterator[Comparison]:
    """Yield the maps of every class by zennit and captum as their manuals use them, and by us."""
    batch, size, steps = options.pick((8, 224, 8), (2, 32, 2))
    model, inputs = network("resnet18", size, batch)
    vgg = PlainVgg()
    integrated = {"steps": steps, "pixels_at_once": 2**18}
    rows: list[tuple[str, dict[str, object], nn.Module, Explain, str, float | None]] = [
        *(
            ("lrp", {"composite": name}, model, partial(zennit, model, name), "zennit", 1.0)
            for name in COMPOSITES
        ),
        ("lrp", {"composite": "epsilon_plus"}, vgg.classifier(), captum_lrp(vgg), "captum", 1.0),
        # Ours is captum's, with a self-check more: no aim.
        ("integrated_gradients", integrated, model, captum_ig(model, steps), "captum", None),
    ]
    for name, params, net, theirs, library, aim in rows:
        with ExitStack() as stack:
            ours = opened(stack, name, params, net)
            yield Comparison(
                group="libraries",
                what=f"{name}, {next(iter(params.values()))}, both classes",
                data=f"{'resnet18' if net is model else 'VGG-11'}, {size} px, batch {batch}",
                unit="maps",
                units=batch * len(CLASSES),
                ours=partial(every_class, ours, inputs),
                other=partial(every_class, theirs, inputs),
                against=f"{library}, as in its manual",
                aim=aim,
            )


def all_of_them(options: Options) -> Iterator[Comparison]:
    """Yield the cost of every registered explainer with its default parameters."""
    batch, size = options.pick((16, 64), (2, 32))
    for name in EXPLAINERS.names():
        tokens = bool(EXPLAINERS[name].traits["only"])
        architecture, side = ("small_vit", 64) if tokens else ("resnet18", size)
        params = options.pick({}, EXPLAINERS[name].traits["small"])
        on = f"{architecture}, {side} px, batch {batch}"
        yield from cost("explainers", name, name, params, network(architecture, side, batch), on)


def network(architecture: str, size: int, batch: int) -> tuple[Classifier, torch.Tensor]:
    """Return an untrained network and noise for images, both as the stage `explain` has them."""
    model = build_classifier(architecture).to(memory_format=torch.channels_last).eval()
    inputs = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    return model, inputs.contiguous(memory_format=torch.channels_last)


def opened(stack: ExitStack, name: str, params: dict[str, object], model: nn.Module) -> Explain:
    """Return an explainer's function, open as long as the stack is."""
    explainer = EXPLAINERS[name]
    generator = torch.Generator().manual_seed(0)
    return stack.enter_context(explainer.run(model, explainer.params(**params), generator))


def every_class(explain: Explain, inputs: torch.Tensor) -> None:
    """Explain both logits of every image."""
    for label in CLASSES:
        explain(inputs, torch.full((len(inputs),), label))


def zennit(
    model: Classifier, composite: str, inputs: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """Return maps as zennit's manual makes them, with its canonizer for ResNets."""
    from zennit.attribution import Gradient
    from zennit.composites import COMPOSITES as KNOWN
    from zennit.torchvision import ResNetCanonizer

    box = {"low": -2.2 * torch.ones(1, 3, 1, 1), "high": 2.7 * torch.ones(1, 3, 1, 1)}
    options = box if composite == "epsilon_gamma_box" else {}
    rules = KNOWN[composite](canonizers=[ResNetCanonizer()], **options)
    with Gradient(model, rules) as attributor:
        _, relevance = attributor(inputs, torch.eye(2)[classes])
    return relevance.sum(1)


class PlainVgg(nn.Module):
    """The convolutions of VGG-11 with a linear head: a network that captum's LRP accepts."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.vgg import cfgs, make_layers

        self.features = make_layers(cfgs["A"])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(512, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 2)."""
        return self.head(torch.flatten(self.pool(self.features(inputs)), 1))

    def classifier(self) -> Classifier:
        """Return the same network as the suite's own."""
        trunk = nn.Sequential(self.features, self.pool, nn.Flatten())
        return copy.deepcopy(Classifier(trunk, self.head)).eval()


def captum_lrp(network: PlainVgg) -> Explain:
    """Return captum's LRP, with the z+ rule for convolutions; it refuses residual networks."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule

    for layer in network.eval().modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
        elif isinstance(layer, nn.Conv2d):
            layer.rule = Alpha1_Beta0_Rule()  # type: ignore[assignment]
    method = LRP(network)

    def explain(inputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return method.attribute(inputs.clone().requires_grad_(), target=classes).detach().sum(1)

    return explain


def captum_ig(model: Classifier, steps: int) -> Explain:
    """Return captum's integrated gradients of the whole batch at once."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(model)
    return lambda inputs, classes: method.attribute(inputs, target=classes, n_steps=steps).sum(1)
