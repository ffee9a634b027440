"""What the ClArC methods share: the direction of the protected attribute in a layer's output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.core.search import Choice, Range
from rightreasons.debias._cav import Cav, CavKind, cell_weights, fit_cav, held_out_auroc

if TYPE_CHECKING:
    import numpy as np
    import torch

    from rightreasons.debias import Context
    from rightreasons.models.classifier import Affine, Classifier

Origin = Literal["clean", "attribute", "all", "cells"]
LAYER = "where: penultimate, last_conv, or a module of the trunk such as layer4"


class WeightingParams(Params):
    """What counts when something is fitted to features."""

    cav_weighting: Literal["images", "cells"] = Field(
        "cells",
        description="each image counts the same, or each cell of target and protected does, so "
        "that the direction is not the target's where both are correlated",
    )


class CavParams(WeightingParams):
    """How the direction of the protected attribute is found."""

    cav: CavKind = Field("signal", description="how the direction is fitted")
    cav_regularisation: float = Field(
        1.0, gt=0, description="strength of the L2 penalty of ridge, logistic and svm"
    )


class OriginParams(Params):
    """Whose part along the direction all images get."""

    origin: Origin = Field(
        "cells",
        description="mean of the images without PA (clean), with it (attribute), of all, or of "
        "all with the same weight for each cell",
    )


#: How the direction may be searched.
CAV_SEARCH: dict[str, Range] = {
    "cav": Choice(("signal", "ridge")),
    "cav_weighting": Choice(("cells", "images")),
}


@dataclass(frozen=True)
class Features:
    """A layer's output on the debias split, a mean over positions, with the labels.

    Attributes
    ----------
    values
        float32 (N, d), taken in eval mode.
    target, protected
        int64 (N,).
    """

    values: np.ndarray
    target: np.ndarray
    protected: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        """The weights (N,) with which each cell of target and protected counts the same."""
        return cell_weights(self.target, self.protected)

    def weights(self, weighting: str) -> np.ndarray | None:
        """Return the weights (N,) of a `cav_weighting`; none where all images count the same."""
        return self.cells if weighting == "cells" else None


def features_of(context: Context, model: Classifier, layer: str = "penultimate") -> Features:
    """Return what a layer gives out on the debias split.

    Parameters
    ----------
    context
        What the method is given.
    model
        The network.
    layer
        As for `models.layers.layer_of`.

    Raises
    ------
    UserError
        Where there is no such layer, or its output is not used.
    """
    from rightreasons.learning.training import extract_features

    data = context.debias()
    if layer == "penultimate":
        values = extract_features(model, data.images, context.device)
    else:
        values = _channel_means(context, model, layer)
    return Features(values.numpy(), data.target.numpy(), data.protected.numpy())


def protected_cav(features: Features, params: CavParams, name: str) -> tuple[Cav, dict[str, Any]]:
    """Return the direction of the protected attribute, and notes on how well it is known.

    Parameters
    ----------
    features
        Of the debias split.
    params
        How the direction is fitted.
    name
        The method's name in the study, for errors.

    Returns
    -------
    tuple
        The direction; `cav_auroc`, on images that it is not fitted to (None where there are too
        few), and `cav_images`.

    Raises
    ------
    UserError
        As `fit_cav`.
    """
    how: dict[str, Any] = {
        "kind": params.cav,
        "regularisation": params.cav_regularisation,
        "weights": features.weights(params.cav_weighting),
    }
    cav = fit_cav(features.values, features.protected, **how, what=f"methods.{name}")
    cell = 2 * features.target + features.protected
    quality = held_out_auroc(features.values, features.protected, cell, **how)
    return cav, {"cav_auroc": quality, "cav_images": len(cell)}


def origin_of(features: Features, cav: Cav, origin: Origin) -> np.ndarray:
    """Return the point (d,) whose part along the direction all images get.

    Parameters
    ----------
    features
        Of the debias split.
    cav
        The direction: `clean` and `attribute` are its means, weighted as its fit was.
    origin
        Which point.
    """
    import numpy as np

    values = features.values.astype(np.float64)
    if origin == "cells":
        return np.average(values, axis=0, weights=features.cells)
    if origin == "all":
        return values.mean(axis=0)
    return cav.mean_without if origin == "clean" else cav.mean_with


def projection(context: Context, directions: Any, origin: Any, strength: float) -> Affine:
    """Return the intervention that replaces the part along some directions by that of `origin`.

    Parameters
    ----------
    context
        Says the device.
    directions
        (d,) or (k, d).
    origin
        The features (d,) whose part along them all images get.
    strength
        Share of the part that is replaced: 0 changes nothing, 1 replaces all of it.
    """
    import torch

    from rightreasons.models import classifier

    directions, origin = (torch.as_tensor(v, dtype=torch.float64) for v in (directions, origin))
    return classifier.projection(directions, origin, strength).float().to(context.device)


def _channel_means(context: Context, model: Classifier, layer: str) -> torch.Tensor:
    """Return the layer's activations on the debias split, averaged over positions, (N, C)."""
    import torch

    from rightreasons.core.errors import UserError
    from rightreasons.learning.training import batches
    from rightreasons.models.layers import by_position, captured, layer_of
    from rightreasons.runtime.devices import fit_batch

    model.eval()

    def means(size: int) -> torch.Tensor:
        parts = []
        with torch.no_grad(), captured(layer_of(model, layer)) as outputs:
            for batch in batches(context.debias(), size, context.device):
                model.features(batch.inputs)
                if not outputs:
                    raise UserError(f"layer: {layer} takes no part in a prediction.")
                parts.append(by_position(outputs[0]).float().mean(dim=1).cpu())
        return torch.cat(parts)

    return fit_batch(means, 256, "features")
