"""Sanity check of explainers: whether maps change when a network's layers are made random.

Cascading parameter randomisation: layers are re-initialised one after another from the output to
the input, and after each step the maps are made again and compared with the original ones. An
explainer whose maps stay the same does not show what the network has learned.

References
----------
Adebayo et al. 2018, Sanity Checks for Saliency Maps.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen
from rightreasons.core.seeds import derive, numpy_rng
from rightreasons.metrics._similarity import Similarity, similarity
from rightreasons.saliency.maps import explain
from rightreasons.statistics.bootstrap import bootstrap_mean

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from torch import nn

    from rightreasons.models.classifier import Classifier

SIMILARITIES: tuple[Similarity, ...] = ("ssim", "spearman")


def layers(model: nn.Module) -> dict[str, list[str]]:
    """Return the modules of every layer, from the input to the output.

    A layer is a module with parameters of its own; batch norm belongs to the layer before it. The
    order is that in which the network lists its modules.

    Returns
    -------
    dict of list
        A layer's name -> the names of its modules.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    found: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and found:
            found[next(reversed(found))].append(name)
        elif next(module.parameters(recurse=False), None) is not None:
            found[name] = [name]
    return found


def steps(names: Sequence[str], stages: int) -> list[list[str]]:
    """Return layers in the steps in which they are made random.

    Parameters
    ----------
    names
        The layers from the input to the output.
    stages
        Most steps, at least 2.

    Returns
    -------
    list of list
        The last layer, the head, is the first step; the others are divided as evenly as can be,
        from the output to the input.
    """
    head, *rest = reversed(names)
    parts = np.array_split(np.array(rest, dtype=object), max(1, min(stages - 1, len(rest))))
    return [[head], *(list(part) for part in parts if len(part))]


def cascade(
    model: Classifier, fresh: Classifier, stages: int = 6
) -> Iterator[tuple[str, int, Classifier]]:
    """Yield a network after each step of making its layers random.

    Parameters
    ----------
    model
        The trained network, which is left alone.
    fresh
        A network of the same architecture that has not been trained; its tensors (weights and batch
        norm's statistics) take the place of the model's.
    stages
        Most steps, at least 2.

    Yields
    ------
    layer : str
        The last layer that was made random.
    done : int
        How many layers are random by now.
    network : Classifier
        One copy of `model`, changed further at every step. After the last step every layer is the
        fresh network's.

    Raises
    ------
    UserError
        For a fresh network of another architecture.
    """
    _check_alike(model, fresh)
    network = copy.deepcopy(model)
    members = layers(network)
    done = 0
    for step in steps(list(members), stages):
        for name in itertools.chain.from_iterable(members[layer] for layer in step):
            _copy_own_tensors(fresh.get_submodule(name), network.get_submodule(name))
        done += len(step)
        yield step[-1], done, network


def freshened(model: Classifier, fresh: Classifier) -> Classifier:
    """Return a copy of `model` whose layers are those of a network that has not been trained.

    What a method put between the layers (an affine map) stays.

    Parameters
    ----------
    model
        A trained network, which is left alone.
    fresh
        One of the same architecture as `build_classifier` returns it.

    Raises
    ------
    UserError
        For a fresh network of another architecture.
    """
    network = copy.deepcopy(model)
    pairs = [list(itertools.chain(*layers(one).values())) for one in (fresh, network)]
    alike = len(pairs[0]) == len(pairs[1])
    for source, goal in zip(*pairs, strict=False):
        both = fresh.get_submodule(source), network.get_submodule(goal)
        shapes = [[tensor.shape for tensor in _own_tensors(one)] for one in both]
        alike = alike and shapes[0] == shapes[1]
        if alike:
            _copy_own_tensors(*both)
    if not alike:
        raise UserError(
            "the fresh network has another architecture than the trained one: it must be built "
            "from the same `model`."
        )
    return network


def randomisation_table(
    model: Classifier,
    fresh: Classifier,
    images: Any,
    classes: torch.Tensor,
    explainers: Sequence[Chosen],
    *,
    stages: int,
    device: torch.device,
    batch_size: int,
    seed: int,
    replicates: int,
    progress: Any,
) -> pd.DataFrame:
    """Return how alike the maps of an ever more random network are to the original ones.

    An explainer's random numbers are the same at every step.

    Parameters
    ----------
    model
        The trained network.
    fresh
        One of the same architecture that has not been trained.
    images : uint8 (N, H, W, 3)
        What is explained.
    classes : int64 (N,)
        Whose logits are explained, by the randomised networks too.
    explainers
        Name -> kind and parameters.
    stages
        Most steps, at least 2.
    device
        Where to compute.
    batch_size
        Images at a time.
    seed
        Of the explainers and the bootstrap.
    replicates
        Number of bootstrap samples.
    progress
        Wraps an iterable in a progress bar.

    Returns
    -------
    DataFrame
        A row per step, explainer and similarity: explainer, layer (the last one made random),
        randomised and of (layers), similarity, value (mean over images of the similarity of |r|, in
        [-1, 1]), ci_low, ci_high, n (images; without those whose original or new map is zero
        everywhere).
    """
    import pandas as pd

    def make(network: Classifier, chosen: Chosen) -> np.ndarray:
        maps, _ = explain(
            network, images, classes, [chosen], device=device,
            batch_size=batch_size, seed_of=lambda name: derive(seed, "explainer", name),
            progress=progress,
        )  # fmt: skip
        return np.abs(maps[0], out=maps[0])

    total, rows = len(layers(model)), []
    for chosen in explainers:  # one after the other: no more maps in memory than two of one need
        name, before = chosen.name, make(model, chosen)
        for step, (layer, done, network) in enumerate(cascade(model, fresh, stages)):
            place = {"explainer": name, "layer": layer, "randomised": done, "of": total}
            after = make(network, chosen)
            for row in _compare(name, layer, before, after, seed=seed, replicates=replicates):
                rows.append((step, {**place, **row}))
    rows.sort(key=lambda row: row[0])  # stable: by step, then explainers in the order given
    return pd.DataFrame([row for _, row in rows])


def _compare(
    explainer: str,
    layer: str,
    before: np.ndarray,
    after: np.ndarray,
    *,
    seed: int,
    replicates: int,
) -> Iterator[dict[str, Any]]:
    """Yield the mean of each similarity of maps |r| (N, H, W), with an interval over images."""
    for kind in SIMILARITIES:
        mean = bootstrap_mean(
            similarity(before, after, kind),
            rng=numpy_rng(seed, "bootstrap", explainer, layer, kind),
            replicates=replicates,
        )
        yield {
            "similarity": kind,
            "value": mean.value,
            "ci_low": mean.low,
            "ci_high": mean.high,
            "n": mean.n,
        }


def _copy_own_tensors(source: nn.Module, goal: nn.Module) -> None:
    import torch

    pairs = zip(_own_tensors(source), _own_tensors(goal), strict=True)
    with torch.no_grad():
        for new, old in pairs:
            old.copy_(new)


def _own_tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    return itertools.chain(module.parameters(recurse=False), module.buffers(recurse=False))


def _check_alike(model: nn.Module, fresh: nn.Module) -> None:
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
        for network in (model, fresh)
    ]
    if shapes[0] != shapes[1]:
        differ = sorted(shapes[0].items() ^ shapes[1].items())
        raise UserError(
            f"the fresh network is of another architecture: {differ[0][0]} is not the same in "
            "both. Build it with the model's architecture."
        )
