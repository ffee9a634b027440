"""Attention written out step by step, so that explainers can follow it and read its weights.

PyTorch's and torchvision's attention hides its softmax and its products in one function. `expand`
puts modules in its place, the same function, whose one core is `Attend`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.saliency import _timm_steps

Tensor = torch.Tensor


class Attend(nn.Module):
    """softmax(scale q k^T + bias) v for each head: the one step in which tokens meet.

    Parameters
    ----------
    scale
        What the products of queries and keys are multiplied with, a number or one for each head
        (heads, 1, 1); None for 1 / sqrt(d).

    Attributes
    ----------
    matmul, softmax
        The products (matrices in the last two dimensions) and the weights (over the last one), for
        explainers that go back through them in another way.
    """

    scale: Tensor | None

    def __init__(self, scale: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.matmul: Callable[[Tensor, Tensor], Tensor] = torch.matmul
        self.softmax: Callable[[Tensor], Tensor] = last_softmax

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Return what each token gets, (..., heads, tokens, d).

        Parameters
        ----------
        query, key, value : (..., heads, tokens, d)
            Of each head.
        bias
            Added before the softmax, the same for every image; a boolean one keeps what is True.
        """
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        scores = self.matmul(query * scale, key.transpose(-2, -1))
        if bias is not None and bias.dtype == torch.bool:
            bias = torch.zeros_like(bias, dtype=scores.dtype).masked_fill(~bias, -torch.inf)
        if bias is not None:
            scores = scores + bias
        return self.matmul(self.softmax(scores), value)


def last_softmax(scores: Tensor) -> Tensor:
    """Return the softmax over the last dimension."""
    return scores.softmax(-1)


