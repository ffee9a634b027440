"""Each probe against a slow version written another way, and on maps and networks known by hand."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from skimage.metrics import structural_similarity
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.probes import PROBES, Probing
from rightreasons.probes._boxes import boxes, places
from rightreasons.probes._hidden import blurred
from rightreasons.probes._impute import impute
from rightreasons.probes.compute import Probed, probe_one, probe_values
from rightreasons.probes.input_invariance import first_convolution, unpadded, with_bias
from rightreasons.saliency import EXPLAINERS
from rightreasons.saliency.sanity import freshened

N, H, W = 5, 8, 10
Array = np.ndarray


def chosen(kind: str, **params: Any) -> Chosen:
    return Chosen(name=kind, kind=kind, params=params)


def images(n: int = N) -> torch.Tensor:
    return torch.randn(n, 3, H, W, generator=torch.Generator().manual_seed(1))


def linear() -> Classifier:
    """A network whose logits are affine in the image."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(nn.Flatten(), nn.Linear(3 * H * W, 2)).eval()


def bent() -> Classifier:
    """A small network that is not affine, padded and without a first bias."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        trunk = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        return Classifier(trunk, nn.Linear(6 * 20, 2)).eval()


def given(
    kind: str,
    network: Classifier,
    explainer: str = "input_x_gradient",
    maps: Array | None = None,
    fresh: Callable[[], Classifier] | None = None,
    classes: torch.Tensor | None = None,
) -> Probing:
    inputs = images()
    classes = torch.tensor([0, 1, 1, 0, 1]) if classes is None else classes
    component = EXPLAINERS[explainer]
    if maps is None:
        with component.run(network, component.params(), torch.Generator()) as attribute:
            maps = attribute(inputs, classes).maps.numpy()
    sign = PROBES[kind].traits["sign"]
    made = Probing(
        network, inputs, classes, maps, chosen(explainer), tuple(range(len(inputs))), 7,
        fresh=fresh or (lambda: copy.deepcopy(network)), sign=sign,
    )  # fmt: skip
    return made.of(chosen(explainer), maps)


def value(kind: str, of: Probing, **params: Any) -> Array:
    return probe_one(chosen(kind, **params), of)


def logit(of: Probing, i: int, image: torch.Tensor) -> float:
    with torch.no_grad():
        return float(of.model(image[None])[0, of.classes[i]])


def probability(of: Probing, i: int, image: torch.Tensor) -> float:
    with torch.no_grad():
        return float(torch.softmax(of.model(image[None]).double(), 1)[0, of.classes[i]])


def hide(image: torch.Tensor, pixels: list[tuple[int, int]], colour: float = 0.0) -> torch.Tensor:
    image = image.clone()
    for y, x in pixels:
        image[:, y, x] = colour
    return image


def trapezoid(values: list[float], step: float) -> float:
    return sum(step * (a + b) / 2 for a, b in itertools.pairwise(values))


def by_relevance(map_: Array) -> list[tuple[int, int]]:
    pixels = list(itertools.product(range(H), range(W)))
    return sorted(pixels, key=lambda pixel: -map_[pixel])


# Curves


def curve(of: Probing, i: int, output: Callable[..., float], cuts: list[int]) -> list[float]:
    order = by_relevance(of.maps[i])
    return [output(of, i, hide(of.inputs[i], order[:cut])) for cut in cuts]


@pytest.mark.parametrize("network", [linear, bent])
def test_pixel_flipping_and_deletion(network: Callable[[], Classifier]) -> None:
    cuts = [0, 20, 40, 60, 80]
    of = given("pixel_flipping", network())
    falls, areas = [], []
    for i in range(N):
        logits = curve(of, i, logit, cuts)
        falls.append(logits[0] - trapezoid(logits, 0.25))
        areas.append(trapezoid(curve(of, i, probability, cuts), 0.25))
    np.testing.assert_allclose(value("pixel_flipping", of, steps=4), falls, rtol=1e-4)
    np.testing.assert_allclose(value("deletion", of, steps=4), areas, rtol=1e-4)


def test_insertion_begins_with_a_blurred_image() -> None:
    of = given("insertion", bent())
    expected = []
    for i in range(N):
        sigma = 0.2 * H
        soft = np.stack([
            ndimage.gaussian_filter(channel, sigma, mode="nearest", radius=round(3 * sigma))
            for channel in of.inputs[i].numpy()
        ])  # fmt: skip
        order, curve = by_relevance(of.maps[i]), []
        for cut in (0, 20, 40, 60, 80):
            image = torch.from_numpy(soft).clone()
            for y, x in order[:cut]:
                image[:, y, x] = of.inputs[i, :, y, x]
            curve.append(probability(of, i, image))
        expected.append(trapezoid(curve, 0.25))
    np.testing.assert_allclose(value("insertion", of, steps=4, blur=0.2), expected, rtol=1e-4)


def test_a_blur_keeps_a_flat_image() -> None:
    flat = torch.full((1, 3, 12, 16), 0.7)
    torch.testing.assert_close(blurred(flat, 0.3), flat)


def test_of_a_linear_network_no_order_flips_faster_than_that_of_its_own_parts() -> None:
    network = linear()
    best = value("pixel_flipping", given("pixel_flipping", network))
    rng = np.random.default_rng(0)
    for _ in range(5):
        other = given("pixel_flipping", network, maps=rng.normal(size=(N, H, W)))
        assert (value("pixel_flipping", other) < best).all()


def test_boxes_are_hidden_as_a_whole_and_divide_any_image() -> None:
    of = given("pixel_flipping", bent())
    box = boxes(3, (H, W))
    expected = []
    for i in range(N):
        relevance = [of.maps[i][box == k].sum() for k in range(9)]
        order = np.argsort(relevance)[::-1]
        image, logits = of.inputs[i].clone(), [logit(of, i, of.inputs[i])]
        for k in order:
            image[:, torch.from_numpy(box == k)] = 0
            logits.append(logit(of, i, image))
        expected.append(logits[0] - trapezoid(logits, 1 / 9))
    made = value("pixel_flipping", of, grid=3, steps=9)
    np.testing.assert_allclose(made, expected, rtol=1e-4)
    assert box[:, 0].tolist() == [0, 0, 0, 3, 3, 3, 6, 6]
    with pytest.raises(UserError, match="finer than the images"):
        value("pixel_flipping", of, grid=9)


def test_ties_have_no_place() -> None:
    """Of a map with two values, pixels of the same value come in an order of the image's own."""
    maps = np.zeros((N, H, W))
    maps[:, 4, 4] = 1
    seen: list[Array] = []
    of = given("pixel_flipping", linear(), maps=maps)
    place, count = places(of, 0)
    assert count == H * W
    assert (place[:, 4, 4] == 0).all()
    for one in place:
        assert sorted(one.ravel()) == list(range(H * W))
        assert not any(np.array_equal(one, other) for other in seen)
        assert abs(stats.spearmanr(one.ravel(), np.arange(H * W)).statistic) < 0.5
        seen.append(one)
    np.testing.assert_array_equal(places(of.of(of.explainer, maps * 3), 0)[0], place)


