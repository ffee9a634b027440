"""Networks that learn from scratch on a laptop: a CNN, a vision transformer, a ConvNeXt."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn


class GridAverage(nn.AdaptiveAvgPool2d):
    """Adaptive average pooling that is plain average pooling where the grid divides the input.

    The same numbers; but on a GPU only the gradient of the plain one is the same in every run.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the averages (N, C, cells, cells) of (N, C, H, W)."""
        height, width = input.shape[-2:]
        cells = int(self.output_size)  # type: ignore[arg-type]
        if height % cells or width % cells:
            return super().forward(input)
        return F.avg_pool2d(input, (height // cells, width // cells))


class GridShare(GridAverage):
    """The share of each cell of a grid in the average over all: together they are the average.

    A linear head with the same weights for all cells is one that reads the average. The division
    matters: as large as the average each, so many features make Adam's first steps too large by
    far, and a trained trunk is wrecked.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the shares (N, C, cells, cells) of (N, C, H, W)."""
        return super().forward(input) / int(self.output_size) ** 2  # type: ignore[arg-type]


class SmallCNN(nn.Sequential):
    """Three convolutional layers with batch norm and dropout.

    (N, 3, H, W) -> (N, 1024) for any image of at least 8 x 8 pixels: 64 channels, averaged over a
    grid of 4 x 4. The paper gives no widths. The grid keeps where things are, without which
    three layers do not learn a smile (docs/decisions.md).

    Parameters
    ----------
    dropout
        Probability that a feature is dropped in training.

    References
    ----------
    Mitigating Bias Using Model-Agnostic Data Attribution, section 4.
    """

    widths = (16, 32, 64)
    cells = 4
    n_features = widths[-1] * cells**2

    def __init__(self, dropout: float = 0.2) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (n_in, n_out) in enumerate(itertools.pairwise((3, *self.widths)), start=1):
            layers[f"conv{i}"] = nn.Conv2d(n_in, n_out, 3, padding=1)
            layers[f"bn{i}"] = nn.BatchNorm2d(n_out)
            layers[f"relu{i}"] = nn.ReLU()
            layers[f"pool{i}"] = nn.MaxPool2d(2)
        layers["grid"] = GridAverage(self.cells)
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(dropout)
        super().__init__(layers)


def small_vit(classes: int = 2, image_size: int = 64) -> nn.Module:
    """Return a vision transformer of torchvision's class, of a size that learns on a laptop.

    (N, 3, s, s) -> (N, classes): patches of 8 x 8 pixels, 3 layers of width 128 with 4 heads, MLPs
    of width 256, a class token, learned position embeddings.

    Parameters
    ----------
    classes
        Outputs.
    image_size
        s, the side of its images in pixels, a multiple of 8.

    References
    ----------
    Dosovitskiy et al. 2021, An Image is Worth 16x16 Words.
    """
    from torchvision.models import VisionTransformer

    network: nn.Module = VisionTransformer(
        image_size=image_size,
        patch_size=8,
        num_layers=3,
        num_heads=4,
        hidden_dim=128,
        mlp_dim=256,
        num_classes=classes,
    )
    return network


def small_convnext(classes: int = 2) -> nn.Module:
    """Return a ConvNeXt of torchvision's class, of a size that learns on a laptop.

    (N, 3, H, W) -> (N, classes) for any image of at least 8 x 8 pixels: two stages of two blocks
    each, 32 and 64 channels. As in `SmallCNN`, channels are averaged over a grid of 4 x 4 cells and
    not over the whole image, without which it does not learn a smile. Its branches begin at full
    scale: so few layers need no small one, and from 1e-6 they would be slow to count.

    Parameters
    ----------
    classes
        Outputs.

    References
    ----------
    Liu et al. 2022, A ConvNet for the 2020s.
    """
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    widths, cells = (32, 64), SmallCNN.cells
    blocks = [CNBlockConfig(widths[0], widths[1], 2), CNBlockConfig(widths[1], None, 2)]
    network = ConvNeXt(blocks, layer_scale=1.0, num_classes=classes)
    network.avgpool = GridAverage(cells)
    network.classifier[2] = nn.Linear(widths[1] * cells**2, classes)
    return network


#: Those whose last layer becomes the head as a torchvision network's does.
SMALL: dict[str, Callable[..., nn.Module]] = {
    "small_vit": small_vit,
    "small_convnext": small_convnext,
}