class MultiHead(nn.Module):
    """nn.MultiheadAttention of tokens (N, tokens, d) among each other, as steps.

    Parameters
    ----------
    made
        The module as it was, `batch_first`, with keys and values as wide as queries.
    """

    def __init__(self, made: nn.MultiheadAttention) -> None:
        super().__init__()
        weights = made.in_proj_weight.chunk(3)
        biases = (None,) * 3 if made.in_proj_bias is None else made.in_proj_bias.chunk(3)
        parts = [_linear(w, b) for w, b in zip(weights, biases, strict=True)]
        self.query, self.key, self.value = parts
        self.heads = made.num_heads
        self.attend = Attend()
        self.out = made.out_proj

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **asked: Any
    ) -> tuple[Tensor, None]:
        """Return (N, tokens, d) and no weights, which are asked of `attend`."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        return self.out(self.attend(q, k, v).transpose(1, 2).flatten(2)), None


class Windows(nn.Module):
    """Feature maps (N, H, W, C) as shifted windows (N windows, tokens, C); moves values alone.

    Parameters
    ----------
    window, shift
        Height and width of a window, and by how much windows are moved.
    """

    def __init__(self, window: list[int], shift: list[int]) -> None:
        super().__init__()
        self.window, self.shift = tuple(window), tuple(shift)

    def sizes(self, x: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return how many windows there are each way, and the shift: none within one window."""
        height, width = (-(-side // w) for side, w in zip(x.shape[1:3], self.window, strict=True))
        fits = zip(self.shift, (height, width), strict=True)
        down, right = (shift if n > 1 else 0 for shift, n in fits)
        return (height, width), (down, right)

    def forward(self, x: Tensor) -> Tensor:
        """Return the windows, padded with zeros at the lower and the right border."""
        (rows, columns), (down, right) = self.sizes(x)
        high, wide = self.window
        x = F.pad(x, (0, 0, 0, columns * wide - x.shape[2], 0, rows * high - x.shape[1]))
        x = torch.roll(x, (-down, -right), (1, 2))
        x = x.unflatten(2, (columns, wide)).unflatten(1, (rows, high))
        return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def back(self, windows: Tensor, x: Tensor) -> Tensor:
        """Return windows (N windows, tokens, C) at their places, in the shape of x."""
        (rows, columns), (down, right) = self.sizes(x)
        high, wide = self.window
        windows = windows.unflatten(0, (-1, rows, columns)).unflatten(3, (high, wide))
        whole = windows.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return torch.roll(whole, (down, right), (1, 2))[:, : x.shape[1], : x.shape[2]]

    def mask(self, x: Tensor) -> Tensor:
        """Return what is added to attention (windows, 1, tokens, tokens): -100 between strangers.

        Tokens that a shift has brought together from two sides of the map are strangers.
        """
        (rows, columns), shifts = self.sizes(x)
        parts = []
        for n, side, shift in zip((rows, columns), self.window, shifts, strict=True):
            place = torch.arange(n * side, device=x.device)
            parts.append((place >= (n - 1) * side).long() + (place >= n * side - shift).long())
        if shifts[0] + shifts[1] == 0:
            return x.new_zeros(1)
        region = (3 * parts[0][:, None] + parts[1])[None, :, :, None]
        plain = Windows(list(self.window), [0, 0])
        tokens = plain(region).flatten(1)
        apart = tokens[:, :, None] != tokens[:, None]
        return (apart * -100.0).to(x.dtype)[:, None]


class Unwindows(nn.Module):
    """The way back of `Windows`: given windows and the map that they were made of."""

    def __init__(self, windows: Windows) -> None:
        super().__init__()
        self.windows = windows

    def forward(self, windows: Tensor, x: Tensor) -> Tensor:
        """Return the windows at their places, in the shape of x."""
        return self.windows.back(windows, x)


class WindowBias(nn.Module):
    """What is added to the attention in windows: positions' biases and the mask of a shift."""

    def __init__(self, windows: Windows, positions: Tensor) -> None:
        super().__init__()
        self.windows = windows
        self.positions = nn.Parameter(positions.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N windows or 1, heads, tokens, tokens), the same for every image."""
        mask = self.windows.mask(x)
        bias = self.positions + mask
        return bias.repeat(len(x), 1, 1, 1) if len(bias) > 1 else bias


class Unit(nn.Module):
    """Vectors of length 1 in the last dimension."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x / |x|, zero where x is."""
        return F.normalize(x, dim=-1)


class WindowAttention(nn.Module):
    """torchvision's attention in shifted windows (Swin), as steps.

    Parameters
    ----------
    made
        The module as it was. Its second version compares queries and keys by their angles.
    """

    def __init__(self, made: Any) -> None:
        super().__init__()
        self.heads = made.num_heads
        windows = Windows(made.window_size, made.shift_size)
        self.windows, self.back = windows, Unwindows(windows)
        self.bias = WindowBias(windows, made.get_relative_position_bias())
        weights = made.qkv.weight.chunk(3)
        biases = (None,) * 3 if made.qkv.bias is None else made.qkv.bias.chunk(3)
        self.query, self.key, self.value = (
            _linear(w, b) for w, b in zip(weights, biases, strict=True)
        )
        self.unit: nn.Module = nn.Identity()
        scale = None
        if hasattr(made, "logit_scale"):
            if self.key.bias is not None:  # torchvision's second version has none for keys
                self.key.bias = nn.Parameter(torch.zeros_like(self.key.bias), requires_grad=False)
            self.unit = Unit()
            scale = made.logit_scale.detach().clamp(max=math.log(100.0)).exp()
        self.attend = Attend(scale)
        self.out = made.proj

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, H, W, C) of (N, H, W, C)."""
        tokens = self.windows(x)
        q, k, v = (
            part(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        found = self.attend(self.unit(q), self.unit(k), v, self.bias(x))
        return self.back(self.out(found.transpose(1, 2).flatten(2)), x)


class RelativeAttention(nn.Module):
    """torchvision's attention with relative positions (MaxViT), as steps.

    Parameters
    ----------
    made
        The module as it was.
    """

    def __init__(self, made: Any) -> None:
        super().__init__()
        weights, biases = made.to_qkv.weight.chunk(3), made.to_qkv.bias.chunk(3)
        parts = [_linear(w, b) for w, b in zip(weights, biases, strict=True)]
        self.query, self.key, self.value = parts
        self.heads = made.n_heads
        self.attend = Attend(torch.tensor(made.scale_factor, dtype=made.to_qkv.weight.dtype))
        positions = made.get_relative_positional_bias().detach()[0]
        self.positions = nn.Parameter(positions, requires_grad=False)
        self.out = made.merge

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, groups, tokens, d) of (N, groups, tokens, d)."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for part in (self.query, self.key, self.value)
        )
        return self.out(self.attend(q, k, v, self.positions).transpose(-3, -2).flatten(-2))


#: What is written out, by the module and the name of its class: neither need be imported here.
WRITTEN_OUT: dict[tuple[str, str], type[nn.Module]] = {
    ("torch.nn.modules.activation", "MultiheadAttention"): MultiHead,
    ("torchvision.models.swin_transformer", "ShiftedWindowAttention"): WindowAttention,
    ("torchvision.models.swin_transformer", "ShiftedWindowAttentionV2"): WindowAttention,
    ("torchvision.models.maxvit", "RelativePositionalMultiHeadAttention"): RelativeAttention,
}
#: Of what is written out: the modules that are one step each.
STEPS = (Attend, Windows, Unwindows, WindowBias, Unit, *_timm_steps.STEPS)


def expand(network: nn.Module) -> None:
    """Write out attention and timm's layers, in place: the same function, up to rounding."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            kind = type(child)
            written = WRITTEN_OUT.get((kind.__module__, kind.__name__))
            if written is not None and _plain(child):
                setattr(parent, name, written(child).train(child.training))
            elif (layer := _timm_steps.written_out(child)) is not None:
                setattr(parent, name, layer)
        if hasattr(parent, "fused_attn"):  # timm's: one function in place of several
            parent.fused_attn = True  # type: ignore[assignment]


def _plain(module: nn.Module) -> bool:
    """Return whether a module's attention is one that is written out here."""
    if not isinstance(module, nn.MultiheadAttention):
        return True
    alike = module._qkv_same_embed_dim and module.bias_k is None and not module.add_zero_attn
    return bool(alike and module.batch_first)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a linear layer with a part of another's weights."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return layer