# ROAD


def test_hidden_pixels_are_weighted_means_of_their_neighbours() -> None:
    rng = np.random.default_rng(3)
    image, hidden = rng.normal(size=(2, 6, 7)), rng.random((6, 7)) < 0.6
    filled = impute(image, hidden)
    for y, x in itertools.product(range(6), range(7)):
        if not hidden[y, x]:
            np.testing.assert_array_equal(filled[:, y, x], image[:, y, x])
            continue
        total, weights = np.zeros(2), 0.0
        for down, right in itertools.product((-1, 0, 1), repeat=2):
            if (down or right) and 0 <= y + down < 6 and 0 <= x + right < 7:
                weight = 1 / 12 if down and right else 1 / 6
                total += weight * filled[:, y + down, x + right]
                weights += weight
        np.testing.assert_allclose(filled[:, y, x], total / weights, atol=1e-10)
    np.testing.assert_array_equal(impute(image, np.zeros((6, 7), bool)), image)
    plane = np.add.outer(np.arange(9.0), 2 * np.arange(9.0))[None]
    inner = np.zeros((9, 9), bool)
    inner[2:7, 2:7] = True
    np.testing.assert_allclose(impute(plane, inner), plane, atol=1e-10)


def test_road() -> None:
    network = bent()
    with torch.no_grad():
        decided = network(images()).argmax(1)
    of = given("road", network, classes=decided)
    made = value("road", of, shares=[0.25, 0.5, 0.75], noise=0)
    expected = []
    for i in range(N):
        order, kept = by_relevance(of.maps[i]), []
        for count in (20, 40, 60):
            hidden = np.zeros((H, W), bool)
            hidden[tuple(zip(*order[:count], strict=True))] = True
            image = impute(of.inputs[i].double().numpy(), hidden)
            with torch.no_grad():
                now = network(torch.from_numpy(image).float()[None]).argmax()
            kept.append(now == decided[i])
        expected.append(np.mean(kept))
    np.testing.assert_allclose(made, expected)
    assert len(set(expected)) > 1
    assert np.isnan(value("road", given("road", network, classes=1 - decided))).all()


