"""What tests of LRP share: small networks, images, and a map of them."""

from __future__ import annotations

import torch
from torch import nn

from rightreasons.models.classifier import Classifier, projection
from rightreasons.saliency import EXPLAINERS, Attribution


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, height: int = 48, width: int = 64, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 3, height, width, generator=generator(seed))


def explain(
    model: nn.Module, inputs: torch.Tensor, classes: list[int], **params: object
) -> Attribution:
    explainer = EXPLAINERS["lrp"]
    with explainer.run(model, explainer.params(**params), generator()) as run:
        return run(inputs, torch.tensor(classes))


class Block(nn.Module):
    """A residual block that adds in place, as torchvision's do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn(self.conv(x))
        out += x
        return self.relu(out)


def randomise(model: nn.Module, seed: int = 3) -> nn.Module:
    """Give batch norms the statistics, scales and shifts of a trained network."""
    stream = generator(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, centre, spread in (
                (module.running_mean, 0.0, 0.2),
                (module.running_var, 1.0, 0.3),
                (module.weight.data, 1.0, 0.2),
                (module.bias.data, 0.0, 0.2),
            ):
                noise = torch.randn(tensor.shape, generator=stream, dtype=tensor.dtype)
                tensor.copy_((centre + spread * noise).clamp_min(0.2 if centre else -1))
    return model.eval()


def tiny(projected: bool = True) -> Classifier:
    """Conv, BN, ReLU, max pool, residual block, average pool, projection, head; all double."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            Block(4),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.5),
        )
        model = Classifier(trunk, nn.Linear(4, 2))
        if projected:
            model.intervention = projection(torch.randn(4), torch.rand(4), 0.7)
    return randomise(model.double())
