"""What the ClArC methods share: the direction of the protected attribute in the features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from rightreasons.core.registry import Params
from rightreasons.debias._cav import Cav, CavKind, cell_weights, fit_cav

if TYPE_CHECKING:
    import torch

    from rightreasons.debias import Context
    from rightreasons.models.classifier import Classifier, Projection


class CavParams(Params):
    """How the direction of the protected attribute is found."""

    cav: CavKind = Field("signal", description="how the direction is fitted")
    cav_regularisation: float = Field(
        1.0, gt=0, description="strength of the L2 penalty of ridge, logistic and svm"
    )
    cav_weighting: Literal["images", "cells"] = Field(
        "images",
        description="each image counts the same, or each cell of target and protected does, so "
        "that the direction is not the target's where both are correlated",
    )


def protected_cav(context: Context, features: torch.Tensor, params: CavParams, name: str) -> Cav:
    """Return the direction of the protected attribute in the debias split's features.

    Parameters
    ----------
    context
        What the method is given.
    features
        float32 (N, d), in the debias split's order.
    params
        How the direction is fitted.
    name
        The method's name in the study, for errors.

    Raises
    ------
    UserError
        As `fit_cav`.
    """
    data = context.debias()
    target, protected = data.target.numpy(), data.protected.numpy()
    weights = cell_weights(target, protected) if params.cav_weighting == "cells" else None
    return fit_cav(
        features.numpy(),
        protected,
        params.cav,
        regularisation=params.cav_regularisation,
        weights=weights,
        what=f"methods.{name}",
    )


def penultimate_cav(context: Context, model: Classifier, params: CavParams, name: str) -> Cav:
    """Return the direction in the penultimate activations, taken in eval mode."""
    from rightreasons.learning.training import extract_features

    features = extract_features(model, context.debias().images, context.device)
    return protected_cav(context, features, params, name)


def projection(context: Context, cav: Cav, origin: Any, strength: float) -> Projection:
    """Return the intervention that replaces the part along the direction by that of `origin`.

    Parameters
    ----------
    context
        Says the device.
    cav
        The direction (d,).
    origin
        The features (d,) whose part along it all images get.
    strength
        Share of the part that is replaced: 0 changes nothing, 1 replaces all of it.
    """
    import torch

    from rightreasons.models.classifier import Projection

    direction, origin = (
        torch.as_tensor(vector, dtype=torch.float32) for vector in (cav.direction, origin)
    )
    return Projection(direction, origin, strength).to(context.device)