# Sets of pixels


def test_relevance_that_adds_up_has_sensitivity_1_for_every_n() -> None:
    pixels, of = given("sensitivity_n", linear()), given("sensitivity_n", linear())
    np.testing.assert_allclose(value("sensitivity_n", pixels, grid=0), 1, atol=1e-6)
    np.testing.assert_allclose(value("sensitivity_n", of, grid=4), 1, atol=1e-6)
    turned = of.of(of.explainer, -of.maps)
    np.testing.assert_allclose(value("sensitivity_n", turned, grid=4), -1, atol=1e-6)


def test_sensitivity_n() -> None:
    of = given("sensitivity_n", bent())
    made = value("sensitivity_n", of, grid=0, shares=[0.1, 0.5], samples=6)
    expected = []
    for i in range(N):
        rng, correlations = of.rng(i, "sets"), []
        for count in (8, 40):
            claims, falls = [], []
            for _ in range(6):
                pixels = [divmod(int(k), W) for k in rng.permutation(H * W)[:count]]
                claims.append(sum(of.maps[i][pixel] for pixel in pixels))
                hidden = hide(of.inputs[i], pixels)
                falls.append(logit(of, i, of.inputs[i]) - logit(of, i, hidden))
            correlations.append(stats.pearsonr(claims, falls).statistic)
        expected.append(np.mean(correlations))
    np.testing.assert_allclose(made, expected, rtol=1e-3)


def test_where_nothing_changes_there_is_no_correlation() -> None:
    dead = linear()
    nn.init.zeros_(dead.head.weight)
    of = given("sensitivity_n", dead, maps=np.random.default_rng(0).normal(size=(N, H, W)))
    assert np.isnan(value("sensitivity_n", of, grid=4)).all()


def test_relevance_that_adds_up_has_infidelity_0() -> None:
    of = given("infidelity", linear())
    np.testing.assert_allclose(value("infidelity", of), 0, atol=1e-10)
    np.testing.assert_allclose(value("infidelity", of, scaled=False), 0, atol=1e-10)
    other = of.of(of.explainer, 10 * of.maps)
    np.testing.assert_allclose(value("infidelity", other), 0, atol=1e-10)
    assert (value("infidelity", other, scaled=False) > 1e-3).all()


