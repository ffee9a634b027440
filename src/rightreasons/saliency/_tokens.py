"""Tokens of a traced network: the attention that they pay to each other, and where they lie.

References
----------
Abnar and Zuidema 2020, Quantifying Attention Flow in Transformers.
Chefer et al. 2021, Generic Attention-model Explainability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import torch
from torch import fx, nn

from rightreasons.core.errors import UserError
from rightreasons.saliency._attention import Attend, Windows
from rightreasons.saliency._steps import SOFTMAXES, called, module_at, put_behind, values
from rightreasons.saliency._trace import trace

if TYPE_CHECKING:
    from rightreasons.models.classifier import Classifier

Tensor = torch.Tensor
ADVICE = (
    "Allowed are vision transformers in which all patches attend to each other: small_vit, "
    "torchvision's vit_..., timm's ViT, DeiT, DINOv2, CLIP and others of their kind. Choose one of "
    "them as model.architecture, or another explainer, such as integrated_gradients or rise."
)


class Kept(nn.Module):
    """An identity that keeps what last went through it.

    Parameters
    ----------
    leaf
        Whether gradients end here: they are then taken with respect to what is kept, and nothing
        before it needs any.
    """

    value: Tensor

    def __init__(self, leaf: bool = False) -> None:
        super().__init__()
        self.leaf = leaf

    def forward(self, value: Tensor) -> Tensor:
        """Return the value."""
        self.value = value.detach().requires_grad_() if self.leaf else value
        return self.value


def keep(graph: fx.GraphModule, node: fx.Node, leaf: bool = False) -> Kept:
    """Put an identity behind a step that keeps its output, and return it."""
    kept = Kept(leaf)
    put_behind(graph, node, kept, f"kept_{node.name}")
    graph.recompile()
    return kept


def patches_of(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """Return the last convolution that leads to a step, whose positions its tokens have."""
    before = {node}
    for step in reversed(graph.graph.nodes):
        if step in before:
            before.update(step.all_input_nodes)
            if step is not node and isinstance(module_at(graph, step), nn.Conv2d):
                return step
    return None


def on_grid(values: Tensor, patches: Tensor) -> Tensor:
    """Return what tokens have (N, tokens, ...) as (N, h, w, ...), without those before the patches.

    `patches` (N, C, h, w) is what the tokens were made of. There have to be enough tokens.
    """
    grid = patches.shape[2:]
    return values[:, -grid.numel() :].unflatten(1, grid)


class Attention:
    """A traced copy of a vision transformer whose attention weights can be read.

    Parameters
    ----------
    model
        The network.
    explainer
        In whose name errors are raised.

    Raises
    ------
    UserError
        For a network without attention, or where not all tokens attend to each other.
    """

    def __init__(self, model: Classifier, explainer: str) -> None:
        self.explainer = explainer
        self.graph = trace(model, explainer, ADVICE)
        steps = list(self.graph.graph.nodes)
        modules = {node: module_at(self.graph, node) for node in steps}
        attends = [node for node in steps if isinstance(modules[node], Attend)]
        patches = self._checked(attends)
        heads = [node for node in steps if modules[node] is self.graph.get_submodule("head")]
        self._features = keep(self.graph, heads[-1].all_input_nodes[0])
        self._patches = keep(self.graph, patches)
        self._weights: list[Tensor] = []
        for node in attends:
            modules[node].softmax = self._softmax  # type: ignore[union-attr]

    def read(self, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits (N, classes) and the weights (N, heads, queries, keys) of each layer.

        Logits have gradients by the weights.
        """
        self._weights.clear()
        with torch.enable_grad():
            logits = self.graph(inputs.detach())
        weights = list(self._weights)
        self._weights.clear()
        tokens = weights[0].shape[-1]
        alike = all(w.dim() == 4 and (len(w), w.shape[3]) == (len(inputs), tokens) for w in weights)
        alike = alike and all(w.shape[2] == tokens for w in weights[:-1])  # one may gather them
        if not alike or tokens < self._patches.value.shape[2:].numel():
            self._refuse(
                "its tokens attend to each other in windows or groups, or their number changes "
                "from layer to layer"
            )
        return logits, weights

    def map(self, joint: Tensor, last: Tensor, inputs: Tensor) -> Tensor:
        """Return the map (N, H, W): what the tokens that are read have of each patch.

        Tokens are read if the features depend on what they gather in the last layer: the class
        token, or the patches, whose mean is taken.

        Parameters
        ----------
        joint : (N, queries, tokens)
            What tokens have of tokens.
        last : (N, heads, queries, tokens)
            The weights of the last layer.
        inputs : (N, 3, H, W)
            The images.
        """
        features = self._features.value
        probe = torch.linspace(1, 2, features[0].numel()).to(features)
        with torch.enable_grad():
            (seen,) = torch.autograd.grad((features.flatten(1) * probe).sum(), last)
        read = (seen != 0).any(1).any(-1).to(joint)
        share = read / read.sum(1, keepdim=True).clamp_min(1)
        row = (share[:, None] @ joint.detach())[:, 0]
        return upsampled(on_grid(row, self._patches.value), inputs)

    def _softmax(self, scores: Tensor) -> Tensor:
        weights = scores.softmax(-1)
        if not weights.requires_grad:
            weights.requires_grad_()
        self._weights.append(weights)
        return weights

    def _checked(self, attends: list[fx.Node]) -> fx.Node:
        """Return the convolution that makes the patches; refuse networks that are not for this."""
        if not attends:
            self._refuse("it has no attention that could be followed")
        patches = patches_of(self.graph, attends[0])
        if patches is None:
            self._refuse("its patches are not made by a convolution")
        of_image, begun = values(self.graph), False
        for node in self.graph.graph.nodes:
            begun = begun or node is attends[0]
            module = module_at(self.graph, node)
            if isinstance(module, Windows):
                self._refuse("its tokens attend to each other in windows")
            if begun and isinstance(module, nn.Conv2d):
                what = called(node, module)
                self._refuse(f"beside attention, {what} brings values from patch to patch")
            softmax = node.target in SOFTMAXES or isinstance(module, nn.Softmax)
            if node in of_image and softmax:
                self._refuse(f"the attention of {called(node, module)} cannot be read")
        return patches

    def _refuse(self, why: str) -> NoReturn:
        raise UserError(f"{self.explainer}: {why}. {ADVICE}")


def upsampled(maps: Tensor, inputs: Tensor) -> Tensor:
    """Return maps (N, h, w) in the size of the images (N, 3, H, W), bilinear between centres."""
    size = inputs.shape[2:]
    return nn.functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[
        :, 0
    ]
