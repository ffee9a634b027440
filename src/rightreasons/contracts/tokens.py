"""A tiny vision transformer that takes images of any size."""

from __future__ import annotations

import torch
from torch import nn

from rightreasons.models.classifier import Classifier


class Tokens(nn.Module):
    """Patches of 8 x 8 pixels, a class token, two layers with two heads; no position embeddings."""

    width = 16

    def __init__(self) -> None:
        from torchvision.models.vision_transformer import EncoderBlock

        super().__init__()
        self.patches = nn.Conv2d(3, self.width, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, self.width))
        blocks = [EncoderBlock(2, self.width, 2 * self.width, 0.0, 0.0) for _ in range(2)]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(self.width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the class token (N, 16) of images (N, 3, H, W)."""
        patches = self.patches(inputs).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(inputs.shape[0], -1, -1), patches], 1)
        return self.norm(self.blocks(tokens))[:, 0]


def tokens() -> Classifier:
    """Return it as a classifier, the same at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = Tokens()
        for module in trunk.modules():  # attention that tells tokens apart
            if isinstance(module, nn.MultiheadAttention):
                nn.init.normal_(module.in_proj_weight, std=0.5)
        # Scales of 1 make the logits' gradient orthogonal to the features, whose projection then
        # changes no gradient.
        nn.init.uniform_(trunk.norm.weight, 0.5, 1.5)
        return Classifier(trunk, nn.Linear(trunk.width, 2)).eval()
