"""A-ClArC: fine-tune while every image carries the protected attribute in its features."""

from __future__ import annotations

from rightreasons.debias import METHODS, Context, Debiased
from rightreasons.debias._clarc import CavParams, penultimate_cav, projection
from rightreasons.debias._decision import pick_decision
from rightreasons.debias._tuning import TuningParams, fine_tune, run_notes


class AClarcParams(CavParams, TuningParams):
    """The direction and the budget."""


@METHODS.register(
    "a_clarc",
    title="A-ClArC",
    paper="Anders et al. 2022",
    params=AClarcParams,
    uses_protected=("fit",),
    small={"steps": 6},
    style=("#009E73", ">", "--"),
)
def a_clarc(context: Context, params: AClarcParams) -> Debiased:
    """Return vanilla fine-tuned with x <- x - v v^T (x - z) in place, which is removed after it.

    z is the mean feature of the images with PA, so that PA tells nothing during training.
    """
    from torch import nn

    model = context.vanilla()
    before = model.intervention
    cav = penultimate_cav(context, model, params, "a_clarc")
    model.intervention = nn.Sequential(
        projection(context, cav, cav.mean_with, strength=1.0), before
    )
    history = fine_tune(context, model, params, "a_clarc")
    model.intervention = before
    decision, chosen = pick_decision(context, model, params, "a_clarc")
    return Debiased(model, decision, {"cav_auroc": cav.quality, **run_notes(history), **chosen})
