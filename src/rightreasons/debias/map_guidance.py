"""Map guidance: fine-tune with a penalty on the share of a map inside the attribute's region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from rightreasons.core.search import Choice, Passes, Real
from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import Measured, TuningParams, fine_tune, penalised, run_notes

if TYPE_CHECKING:
    import torch

    from rightreasons.debias._guidance import Mapped
    from rightreasons.learning.training import Batch
    from rightreasons.models.classifier import Classifier


class MapGuidanceParams(TuningParams):
    """The budget, the map and the penalty."""

    strength: float = Field(1.0, ge=0, description="weight of the map's share inside the region")
    map: Literal["gradient", "gradcam"] = Field(
        "gradient", description="map of the true class: input x gradient, or Grad-CAM"
    )
    layer: str = Field(
        "last",
        description="where Grad-CAM looks: last (the last feature map), or a module of the trunk "
        "such as layer3",
    )


@METHODS.register(
    "map_guidance",
    title="Map guidance",
    paper="Rao et al. 2023",
    params=MapGuidanceParams,
    needs=("roi",),
    small={"steps": 6},
    presets={
        "published": {
            "strength": 16.0,
            "epochs": 100,
            "min_steps": 0,
            "batch_size": 16,
            "learning_rate": 1e-5,
        }
    },
    search={
        "strength": Real(0.01, 100, log=True, zero=0.125),
        "map": Choice(("gradient", "gradcam")),
        "learning_rate": Real(1e-5, 3e-3, log=True),
        "batch_size": Choice((32, 64, 128)),
        "steps": Passes("steps"),
    },
    knob="strength",
    style=("#AA4499", "p", "-."),
)
def map_guidance(context: Context, params: MapGuidanceParams) -> Debiased:
    """Return vanilla fine-tuned with cross-entropy + strength times the energy in the region."""
    from rightreasons.debias._guidance import maps_of

    model = context.vanilla()
    shares: list[torch.Tensor] = []
    with maps_of(model, params.map, params.layer) as mapped:
        loss = penalised(context, params.strength, _measured(context, mapped), shares)
        history = fine_tune(context, model, params, "map_guidance", loss)
    notes = {**run_notes(history), "energy": [float(shares[0]), float(shares[-1])]}
    decision, chosen = pick_decision(context, model, params, "map_guidance")
    return Debiased(model, decision, {**notes, **chosen})


def _measured(context: Context, mapped: Mapped) -> Measured:
    """Return logits and the share of the maps' energy inside the region."""
    from rightreasons.debias._guidance import energy_inside, region_of

    roi = context.roi("debias")

    def measured(model: Classifier, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        logits, maps = mapped(batch)
        return logits, energy_inside(maps, region_of(roi, batch))

    return measured
