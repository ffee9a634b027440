"""The probes against Quantus's metrics, on the same network, images and maps.

    uv venv quantus
    uv pip install --python quantus/bin/python quantus==0.6.0 captum torchvision pydantic pandas \
        pyarrow pyyaml psutil
    PYTHONPATH=src quantus/bin/python benchmarks/probes_quantus.py

Quantus has an environment of its own, as its requirements are not the suite's. The network is small
and not trained, with large logits; images are smooth noise, grey, so that Quantus can be given one
channel: with three, it takes each channel's value for a feature of its own. Where
random numbers matter, both have the same.

Prints the largest difference over images and explainers, and Spearman's correlation.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import quantus
import torch
from scipy import ndimage, stats
from torch import nn

from rightreasons.core.job import Chosen
from rightreasons.models.classifier import Classifier
from rightreasons.probes import PROBES, Probing
from rightreasons.probes.compute import probe_one
from rightreasons.saliency import EXPLAINERS

N, SIDE = 24, 32
ORDERED = ("pixel_flipping", "deletion", "road")
NAMES = ("gradient", "input_x_gradient", "integrated_gradients", "lrp", "edges", "random")
Array = np.ndarray


class Grey(nn.Module):
    """The network for images of one channel; its first convolution comes first in its modules."""

    def __init__(self, inner: Classifier) -> None:
        super().__init__()
        self.first = inner.trunk[0]
        self.inner = inner

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.inner(inputs.repeat(1, 4 - inputs.shape[1], 1, 1) if inputs.shape[1] == 1
                          else inputs)  # fmt: skip


def network() -> Classifier:
    torch.manual_seed(0)
    trunk = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    model = Classifier(trunk, nn.Linear(8 * 36, 2)).eval()
    with torch.no_grad():
        model.head.weight *= 12
    return model


MODEL = network()
GREY = Grey(MODEL).eval()


def images() -> torch.Tensor:
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(N, 1, SIDE, SIDE)), (0, 0, 1.5, 1.5))
    return torch.from_numpy(noise / noise.std()).float()


X1 = images()
X3 = X1.repeat(1, 3, 1, 1)
with torch.no_grad():
    CLASSES = MODEL(X3).argmax(1)
Y = CLASSES.numpy()


def chosen(kind: str, **params: Any) -> Chosen:
    return Chosen(name=kind, kind=kind, params=params)


def maps_of(name: str, model: Classifier, inputs: torch.Tensor, classes: torch.Tensor) -> Array:
    component = EXPLAINERS[name]
    with component.run(model, component.params(), torch.Generator().manual_seed(1)) as explain:
        return explain(inputs, classes).maps.double().numpy()


MAPS = {name: maps_of(name, MODEL, X3, CLASSES) for name in NAMES}
#: The same without ties, of which Quantus takes the first in the image, and the suite any.
UNTIED = {
    name: own + 1e-9 * np.random.default_rng(2).normal(size=own.shape) for name, own in MAPS.items()
}


def probing(kind: str, name: str, fresh: Callable[[], Classifier] | None = None) -> Probing:
    maps = UNTIED if kind in ORDERED else MAPS
    made = Probing(
        MODEL, X3, CLASSES, maps[name], chosen(name), tuple(range(N)), 5,
        fresh=fresh or (lambda: MODEL), sign=PROBES[kind].traits["sign"],
    )  # fmt: skip
    return made.of(chosen(name), maps[name])


def explain(model: nn.Module, inputs: Any, targets: Any, name: str, **_: Any) -> Array:
    """Explain as Quantus asks for it."""
    inputs = torch.as_tensor(np.asarray(inputs)).float()
    inputs = inputs.repeat(1, 3, 1, 1) if inputs.shape[1] == 1 else inputs
    made = maps_of(name, model.inner, inputs, torch.as_tensor(np.asarray(targets)).long())
    return made[:, None].copy()


def ask(metric: Any, name: str, x: torch.Tensor = X1, **named: Any) -> Any:
    """Return what a metric of Quantus says of an explainer's maps."""
    ordered = isinstance(metric, quantus.PixelFlipping | quantus.ROAD)
    maps = UNTIED if ordered else MAPS
    return metric(
        model=GREY, x_batch=x.numpy().copy(), y_batch=Y.copy(),
        a_batch=maps[name][:, None].copy(), channel_first=True, device="cpu",
        explain_func=partial(explain, name=name), **named,
    )  # fmt: skip


