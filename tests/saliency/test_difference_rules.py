"""DeepLIFT's rules one by one: in loops, as gradients where nothing differs, and adding up."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product as pairs

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rightreasons.models.classifier import Grouped
from rightreasons.saliency import _token_rules
from rightreasons.saliency._difference_rules import (
    Activated,
    Batch,
    Divided,
    LogSumExp,
    MaxPooled,
    Multiplied,
    Normalised,
    Rectified,
    Responses,
    Softmax,
)
from rightreasons.saliency._steps import ACTIVATIONS

Tensor = torch.Tensor
DOUBLE = torch.double


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=stream, dtype=DOUBLE)


def of_three() -> Batch:
    """Two images and a baseline."""
    batch = Batch()
    batch.size = 3
    return batch


def carried(step: nn.Module, m: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Return the multipliers of the inputs, given those of the output for the images (2, ...)."""
    inputs = tuple(x.detach().requires_grad_() for x in inputs)
    found = torch.autograd.grad(step(*inputs), inputs, torch.cat([m, torch.zeros_like(m[:1])]))
    assert all((given[-1] == 0).all() for given in found)
    return [given[:-1] for given in found]


GROUPS = torch.tensor([[True, False, True, False, False], [False, True, False, True, False]])
#: Each rule: the step, what it is as PyTorch has it, and the inputs of one image.
STEPS: dict[str, tuple[Callable[[Batch], nn.Module], Callable[..., Tensor], list[tuple]]] = {
    "relu": (Rectified, F.relu, [(4, 5)]),
    "gelu": (lambda batch: Activated(batch, nn.GELU()), F.gelu, [(4, 5)]),
    "max pooling": (
        lambda batch: MaxPooled(batch, nn.MaxPool2d(3, 2, return_indices=True)),
        lambda x: F.max_pool2d(x, 3, 2),
        [(2, 7, 6)],
    ),
    "product": (lambda batch: Multiplied(batch, torch.mul), torch.mul, [(4, 3, 3), (4, 1, 1)]),
    "matrices": (
        lambda batch: Multiplied(batch, torch.matmul),
        torch.matmul,
        [(2, 3, 4), (2, 4, 5)],
    ),
    "einsum": (
        lambda batch: Multiplied(batch, lambda a, b: torch.einsum("nij,nkj->nik", a, b)),
        lambda a, b: a @ b.mT,
        [(3, 4), (5, 4)],
    ),
    "softmax": (lambda batch: Softmax(batch, 1), lambda x: x.softmax(1), [(5, 2)]),
    "log-sum-exp": (lambda batch: LogSumExp(batch, Grouped(GROUPS)), Grouped(GROUPS), [(5,)]),
    "layer norm": (
        lambda batch: Normalised(batch, _token_rules.layer_norm),
        lambda x, *rest: F.layer_norm(x, *rest),
        [(3, 6)],
    ),
    "group norm": (
        lambda batch: Normalised(batch, _token_rules.group_norm),
        lambda x, *rest: F.group_norm(x, *rest),
        [(6, 2, 2)],
    ),
    "rms norm": (
        lambda batch: Normalised(batch, _token_rules.rms_norm),
        lambda x, *rest: F.rms_norm(x, *rest),
        [(3, 6)],
    ),
    "response norm": (
        lambda batch: Responses(batch, (1, 2), 3, 1e-3),
        lambda x: (
            x.norm(dim=(1, 2), keepdim=True)
            / (x.norm(dim=(1, 2), keepdim=True).mean(3, keepdim=True) + 1e-3)
        ),
        [(4, 2, 5)],
    ),
    "unit": (
        lambda batch: Divided(batch, (-1,), 1e-12, unit=True),
        lambda x: F.normalize(x, dim=-1),
        [(3, 6)],
    ),
}
REST = {
    "layer norm": ((6,), drawn(6, seed=8), drawn(6, seed=9), 1e-5),
    "rms norm": ((6,), drawn(6, seed=8), 1e-5),
    "group norm": (3, drawn(6, seed=8), drawn(6, seed=9), 1e-5),
}


def made(name: str) -> tuple[nn.Module, Callable[..., Tensor], list[Tensor]]:
    """Return a step, its function and inputs of two images and a baseline."""
    build, function, shapes = STEPS[name]
    rest = REST.get(name, ())
    step = build(of_three())
    whole = nn.Module()
    whole.step = step
    whole.forward = lambda *inputs: step(*inputs, *rest)
    inputs = [drawn(3, *shape, seed=k) for k, shape in enumerate(shapes)]
    return whole, lambda *values: function(*values, *rest), inputs


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_its_function_and_multipliers_add_up(name: str) -> None:
    step, function, inputs = made(name)
    y = function(*inputs)
    torch.testing.assert_close(step(*inputs), y)
    m = drawn(*y[:2].shape, seed=7)
    found = carried(step, m, *inputs)
    whole = sum((g * (x[:2] - x[2])).flatten(1).sum(1) for g, x in zip(found, inputs, strict=True))
    torch.testing.assert_close(whole, (m * (y[:2] - y[2])).flatten(1).sum(1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in STEPS if name != "max pooling"])
