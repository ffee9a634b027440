"""A small network of every family of torchvision's, made of the family's own classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from rightreasons.models.classifier import Classifier

SIDE = 32  # of their images, in pixels


def vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(SIDE, 8, 2, 2, 16, 32)


def swin(version: int = 1) -> nn.Module:
    from torchvision.models import swin_transformer as swins

    second = {"block": swins.SwinTransformerBlockV2, "downsample_layer": swins.PatchMergingV2}
    more = second if version == 2 else {}
    return swins.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5, **more)


def convnext() -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], layer_scale=0.5)


def efficientnet() -> nn.Module:
    from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig

    return EfficientNet(
        [MBConvConfig(2, 3, 1, 8, 8, 2, 1, 1), FusedMBConvConfig(2, 3, 2, 8, 12, 1)], 0.2
    )


def mobilenet_v2() -> nn.Module:
    from torchvision.models import MobileNetV2

    return MobileNetV2(width_mult=0.25, inverted_residual_setting=[[1, 16, 1, 1], [3, 32, 2, 2]])


def mobilenet_v3() -> nn.Module:
    from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

    blocks = [(8, 3, 8, 8, True, "RE", 2, 1), (8, 3, 16, 8, True, "HS", 1, 1)]
    return MobileNetV3([InvertedResidualConfig(*block, 1.0) for block in blocks], 32)


def mnasnet() -> nn.Module:
    from torchvision.models import MNASNet

    return MNASNet(0.1)


def densenet() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(8, (2, 2), 8)


def regnet(se_ratio: float | None = 0.25) -> nn.Module:
    from torchvision.models.regnet import BlockParams, RegNet

    return RegNet(BlockParams([1, 2], [8, 16], [8, 8], [1.0, 1.0], [2, 2], se_ratio))


def shufflenet() -> nn.Module:
    from torchvision.models import ShuffleNetV2

    return ShuffleNetV2([2, 1, 1], [8, 8, 16, 32, 32])


def maxvit() -> nn.Module:
    from torchvision.models import MaxVit

    return MaxVit((SIDE, SIDE), 8, 4, [8, 16], [1, 1], 4, 0.2, num_classes=5)


def resnet() -> nn.Module:
    from torchvision.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, [1, 1, 1, 1])


#: Makers of networks by family.
TINY: dict[str, Callable[[], nn.Module]] = {
    "convnext": convnext,
    "densenet": densenet,
    "efficientnet": efficientnet,
    "maxvit": maxvit,
    "mnasnet": mnasnet,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3": mobilenet_v3,
    "regnet_x": partial(regnet, None),
    "regnet_y": regnet,
    "resnet": resnet,
    "shufflenet_v2": shufflenet,
    "swin": swin,
    "swin_v2": partial(swin, 2),
    "vit": vit,
}
#: Names of tensors that are added to what the image gives, beside biases.
ADDED = ("in_proj_bias", "class_token", "pos_embedding", "relative_position_bias_table")


def tiny_network(family: str, *, biases: bool = True, seed: int = 0) -> Classifier:
    """Return a classifier of a family, in float64 and eval mode.

    Its weights are random, and its batch norms have the statistics of noise images. Without
    `biases` nothing is added anywhere: an image of zeros has logits of zero.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TINY[family]().double().eval()
        name, last = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
        parent = network.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], nn.Identity())
        model = Classifier(network, nn.Linear(last.in_features, 2)).double().eval()
        for key, tensor in model.named_parameters():
            if key.endswith("bias") or key.rpartition(".")[2] in ADDED:
                nn.init.normal_(tensor, std=0.2) if biases else nn.init.zeros_(tensor)
        nn.init.normal_(model.head.weight)
        settle(model, torch.randn(8, 3, SIDE, SIDE).double(), biases)
    return model


@torch.no_grad()
def settle(model: nn.Module, images: torch.Tensor, biases: bool) -> None:
    """Give batch norms the statistics of what they get, layer by layer."""

    def of_inputs(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].movedim(1, 0).flatten(1)
        norm.running_mean.copy_(values.mean(1) if biases else torch.zeros(len(values)))
        norm.running_var.copy_((values - norm.running_mean[:, None]).square().mean(1))

    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.7, 1.3)
    hooks = [norm.register_forward_pre_hook(of_inputs) for norm in norms]
    model(images)
    for hook in hooks:
        hook.remove()