PLAIN = {"disable_warnings": True, "display_progressbar": False}
AS_IS = {**PLAIN, "normalise": False, "abs": False}
SIZES = {**PLAIN, "normalise": False, "abs": True}


def curves(name: str, softmax: bool) -> Array:
    """Return Quantus's curves in 16 steps, with the image as it is in front."""
    metric = quantus.PixelFlipping(features_in_step=SIDE**2 // 16, perturb_baseline=0.0, **AS_IS)
    after = np.array(ask(metric, name, softmax=softmax))
    with torch.no_grad():
        logits = MODEL(X3)
    first = (torch.softmax(logits, 1) if softmax else logits).numpy()[np.arange(N), Y]
    return np.concatenate([first[:, None], after], axis=1)


def area(curve: Array) -> Array:
    return (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2


def pixel_flipping(name: str) -> tuple[Array, Array]:
    curve = curves(name, softmax=False)
    return probe_one(chosen("pixel_flipping"), probing("pixel_flipping", name)), (
        curve[:, 0] - area(curve)
    )


def deletion(name: str) -> tuple[Array, Array]:
    return probe_one(chosen("deletion"), probing("deletion", name)), area(curves(name, True))


def road(name: str) -> tuple[Array, Array]:
    shares = [0.1, 0.3, 0.5, 0.7]
    metric = quantus.ROAD(percentages=[100 * share for share in shares], noise=0.0, **AS_IS)
    metric.custom_postprocess = lambda **_: None  # it would average over images
    theirs = np.asarray(ask(metric, name))[0].mean(axis=1)
    return probe_one(chosen("road", shares=shares, noise=0.0), probing("road", name)), theirs


def sensitivity_n(name: str) -> tuple[Array, Array]:
    """Against Faithfulness Correlation, whose sets of pixels are taken down as it draws them."""
    plain, drawn = quantus.perturb_func.batch_baseline_replacement_by_indices, []

    def taken_down(arr: Array, indices: Array, **named: Any) -> Array:
        hidden = np.zeros((N, SIDE**2), bool)
        np.put_along_axis(hidden, indices, True, axis=1)
        drawn.append(hidden)
        return plain(arr=arr, indices=indices, **named)

    metric = quantus.FaithfulnessCorrelation(
        nr_runs=40, subset_size=SIDE**2 // 4, perturb_baseline=0.0, perturb_func=taken_down,
        similarity_func=quantus.similarity_func.correlation_pearson, return_aggregate=False,
        **AS_IS,
    )  # fmt: skip
    theirs = np.array(ask(metric, name, softmax=False))
    given = probing("sensitivity_n", name)
    given.kept["hidden"] = np.stack(drawn, axis=1)
    return probe_one(chosen("sensitivity_n", grid=0, shares=[0.25]), given), theirs


def infidelity(name: str) -> tuple[Array, Array]:
    """Quantus hides one 8 x 8 patch after the other and none comes back; relevance per x."""
    metric = quantus.Infidelity(
        perturb_patch_sizes=[8], n_perturb_samples=1, perturb_baseline=0.0, **AS_IS
    )
    kept, own = MAPS[name], MAPS[name] / X1[:, 0].double().numpy()
    MAPS[name] = own
    theirs = np.array(ask(metric, name, softmax=False))
    MAPS[name] = kept
    corners = list(itertools.product(range(0, SIDE, 8), repeat=2))
    hidden = np.zeros((N, len(corners), SIDE, SIDE), bool)
    for k, (y, x) in enumerate(corners):
        hidden[:, k:, y : y + 8, x : x + 8] = True
    given = probing("infidelity", name)
    given.kept["hidden"] = hidden
    return probe_one(chosen("infidelity", scaled=False), given), theirs


def max_sensitivity(name: str) -> tuple[Array, Array]:
    """Both get the same noise, grey. An explainer's own random numbers are not the same."""
    if name == "random":
        return np.full(N, np.nan), np.full(N, np.nan)
    given = probing("max_sensitivity", name)
    drawn = [
        np.stack([given.rng(i, "noise", k).uniform(-0.1, 0.1, (1, SIDE, SIDE)) for i in range(N)])
        for k in range(8)
    ]
    turn = iter(drawn)
    metric = quantus.MaxSensitivity(
        nr_samples=8, perturb_func=lambda arr, **_: arr + next(turn).reshape(arr.shape), **AS_IS
    )
    theirs = np.array(ask(metric, name))
    from rightreasons.probes import max_sensitivity as module

    plain, turn = module._moved, iter(drawn)
    module._moved = lambda of, radius, sample: of.inputs + torch.from_numpy(next(turn)).float()
    ours = probe_one(chosen("max_sensitivity"), given)
    module._moved = plain
    return ours, theirs


def input_invariance(name: str) -> tuple[Array, Array]:
    """Quantus says yes or no: whether all pixels are within 1e-4. Its own shift leaves out some."""
    metric = quantus.InputInvariance(
        input_shift=1.0, perturb_func=lambda arr, input_shift, **_: arr + input_shift, **AS_IS
    )
    theirs = np.array(ask(metric, name, X3), float)
    ours = probe_one(chosen("input_invariance"), probing("input_invariance", name))
    return (ours > 1e-4).astype(float), 1 - theirs


def complexity(kind: str, metric: Any, scale: float = 1.0, **params: Any) -> Any:
    def both(name: str) -> tuple[Array, Array]:
        theirs = np.array(ask(metric, name), float) * scale
        return probe_one(chosen(kind, **params), probing(kind, name)), theirs

    return both


def randomised() -> Classifier:
    """Return the network that Quantus ends with."""
    wrapped = quantus.helpers.model.pytorch_model.PyTorchModel(GREY, channel_first=True)
    for _, made in wrapped.get_random_layer_generator(order="top_down", seed=42):
        last = made
    return copy.deepcopy(last.inner).eval()


FRESH = randomised()


def mprt(name: str) -> tuple[Array, Array]:
    metric = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman, layer_order="top_down",
        seed=42, return_average_correlation=True, **SIZES,
    )  # fmt: skip
    theirs = np.array(ask(metric, name))
    asked = chosen("mprt", stages=4, similarity="spearman")
    return probe_one(asked, probing("mprt", name, lambda: FRESH)), theirs


def mprt_without_itself(name: str) -> tuple[Array, Array]:
    """The same, when the comparison of the original with itself is taken out of Quantus's mean."""
    ours, theirs = mprt(name)
    return ours, (4 * theirs - 1) / 3  # of three layers


def efficient_mprt(name: str) -> tuple[Array, Array]:
    metric = quantus.EfficientMPRT(
        complexity_func=quantus.complexity_func.discrete_entropy,
        complexity_func_kwargs={"n_bins": 100}, layer_order="top_down", seed=42, **AS_IS,
    )  # fmt: skip
    theirs = np.array(ask(metric, name))
    return probe_one(chosen("efficient_mprt"), probing("efficient_mprt", name, lambda: FRESH)), (
        theirs
    )


def random_logit(name: str) -> tuple[Array, Array]:
    metric = quantus.RandomLogit(
        num_classes=2, similarity_func=quantus.similarity_func.correlation_spearman, **AS_IS
    )
    return probe_one(chosen("random_logit"), probing("random_logit", name)), (
        np.array(ask(metric, name))
    )


COMPARED: dict[str, Any] = {
    "pixel_flipping": pixel_flipping,
    "deletion": deletion,
    "road": road,
    "sensitivity_n": sensitivity_n,
    "infidelity": infidelity,
    "max_sensitivity": max_sensitivity,
    "input_invariance": input_invariance,
    "sparseness": complexity("sparseness", quantus.Sparseness(**SIZES)),
    "entropy": complexity("entropy", quantus.Complexity(**SIZES)),
    "effective_complexity": complexity(
        "effective_complexity",
        quantus.EffectiveComplexity(eps=0.05, **{**SIZES, "normalise": True,
                                    "normalise_func_kwargs": {"normalise_axes": [1, 2, 3]}}),
        1 / SIDE**2,
    ),
    "mprt": mprt,
    "mprt, without itself": mprt_without_itself,
    "efficient_mprt": efficient_mprt,
    "random_logit": random_logit,
}  # fmt: skip


def main() -> None:
    """Print a line per probe."""
    warnings.simplefilter("ignore")
    print(f"Quantus {quantus.__version__}, {N} grey images of {SIDE} px, {', '.join(NAMES)}")
    print(f"{'probe':22} {'difference':>10} {'of values to':>12} {'rho':>7}  images")
    for kind, both in COMPARED.items():
        pairs = [both(name) for name in NAMES]
        ours, theirs = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
        with_value = np.isfinite(ours) & np.isfinite(theirs)
        ours, theirs = ours[with_value], theirs[with_value]
        off, rho = np.abs(ours - theirs).max(), stats.spearmanr(ours, theirs).statistic
        print(f"{kind:22} {off:10.2g} {np.abs(ours).max():12.3g} {rho:7.4f}  {with_value.sum()}")


if __name__ == "__main__":
    main()