def test_infidelity() -> None:
    of = given("infidelity", bent())
    plain, scaled = [], []
    for i in range(N):
        rng, claims, falls = of.rng(i, "squares"), [], []
        for side in rng.integers(1, 4 + 1, 9):
            top, left = int(rng.integers(0, H - side + 1)), int(rng.integers(0, W - side + 1))
            pixels = [(top + a, left + b) for a in range(side) for b in range(side)]
            claims.append(sum(of.maps[i][pixel] for pixel in pixels))
            falls.append(logit(of, i, of.inputs[i]) - logit(of, i, hide(of.inputs[i], pixels)))
        a, b = np.array(claims), np.array(falls)
        plain.append(np.mean((a - b) ** 2))
        scales = np.linalg.lstsq(a[:, None], b, rcond=None)[0]  # the best there is
        scaled.append(np.mean((a * scales - b) ** 2))
    options = {"samples": 9, "largest": 0.5}
    made = value("infidelity", of, scaled=False, **options)
    np.testing.assert_allclose(made, plain, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(value("infidelity", of, **options), scaled, rtol=1e-3, atol=1e-7)


# Robustness


def test_max_sensitivity() -> None:
    of = given("max_sensitivity", bent())
    component = EXPLAINERS["input_x_gradient"]
    expected = np.zeros(N)
    with component.run(of.model, component.params(), torch.Generator()) as attribute:
        for i, sample in itertools.product(range(N), range(3)):
            noise = of.rng(i, "noise", sample).uniform(-0.2, 0.2, (3, H, W))
            moved = (of.inputs[i] + torch.from_numpy(noise).float())[None]
            again = attribute(moved, of.classes[i : i + 1]).maps[0].numpy()
            change = np.sqrt(((again - of.maps[i]) ** 2).sum() / (of.maps[i] ** 2).sum())
            expected[i] = max(expected[i], change)
    made = value("max_sensitivity", of, samples=3, radius=0.2)
    np.testing.assert_allclose(made, expected, rtol=1e-4)


def test_the_gradient_of_a_linear_network_never_moves() -> None:
    of = given("max_sensitivity", linear(), "gradient")
    np.testing.assert_allclose(value("max_sensitivity", of), 0)


def test_noise_is_not_robust() -> None:
    network = bent()
    for kind in ("max_sensitivity", "input_invariance"):
        assert (value(kind, given(kind, network, "random")) > 1).all()


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18", "squeezenet1_1"])
def test_a_shift_is_undone_at_the_border_as_well(architecture: str) -> None:
    model = build_classifier(architecture).eval()
    inputs = torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    one, margin = unpadded(model)
    other = copy.deepcopy(one)
    with_bias(first_convolution(other), 1.5)
    wide = nn.functional.pad(inputs, (margin[1], margin[1], margin[0], margin[0]))
    with torch.no_grad():
        torch.testing.assert_close(one(wide), model(inputs), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(other(wide + 1.5), model(inputs), rtol=1e-4, atol=1e-4)


def test_input_invariance() -> None:
    """The gradient does not move with a shift m; the gradient times the image by m times it."""
    network = bent()
    still = given("input_invariance", network, "gradient")
    np.testing.assert_allclose(value("input_invariance", still), 0, atol=1e-5)
    of = given("input_invariance", network)
    expected = np.linalg.norm(1.5 * still.maps, axis=(1, 2)) / np.linalg.norm(of.maps, axis=(1, 2))
    np.testing.assert_allclose(value("input_invariance", of, shift=1.5), expected, rtol=1e-4)


def test_a_network_that_does_not_begin_with_a_convolution_is_refused() -> None:
    with pytest.raises(UserError, match="does not begin with a convolution"):
        value("input_invariance", given("input_invariance", linear()))


# Complexity


def one_hot(at: tuple[int, int] = (2, 3)) -> Array:
    maps = np.zeros((N, H, W))
    maps[:, at[0], at[1]] = -2.0
    return maps


def complexity(kind: str, maps: Array, **params: Any) -> Array:
    return value(kind, given(kind, linear(), maps=maps), **params)


def test_maps_whose_complexity_is_known() -> None:
    one, flat, n = one_hot(), np.full((N, H, W), -3.0), H * W
    np.testing.assert_allclose(complexity("sparseness", one), 1 - 1 / n)
    np.testing.assert_allclose(complexity("sparseness", flat), 0, atol=1e-12)
    np.testing.assert_allclose(complexity("entropy", one), 0)
    np.testing.assert_allclose(complexity("entropy", flat), np.log(n))
    np.testing.assert_allclose(complexity("effective_complexity", one), 1 / n)
    np.testing.assert_allclose(complexity("effective_complexity", flat), 1)


def test_complexity_of_any_map() -> None:
    maps = np.random.default_rng(5).normal(size=(N, H, W))
    gini, spread, share = [], [], []
    for one in np.abs(maps):
        flat = one.ravel()
        apart = sum(abs(a - b) for a in flat for b in flat)  # half the mean relative difference
        gini.append(apart / (2 * flat.size * flat.sum()))
        spread.append(stats.entropy(flat))
        share.append(sum(v > 0.1 * flat.max() for v in flat) / flat.size)
    np.testing.assert_allclose(complexity("sparseness", maps), gini)
    np.testing.assert_allclose(complexity("entropy", maps), spread)
    np.testing.assert_allclose(complexity("effective_complexity", maps, least=0.1), share)


# Randomisation


def explained(network: Classifier, classes: torch.Tensor, name: str = "gradient") -> Array:
    component = EXPLAINERS[name]
    with component.run(network, component.params(), torch.Generator()) as attribute:
        return attribute(images(), classes).maps.double().numpy()


def other_bent() -> Classifier:
    network = bent()
    with torch.random.fork_rng():
        torch.manual_seed(8)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()
    return network


def test_mprt() -> None:
    network, fresh = bent(), other_bent()
    of = given("mprt", network, "gradient", fresh=lambda: fresh)
    headless = copy.deepcopy(network)
    headless.head = fresh.head
    before = np.abs(explained(network, of.classes))
    ssim, ranks = np.zeros(N), np.zeros(N)
    for one in (headless, fresh):
        for i, after in enumerate(np.abs(explained(one, of.classes))):
            a, b = before[i], after
            ssim[i] += structural_similarity(a / a.max(), b / b.max(), data_range=1) / 2
            ranks[i] += stats.spearmanr(a.ravel(), b.ravel()).statistic / 2
    np.testing.assert_allclose(value("mprt", of), ssim, atol=1e-4)
    np.testing.assert_allclose(value("mprt", of, similarity="spearman"), ranks, atol=1e-4)


def test_efficient_mprt() -> None:
    network, fresh = bent(), other_bent()
    of = given("efficient_mprt", network, "gradient", fresh=lambda: fresh)
    expected = []
    pairs = zip(explained(network, of.classes), explained(fresh, of.classes), strict=True)
    for pair in pairs:
        rises = []
        for one in pair:
            edges = np.linspace(one.min(), one.max(), 11)
            count = [0] * 10
            for v in one.ravel():
                count[min(9, int(np.searchsorted(edges, v, side="right")) - 1)] += 1
            rises.append(stats.entropy(count, base=2))
        expected.append((rises[1] - rises[0]) / rises[0])
    np.testing.assert_allclose(value("efficient_mprt", of, bins=10), expected, atol=0.02)
    same = given("efficient_mprt", network, "gradient")
    np.testing.assert_allclose(value("efficient_mprt", same), 0, atol=1e-12)


def test_random_logit() -> None:
    network = bent()
    of = given("random_logit", network, "gradient")
    own, other = explained(network, of.classes), explained(network, 1 - of.classes)
    expected = [
        stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(own, other, strict=True)
    ]
    np.testing.assert_allclose(value("random_logit", of), expected, atol=1e-6)
    mirrored = copy.deepcopy(network)
    mirrored.head.weight.data[1] = -mirrored.head.weight.data[0]
    opposed = value("random_logit", given("random_logit", mirrored, "gradient"))
    np.testing.assert_allclose(opposed, -1, atol=1e-6)


@pytest.mark.parametrize("control", ["random", "edges"])
def test_a_control_is_found_out_by_every_randomisation(control: str) -> None:
    network, fresh = bent(), other_bent()
    for kind, worst in (("mprt", 1), ("efficient_mprt", 0), ("random_logit", 1)):
        of = given(kind, network, control, fresh=lambda: fresh)
        np.testing.assert_allclose(value(kind, of), worst, atol=1e-9)


def test_a_fresh_network_keeps_what_a_method_put_between_the_layers() -> None:
    trained, plain = build_classifier("small_cnn", seed=1), build_classifier("small_cnn", seed=2)
    directions = torch.randn(1024, generator=torch.Generator().manual_seed(0))
    trained.intervention = projection(directions, torch.zeros(1024))
    made = freshened(trained, plain)
    state = made.state_dict()
    for key, tensor in plain.state_dict().items():
        assert torch.equal(state[key], tensor), key
    torch.testing.assert_close(made.intervention.state_dict(), trained.intervention.state_dict())
    with pytest.raises(UserError, match="another architecture"):
        freshened(trained, bent())


# All together


def test_every_explainer_has_a_row_for_every_image_and_probe() -> None:
    network = bent()
    names = ("gradient", "edges")
    pictures = np.random.default_rng(0).integers(0, 256, (N, H, W, 3), np.uint8)
    maps = {name: np.random.default_rng(1).normal(size=(N, H, W)) for name in names}
    of = Probed(
        network, lambda: network, pictures, np.arange(N), np.zeros(N, np.int64),
        [chosen(name) for name in names], maps, torch.device("cpu"),
    )  # fmt: skip
    probes = [chosen("sparseness"), chosen("deletion", steps=2)]

    def quiet(items: Any, description: str = "") -> Any:
        return items

    tables = [probe_values(of, probes, batch_size=size, seed=1, progress=quiet) for size in (2, N)]
    np.testing.assert_allclose(tables[0].pop("value"), tables[1].pop("value"), rtol=1e-5)
    assert tables[0].equals(tables[1])
    assert len(tables[0]) == 2 * 2 * N
    assert tables[0].groupby("explainer")["control"].first().to_dict() == {
        "gradient": False, "edges": True,
    }  # fmt: skip