def test_multipliers_are_the_gradient_where_image_and_baseline_are_the_same(name: str) -> None:
    """Max pooling has none there: which place the maximum would leave is not known."""
    step, function, inputs = made(name)
    inputs = [x[2:].expand(3, *x.shape[1:]) for x in inputs]
    m = drawn(*function(*inputs)[:2].shape, seed=7)
    held = [x[:2].clone().requires_grad_() for x in inputs]
    expected = torch.autograd.grad((function(*held) * m).sum(), held)
    for given, gradient in zip(carried(step, m, *inputs), expected, strict=True):
        torch.testing.assert_close(given, gradient, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["matrices", "softmax", "layer norm", "unit"])
def test_images_that_are_several_rows_each_have_their_own_rows_of_the_baseline(name: str) -> None:
    """Windows of attention are rows side by side: window 0 and 1 of image 0, then of image 1."""
    step, _, inputs = made(name)
    others = [drawn(*x.shape, seed=20 + k) for k, x in enumerate(inputs)]
    both = [
        torch.stack([x, other], 1).flatten(0, 1) for x, other in zip(inputs, others, strict=True)
    ]
    m = drawn(*step(*both)[:4].shape, seed=7)
    many = [x.detach().requires_grad_() for x in both]
    joint = torch.autograd.grad(step(*many), many, torch.cat([m, torch.zeros_like(m[:2])]))
    for window, alone in enumerate((inputs, others)):
        apart = carried(step, m[window::2], *alone)
        for given, expected in zip(joint, apart, strict=True):
            torch.testing.assert_close(given[window:4:2], expected)


# --- Functions of single values. ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_an_activation_is_rescaled(kind: type[nn.Module]) -> None:
    function = kind().double()
    x = torch.tensor([-7.0, -3.4, -3.0, -0.7, 0.0, 0.4, 2.5, 3.3, 5.0, 8.0], dtype=DOUBLE)
    grid = torch.cartesian_prod(x, x)
    batch = Batch()
    batch.size = 2
    inputs = grid.T[..., None]
    (found,) = torch.autograd.grad(
        Activated(batch, function)(held := inputs.requires_grad_()),
        held,
        torch.tensor([1.0, 0.0], dtype=DOUBLE)[:, None, None].expand_as(inputs),
    )
    for (a, b), slope in zip(grid.detach(), found[0, :, 0], strict=True):
        if a != b:
            expected = (function(a) - function(b)) / (a - b)
            torch.testing.assert_close(slope, expected.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("start", [-1.3, 0.2, 1.1, 4.0])
@pytest.mark.parametrize("kind", [nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Mish])
def test_rounding_of_a_small_difference_does_not_reach_the_multiplier(
    kind: type[nn.Module], start: float
) -> None:
    """In 32 bits a quotient of differences of 1e-6 would be some tenths off."""
    distance = 10 ** torch.linspace(-7, 0, 200)
    there = torch.full_like(distance, start)
    here = there + distance
    batch = Batch()
    batch.size = 2
    inputs = torch.stack([here, there]).requires_grad_()
    m = torch.stack([torch.ones_like(here), torch.zeros_like(here)])
    (found,) = torch.autograd.grad(Activated(batch, kind())(inputs), inputs, m)
    held = there.double().requires_grad_()
    apart = here.double() - there.double()
    exact = (kind()(here.double()) - kind()(there.double())) / apart
    (gradient,) = torch.autograd.grad(kind()(held).sum(), held)
    exact = torch.where(apart < 1e-6, gradient, exact)
    assert (found[0] - exact).abs().max() < 5e-5


@pytest.mark.parametrize(
    ("function", "kink"),
    [(nn.Hardswish(), -3.0), (nn.Hardswish(), 3.0), (nn.Hardsigmoid(), 3.0), (nn.ReLU6(), 6.0)],
)
@pytest.mark.parametrize("distance", [1e-4, 1e-3, 5e-3, 0.03])
def test_a_kink_between_two_near_values_is_seen(
    function: nn.Module, kink: float, distance: float
) -> None:
    """From a quarter of the distance below the kink to three quarters above it."""
    batch = Batch()
    batch.size = 2
    ends = [kink + 0.75 * distance, kink - 0.25 * distance]
    inputs = torch.tensor(ends)[:, None].requires_grad_()
    m = torch.tensor([[1.0], [0.0]])
    (found,) = torch.autograd.grad(Activated(batch, function)(inputs), inputs, m)
    above, below = inputs.detach().double()[:, 0]
    exact = (function(above) - function(below)) / (above - below)
    assert abs(float(found[0, 0] - exact)) < 1e-2


# --- Loops. -------------------------------------------------------------------------------------


def both_ways(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def windows(pool: nn.MaxPool2d, shape: tuple[int, int], at: tuple[int, int]) -> list:
    """Return the places that one maximum is taken of."""
    sides = []
    for k, side in enumerate(shape):
        names = (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
        size, stride, padding, dilation = (both_ways(name)[k] for name in names)
        places = [at[k] * stride - padding + n * dilation for n in range(size)]
        sides.append([place for place in places if 0 <= place < side])
    return list(pairs(*sides))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, padding=1),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d((3, 2), (2, 3), padding=(1, 0)),
        nn.MaxPool2d(3, 1, padding=1),
        nn.MaxPool2d(2, 2, dilation=2),
    ],
)
def test_max_pooling_in_loops(pool: nn.MaxPool2d) -> None:
    """y - y' belongs to the places of both maxima, up to and from the larger of the two."""
    x, batch = drawn(3, 2, 7, 8), of_three()
    m = drawn(*pool(x)[:2].shape, seed=5)
    indexed = copy.copy(pool)
    indexed.return_indices = True
    (found,) = carried(MaxPooled(batch, indexed), m, x)
    for image, c in pairs(range(2), range(2)):
        here, there, given = x[image, c], x[2, c], torch.zeros(7, 8, dtype=DOUBLE)
        for at in pairs(*(range(n) for n in m.shape[2:])):
            window = windows(pool, (7, 8), at)
            first, second = (max(window, key=lambda place: v[place]) for v in (here, there))
            y, reference = here[first], there[second]
            top = max(y, reference)
            given[first] += m[image, c][at] * (top - reference)
            given[second] += m[image, c][at] * (y - top)
        torch.testing.assert_close(found[image, c], given / (here - there))


