"""Grad-CAM by hand: which feature map, its weights, how it is upsampled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import ConvNeXt, MaxVit, SwinTransformer, VisionTransformer
from torchvision.models.convnext import CNBlockConfig

from rightreasons.core.errors import UserError
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.saliency import EXPLAINERS

CLASSES = [0, 1]


def images(height: int = 96, width: int = 128) -> torch.Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, generator=stream, dtype=torch.double)


def network(architecture: str) -> Classifier:
    model = build_classifier(architecture).double()
    model.train()(images())  # batch norm as in training
    return model.eval()


def maps(model: nn.Module, inputs: torch.Tensor, **chosen: object) -> torch.Tensor:
    explainer = EXPLAINERS["gradcam"]
    with explainer.run(model, explainer.params(**chosen), torch.Generator()) as run:
        return run(inputs, torch.tensor(CLASSES)).maps


def stretch(side: int, size: int) -> np.ndarray:
    """Return the matrix (size, side) of linear interpolation between the centres of pixels."""
    matrix = np.zeros((size, side))
    for i in range(size):
        centre = min(max((i + 0.5) * side / size - 0.5, 0), side - 1)
        low = int(centre)
        high = min(low + 1, side - 1)
        matrix[i, low] += 1 - (centre - low)
        matrix[i, high] += centre - low
    return matrix


def slow(
    model: Classifier, feature_map: torch.Tensor, logits: torch.Tensor, size: tuple[int, int]
) -> np.ndarray:
    """Return sum_k (mean_ij d logit / d A_kij) A_k, upsampled by hand, one by one."""
    found = []
    (gradients,) = torch.autograd.grad(logits[range(2), CLASSES].sum(), feature_map)
    for a, gradient in zip(feature_map.detach().numpy(), gradients.numpy(), strict=True):
        small = sum(gradient[k].mean() * a[k] for k in range(len(a)))
        found.append(stretch(a.shape[1], size[0]) @ small @ stretch(a.shape[2], size[1]).T)
    return np.stack(found)


def resnet_parts(model: Classifier, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    net = model.trunk
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    a = net.layer4(net.layer3(net.layer2(net.layer1(x)))).detach().requires_grad_()
    return a, model.classify(a.mean((2, 3)))


def squeezenet_parts(model: Classifier, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    a = model.trunk.features(x).detach().requires_grad_()
    return a, model.classify(a.mean((2, 3)))


def small_cnn_parts(model: Classifier, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    layers = dict(model.trunk.named_children())
    for i in (1, 2):
        x = F.max_pool2d(layers[f"bn{i}"](layers[f"conv{i}"](x)).relu(), 2)
    a = layers["bn3"](layers["conv3"](x)).relu().detach().requires_grad_()
    return a, model.classify(F.adaptive_avg_pool2d(F.max_pool2d(a, 2), 4).flatten(1))


@pytest.mark.parametrize(
    ("architecture", "parts"),
    [
        ("resnet18", resnet_parts),
        ("squeezenet1_0", squeezenet_parts),
        ("small_cnn", small_cnn_parts),
    ],
)
def test_reads_what_the_last_convolution_leads_to(architecture: str, parts: object) -> None:
    model, inputs = network(architecture), images()
    feature_map, logits = parts(model, inputs)  # type: ignore[operator]
    torch.testing.assert_close(logits, model(inputs))
    expected = slow(model, feature_map, logits, (96, 128))
    np.testing.assert_allclose(maps(model, inputs), expected, rtol=1e-6, atol=1e-12)


def vit(image_size: int = 32) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = VisionTransformer(image_size, 8, 2, 2, 16, 32)
        trunk.heads = nn.Identity()
        for layer in trunk.encoder.layers:
            nn.init.normal_(layer.self_attention.in_proj_weight)
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def vit_parts(model: Classifier, x: torch.Tensor, prefix: int = 1) -> tuple[torch.Tensor, ...]:
    """Return what enters the last attention, patches alone, as a feature map; and the logits."""
    net = model.trunk
    x = net.conv_proj(x)
    grid = x.shape[2:]
    x = torch.cat([net.class_token.expand(2, -1, -1), x.flatten(2).transpose(1, 2)], 1)
    first, last = net.encoder.layers
    x = first(x + net.encoder.pos_embedding)
    normed = last.ln_1(x).detach()
    a = normed[:, prefix:].transpose(1, 2).unflatten(2, grid).requires_grad_()
    normed = torch.cat([normed[:, :prefix], a.flatten(2).transpose(1, 2)], 1)
    y = x + last.self_attention(normed, normed, normed)[0]
    y = net.encoder.ln(y + last.mlp(last.ln_2(y)))
    return a, model.classify(y[:, 0])


def swin() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = SwinTransformer([4, 4], 8, [2, 2], [2, 2], [2, 2], stochastic_depth_prob=0)
        trunk.head = nn.Identity()
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def swin_parts(model: Classifier, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    net = model.trunk
    a = net.norm(net.features(x)).permute(0, 3, 1, 2).detach().requires_grad_()
    return a, model.classify(a.mean((2, 3)))


def maxvit() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = MaxVit((32, 32), 8, 2, [8, 16], [1, 1], 4, 0.0)
        trunk.classifier[-1] = nn.Identity()
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def maxvit_parts(model: Classifier, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = model.trunk.stem(x)
    for block in model.trunk.blocks:
        x = block(x)
    a = x.detach().requires_grad_()
    return a, model.classify(model.trunk.classifier(a))


def convnext() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], layer_scale=1.0)
        trunk.classifier[2] = nn.Identity()
        return Classifier(trunk, nn.Linear(16, 2)).double().eval()


def convnext_parts(model: Classifier, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    a = model.trunk.features(x).detach().requires_grad_()
    return a, model.classify(model.trunk.classifier(a.mean((2, 3), keepdim=True)))


@pytest.mark.parametrize(
    ("build", "parts", "height", "width"),
    [
        (vit, vit_parts, 32, 32),
        (swin, swin_parts, 32, 48),
        (maxvit, maxvit_parts, 32, 32),
        (convnext, convnext_parts, 32, 48),
    ],
)
def test_reads_tokens_and_maps_whose_channels_are_last(
    build: object, parts: object, height: int, width: int
) -> None:
    model, inputs = build(), images(height, width)  # type: ignore[operator]
    feature_map, logits = parts(model, inputs)  # type: ignore[operator]
    torch.testing.assert_close(logits, model(inputs))
    expected = slow(model, feature_map, logits, (height, width))
    assert feature_map[0, 0].numel() > 1
    np.testing.assert_allclose(maps(model, inputs), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("build", "layer", "named"),
    [
        (vit, "trunk.encoder.layers.encoder_layer_0", "tokens"),
        (vit, "trunk.encoder.layers.encoder_layer_1.self_attention", "tokens"),
        (swin, "trunk.features.1.0", "channels last"),
        (swin, "trunk.features.3.1.norm2", "channels last"),
        (maxvit, "trunk.blocks.0", "channels first"),
    ],
)
def test_a_named_layers_tokens_lie_on_the_grid(build: object, layer: str, named: str) -> None:
    model = build()  # type: ignore[operator]
    inputs = images(32, 48 if build is swin else 32)
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, args: object, output: object) -> object:
        values = output[0] if isinstance(output, tuple) else output
        values = values.transpose(1, 2) if named == "tokens" else values  # type: ignore[union-attr]
        values = values.movedim(3, 1) if named == "channels last" else values
        kept.append((values[..., 1:] if named == "tokens" else values).detach().requires_grad_())
        if named == "channels last":
            return kept[0].movedim(1, 3)
        if named == "channels first":
            return kept[0].clone()
        whole = torch.cat([values[..., :1], kept[0]], 2).transpose(1, 2)
        return (whole, None) if isinstance(output, tuple) else whole

    handle = model.get_submodule(layer).register_forward_hook(keep)
    logits = model(inputs)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[range(2), CLASSES].sum(), kept[0])
    values = kept[0].detach()
    if named == "tokens":
        gradient, values = gradient.unflatten(2, (4, 4)), values.unflatten(2, (4, 4))
    expected = []
    for a, g in zip(values.numpy(), gradient.numpy(), strict=True):
        small = sum(g[k].mean() * a[k] for k in range(len(a)))
        rows, columns = (stretch(n, s) for n, s in zip(small.shape, inputs.shape[2:], strict=True))
        expected.append(rows @ small @ columns.T)
    found = maps(model, inputs, layer=layer)
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-6, atol=1e-12)


def test_before_upsampling_the_values_of_a_resnet_sum_to_the_logit_less_its_bias() -> None:
    model, inputs = network("resnet18"), images(32, 32)  # one position: upsampling repeats it
    logits = (model(inputs) - model.head.bias)[range(2), CLASSES].detach()
    expected = logits[:, None, None].expand(2, 32, 32)
    torch.testing.assert_close(maps(model, inputs), expected)


@pytest.mark.parametrize("layer", ["trunk.layer2", "trunk.layer4.1.bn2", "trunk.conv1"])
def test_a_named_layers_output_is_read_before_the_network_changes_it_in_place(layer: str) -> None:
    model, inputs = network("resnet18"), images()
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.detach().clone().requires_grad_())
        return kept[0].clone()

    handle = model.get_submodule(layer).register_forward_hook(keep)
    logits = model(inputs)
    handle.remove()
    expected = slow(model, kept[0], logits, (96, 128))
    np.testing.assert_allclose(maps(model, inputs, layer=layer), expected, rtol=1e-6, atol=1e-12)


def test_positive_drops_negative_values_before_upsampling() -> None:
    model, inputs = network("small_cnn"), images(16, 16)
    feature_map, logits = small_cnn_parts(model, inputs)
    small = slow(model, feature_map, logits, (4, 4))
    assert (small < 0).any()
    assert (small > 0).any()
    rows = stretch(4, 16)
    expected = rows @ small.clip(0) @ rows.T
    np.testing.assert_allclose(maps(model, inputs, positive=True), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("trunk.layer5", r"no module 'trunk.layer5' \(did you mean 'trunk.layer\d'\?\). Allowed"),
        ("head", "output of head has no height and width"),
    ],
)
def test_a_layer_without_a_feature_map_is_refused(layer: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        maps(build_classifier("resnet18").double().eval(), images(32, 32), layer=layer)


@pytest.mark.parametrize("layer", ["head", "trunk"])
def test_a_class_token_has_no_positions(layer: str) -> None:
    with pytest.raises(UserError, match=f"output of {layer} has no height and width"):
        maps(vit(), images(32, 32), layer=layer)


class Tokens(nn.Module):
    """A convolution whose output is never pooled, and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.spare = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(3, 4, 4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).unflatten(1, (2, 2)).amax((3, 4)).sum(2)


def test_a_network_without_a_pooled_convolution_is_refused_unless_a_layer_is_named() -> None:
    model = Classifier(Tokens(), nn.Linear(2, 2)).double().eval()
    with pytest.raises(UserError, match="no convolution or attention whose output is pooled"):
        maps(model, images(8, 8))
    assert maps(model, images(8, 8), layer="trunk.conv").abs().max() > 0
    with pytest.raises(UserError, match=r"trunk.spare takes no part"):
        maps(model, images(8, 8), layer="trunk.spare")
