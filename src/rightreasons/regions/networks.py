"""Patch classifiers: the class of an image, from one patch and from where the patch lies.

Both kinds answer for one patch (`forward`) and for all p positions of an image (`image_logits`),
with the same numbers. `published` is the ResNet-18 of "Mitigating Bias Using Model-Agnostic Data
Attribution": each patch is a forward pass of its own. `dense` is a stack of valid convolutions
whose receptive field is the patch, and one pass over the image serves all positions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.core.errors import UserError, reason
from rightreasons.core.files import whole
from rightreasons.core.seeds import seed_torch
from rightreasons.regions.folded import FoldedResNet, folded, pixels
from rightreasons.regions.geometry import corners, grid_of

#: Patches in memory at once when a whole image is classified; 256 need about 60 MB at k = 32.
CHUNK = 256
#: Images that share what the position embedding adds, which is computed once for them.
TOGETHER = 8
#: Channels of the dense network's convolutions, and of its two hidden layers.
WIDTHS = (32, 64, 96, 128)
HIDDEN = 256

ImageLogits = Callable[[torch.Tensor], torch.Tensor]


class PatchNetwork(nn.Module):
    """What the kinds share: where the patches of an image lie, and an embedding of the position.

    The buffer `corners` (p, 2) has the patches' corners.

    Parameters
    ----------
    size
        I, the side of the images in pixels.
    patch
        k, the side of a patch.
    positions
        p, a square.
    embedding
        Channels of the position embedding.
    """

    corners: torch.Tensor

    def __init__(self, size: int, patch: int, positions: int, embedding: int) -> None:
        super().__init__()
        self.size, self.patch = size, patch
        self.positions, self.grid = positions, grid_of(positions)
        self.embedding = nn.Embedding(positions, embedding)
        with torch.no_grad():
            self.embedding.weight.copy_(waves(self.grid, embedding))
        where = torch.from_numpy(corners(size, patch, positions))
        self.register_buffer("corners", where, persistent=False)

    def prepared(self, positions: torch.Tensor | None = None, *, chunk: int = CHUNK) -> ImageLogits:
        """Return a function that classifies patches of whole images, the fast way.

        It holds a copy of the weights as they are now, batch norm in eval mode and folded, and
        equals `forward` of each patch in eval mode up to rounding.

        Parameters
        ----------
        positions : int64 (n,)
            Which of the p positions; by default all.
        chunk
            Most patches in memory at once.

        Returns
        -------
        callable
            From normalised images (B, 3, I, I) to logits (B, n, C).
        """
        raise NotImplementedError

    def image_logits(
        self,
        images: torch.Tensor,
        positions: torch.Tensor | None = None,
        *,
        chunk: int = CHUNK,
    ) -> torch.Tensor:
        """Return the logits (B, n, C) of images (B, 3, I, I), the fast way; see `prepared`."""
        return self.prepared(positions, chunk=chunk)(images)

    def _chosen(self, positions: torch.Tensor | None) -> torch.Tensor:
        """Return int64 (n,), on the network's device: the positions asked for, or all."""
        device = self.corners.device
        if positions is None:
            return torch.arange(self.positions, device=device)
        return positions.to(device)

    def save(self, path: Path) -> None:
        """Write the weights to a .safetensors file, whole or not at all."""
        from safetensors.torch import save_file

        state = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
        with whole(path) as scratch:
            save_file(state, scratch)

    def load(self, path: Path) -> None:
        """Read the weights from a file that `save` wrote.

        Raises
        ------
        UserError
            If they do not fit, or the file is broken.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            self.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError) as error:
            raise UserError(
                f"{path} holds no patch classifier of these settings: delete it and run again. "
                f"{reason(error)}"
            ) from error


def build_patch_network(
    kind: Literal["published", "dense"] | str,
    *,
    n_classes: int,
    size: int,
    patch: int,
    positions: int,
    embedding: int,
    seed: int,
) -> PatchNetwork:
    """Return a patch classifier with random weights; global random state is left alone.

    Parameters
    ----------
    kind
        `published` or `dense`.
    n_classes
        C, at least 2.
    size
        I, the side of the images in pixels.
    patch
        k, the side of a patch; at least 7 for `dense`.
    positions
        p, a square.
    embedding
        Channels of the position embedding.
    seed
        Of the weights.

    Raises
    ------
    UserError
        For an unknown kind, fewer than two classes, and a grid that does not fit (see
        `rightreasons.regions.geometry.corners`).
    """
    kinds = {"published": PublishedNetwork, "dense": DenseNetwork}
    if kind not in kinds:
        raise UserError(f"regions: unknown network {kind!r}. Allowed: {', '.join(kinds)}.")
    if n_classes < 2:
        raise UserError(f"regions: a patch classifier needs 2 classes, not {n_classes}.")
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        return kinds[kind](n_classes, size, patch, positions, embedding)


def waves(grid: int, channels: int) -> torch.Tensor:
    """Return (g * g, channels): sines and cosines of y and x, of falling wavelength.

    The embedding begins with them and is then learned. Positions side by side begin alike, and so
    learn from each other: with few images a position is seen a few times only.
    """
    steps = (torch.arange(grid, dtype=torch.float32) + 0.5) / grid
    y, x = steps.repeat_interleave(grid), steps.repeat(grid)
    kinds = [
        turn(math.pi * 2**octave * axis)
        for octave in range(math.ceil(channels / 4))
        for turn in (torch.cos, torch.sin)
        for axis in (y, x)
    ]
    return torch.stack(kinds[:channels], dim=1)


class PublishedNetwork(PatchNetwork):
    """ResNet-18 on patches, the position's embedding beside them as constant channels."""

    def __init__(
        self, n_classes: int, size: int, patch: int, positions: int, embedding: int
    ) -> None:
        super().__init__(size, patch, positions, embedding)
        from torchvision.models import resnet18

        self.resnet = resnet18(weights=None, num_classes=n_classes)
        first = nn.Conv2d(3 + embedding, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        self.resnet.conv1 = first

    def forward(self, patches: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C) of normalised patches (B, 3, k, k) at `position` (B,)."""
        channels = self.embedding(position)[:, :, None, None]
        channels = channels.expand(-1, -1, *patches.shape[2:])
        inputs = torch.cat([patches, channels], dim=1)
        return self.resnet(inputs.contiguous(memory_format=torch.channels_last))

    @torch.no_grad()
    def prepared(self, positions: torch.Tensor | None = None, *, chunk: int = CHUNK) -> ImageLogits:
        """See PatchNetwork: no work done twice, and padding is hardly ever multiplied."""
        resnet = FoldedResNet(self.resnet, self.patch)
        chosen = self._chosen(positions)
        table, where = self.embedding.weight.detach()[chosen], self.corners[chosen]

        @torch.no_grad()
        def classify(images: torch.Tensor) -> torch.Tensor:
            source = pixels(images).contiguous()
            together = source.split(TOGETHER)
            parts: list[list[torch.Tensor]] = [[] for _ in together]
            step = max(1, chunk // max(1, min(len(images), TOGETHER)))
            for embedded, corner in zip(table.split(step), where.split(step), strict=True):
                constants = resnet.constants(embedded)
                for some, part in zip(together, parts, strict=True):
                    logits = resnet(windows(some, corner, self.patch), constants)
                    part.append(logits.view(len(some), len(corner), -1))
            return torch.cat([torch.cat(part, dim=1) for part in parts])

        return classify


class DenseNetwork(PatchNetwork):
    """Valid convolutions down to a few pixels per patch, then two layers that know the position.

    Of a patch, the trunk of strided convolutions makes m x m pixels, whose mean meets the position.
    Of an image, the same trunk runs once. It strides as far as the corners of the patches share
    the strides; those left out become dilations, and the mean is over m x m pixels as far apart as
    they are: any corner is served, exactly. A grid whose step is a whole number of pixels, a
    multiple of the strides, costs least (I = 64, k = 16: 169 positions, 4 pixels apart).
    """

    def __init__(
        self, n_classes: int, size: int, patch: int, positions: int, embedding: int
    ) -> None:
        super().__init__(size, patch, positions, embedding)
        kernels, strides, self.side = trunk_plan(patch)
        last = len(kernels) - 1
        widths = [3, *(WIDTHS[min(i, len(WIDTHS) - 2)] for i in range(last)), WIDTHS[-1]]
        self.trunk = nn.ModuleList(
            _conv(a, b, kernel, stride)
            for (a, b), kernel, stride in zip(pairwise(widths), kernels, strides, strict=True)
        )
        self.strides = strides
        self.meeting = nn.Linear(WIDTHS[-1] + embedding, HIDDEN, bias=False)
        self.norm = nn.BatchNorm1d(HIDDEN)
        self.head = nn.Sequential(
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_classes)
        )

    def forward(self, patches: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C) of normalised patches (B, 3, k, k) at `position` (B,)."""
        x = patches.contiguous(memory_format=torch.channels_last)
        for layer in self.trunk:
            x = F.relu(layer(x))
        met = torch.cat([x.mean(dim=(2, 3)), self.embedding(position)], dim=1)
        return self.head(F.relu(self.norm(self.meeting(met))))

    @torch.no_grad()
    def prepared(self, positions: torch.Tensor | None = None, *, chunk: int = CHUNK) -> ImageLogits:
        """See PatchNetwork: one pass of the trunk over each image, `chunk` does not matter."""
        convs = [folded(*layer.children()) for layer in self.trunk]
        meeting = folded(self.meeting, self.norm)
        of_patch, of_position = meeting.weight[:, : WIDTHS[-1]], meeting.weight[:, WIDTHS[-1] :]
        chosen = self._chosen(positions)
        bias = F.linear(self.embedding.weight[chosen], of_position, meeting.bias)
        whole = whole_strides(self.strides, math.gcd(*self.corners.flatten().tolist()))
        step = math.prod(whole)
        dilations = [
            math.prod(self.strides[:i]) // math.prod(whole[:i]) for i in range(len(whole) + 1)
        ]
        y, x = (self.corners[chosen] // step).unbind(dim=1)
        head = copy.deepcopy(self.head)

        @torch.no_grad()
        def classify(image: torch.Tensor) -> torch.Tensor:
            maps = image[None].contiguous(memory_format=torch.channels_last)
            for conv, stride, dilation in zip(convs, whole, dilations, strict=False):
                maps = F.relu_(F.conv2d(maps, conv.weight, conv.bias, stride, 0, dilation))
            means = lattice_mean(pixels(maps)[0], self.side, dilations[-1])
            return head(F.relu_(F.linear(means[y, x], of_patch).add_(bias)))

        return lambda images: torch.stack([classify(image) for image in images])


def lattice_mean(maps: torch.Tensor, side: int, step: int) -> torch.Tensor:
    """Return the mean of m x m pixels, `step` apart, from each one down and right.

    Parameters
    ----------
    maps : (H, W, C)
        One image's channels.
    side
        m.
    step
        How far apart the pixels are.

    Returns
    -------
    Tensor
        (H - (m - 1) step, W - (m - 1) step, C): only where all m x m lie in the map.
    """
    h, w = (extent - (side - 1) * step for extent in maps.shape[:2])
    down = reduce(torch.add, [maps[i * step : i * step + h] for i in range(side)])
    both = reduce(torch.add, [down[:, i * step : i * step + w] for i in range(side)])
    return both / side**2


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def trunk_plan(patch: int) -> tuple[list[int], list[int], int]:
    """Return the layers of the dense trunk.

    Where it strides, the kernel is 4 or 3 wide as the side is even or odd. No pixel is left over
    then: the m x m pixels together see exactly the patch.

    Parameters
    ----------
    patch
        k, the side of a patch.

    Returns
    -------
    kernels, strides : list of int
        Of each layer.
    side : int
        m, the side of what is left, at most 4.

    Raises
    ------
    UserError
        For a patch of fewer than 7 pixels.
    """
    kernels: list[int] = []
    strides: list[int] = []
    side = patch
    while len(strides) < 2 or side > 4:
        stride = 2 if not strides or (len(strides) > 1 and side > 7) else 1
        kernel = 4 if stride == 2 and side % 2 == 0 else 3
        if side < kernel:
            raise UserError(f"regions: a dense network needs patch >= 7 pixels, not {patch}.")
        kernels.append(kernel)
        strides.append(stride)
        side = (side - kernel) // stride + 1
    return kernels, strides, side


def whole_strides(strides: list[int], step: int) -> list[int]:
    """Return each layer's stride, or 1 where it would skip a corner.

    Parameters
    ----------
    strides
        Of the trunk's layers.
    step
        The greatest common divisor of the corners' coordinates, of which all corners are multiples.
    """
    kept: list[int] = []
    for stride in strides:
        kept.append(stride if step % (math.prod(kept) * stride) == 0 else 1)
    return kept


def windows(source: torch.Tensor, where: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut patches out of images, by one gather.

    Parameters
    ----------
    source : (m, H, W, 3)
        The images.
    where : int64 (n, 2)
        The corners (y, x), the same for all images.
    patch
        k, the side of a patch.

    Returns
    -------
    Tensor
        (m n, 3, k, k), channels-last in memory, image by image.
    """
    steps = torch.arange(patch, device=where.device)
    y, x = where[:, :1] + steps, where[:, 1:] + steps
    cut = source[:, y[:, :, None], x[:, None, :]]
    return cut.flatten(0, 1).permute(0, 3, 1, 2)