def test_adaptive_max_pooling_is_max_pooling_of_its_windows() -> None:
    x, m = drawn(3, 2, 6, 8), drawn(2, 2, 3, 2, seed=5)
    pools = nn.AdaptiveMaxPool2d((3, 2), return_indices=True), nn.MaxPool2d((2, 4))
    pools[1].return_indices = True
    found = [carried(MaxPooled(of_three(), pool), m, x)[0] for pool in pools]
    assert torch.equal(*found)


def test_products_of_matrices_in_loops() -> None:
    a, b, m = drawn(3, 2, 3), drawn(3, 3, 4, seed=1), drawn(2, 2, 4, seed=2)
    of_a, of_b = carried(Multiplied(of_three(), torch.matmul), m, a, b)
    for n in range(2):
        for i, k in pairs(range(2), range(3)):
            expected = sum(m[n, i, j] * (b[n, k, j] + b[2, k, j]) / 2 for j in range(4))
            torch.testing.assert_close(of_a[n, i, k], expected)
        for k, j in pairs(range(3), range(4)):
            expected = sum(m[n, i, j] * (a[n, i, k] + a[2, i, k]) / 2 for i in range(2))
            torch.testing.assert_close(of_b[n, k, j], expected)


def quotient(m: Tensor, z: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Return the multipliers of z and d, each of image and baseline, of y = z / d.

    z = y d has the product's parts: z - z' = d~ (y - y') + y~ (d - d'), solved for y - y'.
    """
    middle, y = (d[0] + d[1]) / 2, (z[0] / d[0] + z[1] / d[1]) / 2
    of_z = [m[j] / middle for j in range(len(m))]
    of_d = -sum(m[j] * y[j] / middle for j in range(len(m)))
    return torch.stack(of_z), of_d


def test_softmax_in_loops() -> None:
    x, m = drawn(3, 5, scale=3), drawn(2, 5, seed=1)
    (found,) = carried(Softmax(of_three()), m, x)
    for n in range(2):
        e = x[[n, 2]].exp()
        s = e.sum(1)
        of_e, of_s = quotient(m[n], e, s)
        for i in range(5):
            slope = (e[0, i] - e[1, i]) / (x[n, i] - x[2, i])
            torch.testing.assert_close(found[n, i], slope * (of_e[i] + of_s))


def test_logarithms_of_sums_of_exponentials_in_loops() -> None:
    x, m = drawn(3, 5, scale=3), drawn(2, 2, seed=1)
    (found,) = carried(LogSumExp(of_three(), Grouped(GROUPS)), m, x)
    for n in range(2):
        e, expected = x[[n, 2]].exp(), torch.zeros(5, dtype=DOUBLE)
        for k, group in enumerate(GROUPS):
            s = e[:, group].sum(1)
            for i in group.nonzero()[:, 0]:
                of_s = (s[0].log() - s[1].log()) / (s[0] - s[1])
                expected[i] = m[n, k] * of_s * (e[0, i] - e[1, i]) / (x[n, i] - x[2, i])
        torch.testing.assert_close(found[n], expected)


@pytest.mark.parametrize("unit", [False, True])
def test_divisions_by_deviations_in_loops(unit: bool) -> None:
    z, m = drawn(3, 6), drawn(2, 6, seed=1)
    (found,) = carried(Divided(of_three(), (-1,), 1e-3, unit=unit), m, z)
    for n in range(2):
        both = z[[n, 2]]
        v = both.square().sum(1) if unit else both.square().mean(1) + 1e-3
        of_z, of_d = quotient(m[n], both, v.sqrt())
        of_v = of_d * (v[0].sqrt() - v[1].sqrt()) / (v[0] - v[1])
        for i in range(6):
            square = (both[0, i] ** 2 - both[1, i] ** 2) / (both[0, i] - both[1, i])
            expected = of_z[i] + of_v * square / (1 if unit else 6)
            torch.testing.assert_close(found[n, i], expected)


def test_responses_in_loops() -> None:
    z, m = drawn(3, 2, 2, 3), drawn(2, 1, 1, 3, seed=1)
    (found,) = carried(Responses(of_three(), (1, 2), 3, 1e-3), m, z)
    for n in range(2):
        both = z[[n, 2]]
        lengths = [
            [sum(float(v) ** 2 for v in one[..., c].flatten()) ** 0.5 for c in range(3)]
            for one in both
        ]
        g = torch.tensor(lengths, dtype=DOUBLE)
        of_g, of_d = quotient(m[n].flatten(), g, g.mean(1) + 1e-3)
        for c in range(3):
            of_square = (of_g[c] + of_d / 3) * (g[0, c] - g[1, c]) / (g[0, c] ** 2 - g[1, c] ** 2)
            for i, j in pairs(range(2), range(2)):
                one, other = both[:, i, j, c]
                expected = of_square * (one**2 - other**2) / (one - other)
                torch.testing.assert_close(found[n, i, j, c], expected)


# --- Extremes in 32 bits. -----------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 30.0, -300.0, 5000.0])
def test_softmax_neither_overflows_nor_grows_with_the_scores(shift: float) -> None:
    """Scores of an image that are all higher change nothing: parts stay as large as m."""
    scores = drawn(3, 6, scale=4).float()
    scores[:2] += shift
    scores[:, 3] = -torch.inf
    m = drawn(2, 6, seed=1).float()
    (found,) = carried(Softmax(of_three()), m, scores)
    assert found.isfinite().all()
    assert (found[:, 3] == 0).all()
    apart = torch.where(scores[:2] == scores[2], 0, scores[:2] - scores[2])
    parts = found * apart
    gain = (m * (scores.softmax(1)[:2] - scores.softmax(1)[2])).sum(1)
    torch.testing.assert_close(parts.sum(1), gain, rtol=1e-4, atol=1e-4)
    assert parts.abs().max() < 4 * m.abs().max()


def test_log_sum_exp_of_large_logits() -> None:
    logits = torch.tensor(
        [[900.0, -900.0, 0.0, 3.0, 1.0], [0, 0, 0, 0, 0], [-900.0, 900.0, 1, 2, 3]]
    )
    m = torch.ones(2, 2)
    (found,) = carried(LogSumExp(of_three(), Grouped(GROUPS)), m, logits)
    y = Grouped(GROUPS)(logits)
    gain = (y[:2] - y[2]).sum(1)
    torch.testing.assert_close(
        (found * (logits[:2] - logits[2])).sum(1), gain, rtol=1e-5, atol=1e-3
    )
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_constant_baseline_does_not_make_parts_of_a_norm_large() -> None:
    """Its deviation is sqrt(eps); the mean of the inverse deviations would be 158."""
    x, m = drawn(3, 8).float(), drawn(2, 8, seed=1).float()
    x[2] = 0.3
    step = Normalised(of_three(), _token_rules.layer_norm)
    whole = nn.Module()
    whole.forward = lambda x: step(x, (8,))
    (found,) = carried(whole, m, x)
    parts = found * (x[:2] - x[2])
    gain = (m * F.layer_norm(x, (8,))[:2]).sum(1)
    torch.testing.assert_close(parts.sum(1), gain, rtol=1e-4, atol=1e-5)
    deviation = x[:2].std(1, correction=0)
    assert (found.norm(dim=1) <= 2.1 * m.norm(dim=1) / deviation).all()
