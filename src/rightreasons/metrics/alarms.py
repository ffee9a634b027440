"""Whether maps tell a model with a spurious signal from one without: FAM and CCM."""

from __future__ import annotations

import numpy as np

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._similarity import SimilarityParams, similarity_where


@METRICS.register(
    "fam",
    title="False alarm measure (FAM)",
    short="FAM",
    images="with",
    paper="Adebayo et al. 2022",
    params=SimilarityParams,
    kind="pair",
    needs="reference",
    unit="similarity",
    better="none",
    bounds=(-1, 1),
    claims=-1,
    formula=r"S(|r_0|, |r|),\quad A = 1",
)
def fam(located: LocatedMaps, normal: LocatedMaps, params: SimilarityParams) -> np.ndarray:
    """Similarity of the normal model's map and this model's, where protected = 1 (N,).

    Missing where protected = 0 and for an all-zero map.
    """
    return similarity_where(located.protected == 1, located, normal, params)


@METRICS.register(
    "ccm",
    title="Cause for concern measure (CCM)",
    short="CCM",
    images="without",
    paper="Adebayo et al. 2022",
    params=SimilarityParams,
    kind="pair",
    needs="reference",
    unit="similarity",
    better="none",
    bounds=(-1, 1),
    claims=-1,
    formula=r"S(|r_0|, |r|),\quad A = 0",
)
def ccm(located: LocatedMaps, normal: LocatedMaps, params: SimilarityParams) -> np.ndarray:
    """Similarity of the normal model's map and this model's, where protected = 0 (N,).

    Missing where protected = 1 and for an all-zero map.
    """
    return similarity_where(located.protected == 0, located, normal, params)
