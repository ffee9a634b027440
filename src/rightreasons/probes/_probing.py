"""What a probe is given: a network, images, one explainer's maps of them, and a way to explain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from rightreasons.core.job import Chosen
from rightreasons.core.seeds import derive, generator_of, numpy_rng
from rightreasons.saliency import EXPLAINERS

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rightreasons.models.classifier import Classifier

Array = np.ndarray
T = TypeVar("T")
#: Pixels (images x height x width) in one pass: 64 images of 64 px.
PIXELS = 64 * 64 * 64
#: The stream of an explainer's random numbers where they are to be the same in all maps.
SAME = "same"


@dataclass(frozen=True)
class Probing:
    """Some images with one explainer's maps, and what it takes to ask further.

    Attributes
    ----------
    model
        The network, in eval mode.
    inputs : float32 (n, 3, H, W)
        The normalised images.
    classes : int64 (n,)
        Whose logits are explained.
    maps : float64 (n, H, W)
        The explainer's maps: signed or |r|, as the probe's trait `sign` says.
    explainer
        Its name, kind and parameters.
    keys
        A number for each image, which its random numbers are drawn by.
    seed
        Of the probe's random numbers, which are the same for all explainers.
    fresh
        Returns a network of the same architecture that has not been trained, in eval mode.
    sign
        Which maps the probe is given.
    at_once
        Images in one pass through the network.
    kept
        What explainers share of the probe's work (`shared`).
    """

    model: Classifier
    inputs: torch.Tensor
    classes: torch.Tensor
    maps: Array
    explainer: Chosen
    keys: tuple[int, ...]
    seed: int
    fresh: Callable[[], Classifier]
    sign: Literal["signed", "absolute"] = "signed"
    at_once: int = 64
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.maps.shape[1], self.maps.shape[2]

    @property
    def empty(self) -> Array:
        """Where a map is the same everywhere, bool (n,): it says nothing of any pixel."""
        return np.ptp(self.maps.reshape(len(self.maps), -1), axis=1) == 0

    def rng(self, image: int, *names: str | int) -> np.random.Generator:
        """Return an image's random stream: it depends on no other image, and on no explainer."""
        return numpy_rng(self.seed, "image", self.keys[image], *names)

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` returns, computed for the first explainer and kept for the others."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def outputs(
        self, copies: int, make: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> Array:
        """Return the logits of changed copies of the images.

        Copies of several images go through the network together.

        Parameters
        ----------
        copies
            How many of each image.
        make
            Called with image and copy, int64 (m,) each, on the images' device: returns the m
            changed images (m, 3, H, W).

        Returns
        -------
        ndarray
            float64 (n, copies, 2).
        """
        import torch

        total, parts = len(self.inputs) * copies, []
        for start in range(0, total, self.at_once):
            stop = min(start + self.at_once, total)
            flat = torch.arange(start, stop, device=self.inputs.device)
            parts.append(self.logits(make(flat // copies, flat % copies)))
        return np.concatenate(parts).reshape(len(self.inputs), copies, 2)

    def logits(self, inputs: torch.Tensor, model: nn.Module | None = None) -> Array:
        """Return the logits (m, 2), float64, of images (m, 3, H, W), by `model` or the network."""
        import torch

        network = self.model if model is None else model
        layout = torch.channels_last
        with torch.no_grad():
            parts = [network(part.contiguous(memory_format=layout)) for part in
                     inputs.split(self.at_once)]  # fmt: skip
        return torch.cat(parts).double().cpu().numpy()

    def before(self) -> Array:
        """Return the logits (n, 2) of the images as they are."""
        return self.shared("before", lambda: self.logits(self.inputs))

    def asked(self, logits: Array) -> Array:
        """Return of logits (n, ..., 2) those of the class that is explained, (n, ...)."""
        classes = self.classes.cpu().numpy()
        return np.stack([of[..., c] for of, c in zip(logits, classes, strict=True)])

    def probability(self, logits: Array) -> Array:
        """Return the probability (n, ...) of the class explained, from logits (n, ..., 2)."""
        asked = self.asked(logits)
        return 1 / (1 + np.exp(logits.sum(axis=-1) - 2 * asked))

    def explain(
        self,
        inputs: torch.Tensor | None = None,
        classes: torch.Tensor | None = None,
        model: Classifier | None = None,
        stream: str = SAME,
    ) -> Array:
        """Explain again.

        Parameters
        ----------
        inputs : (m, 3, H, W)
            Other images than the own ones.
        classes : (m,)
            Other classes than the own ones.
        model
            Another network.
        stream
            Name of the explainer's random numbers: equal streams give equal numbers. They are
            never those of `maps`.

        Returns
        -------
        ndarray
            Maps, float64 (m, H, W), signed or |r| as `sign` says.
        """
        import torch

        inputs = self.inputs if inputs is None else inputs
        classes = self.classes if classes is None else classes
        network = self.model if model is None else model
        component = EXPLAINERS[self.explainer.kind]
        params = component.params.model_validate(self.explainer.params)
        seed = derive(self.seed, "explainer", self.explainer.name, stream)
        with component.run(network, params, generator_of(seed)) as attribute:
            made = [
                attribute(part.contiguous(memory_format=torch.channels_last), asked).maps
                for part, asked in zip(
                    inputs.split(self.at_once), classes.split(self.at_once), strict=True
                )
            ]
        maps = torch.cat(made).double().cpu().numpy()
        return np.abs(maps) if self.sign == "absolute" else maps

    def of(self, explainer: Chosen, maps: Array) -> Probing:
        """Return the same images with the maps (n, H, W) of another explainer, still signed."""
        maps = np.asarray(maps, np.float64)
        maps = np.abs(maps) if self.sign == "absolute" else maps
        return replace(self, explainer=explainer, maps=maps)

    def passing(self, at_once: int) -> Probing:
        """Return the same with another number of images in one pass."""
        return self if at_once == self.at_once else replace(self, at_once=at_once)
