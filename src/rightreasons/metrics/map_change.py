"""Whether a map changes when the protected attribute does: both versions of an image explained."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rightreasons.metrics import METRICS, LocatedMaps
from rightreasons.metrics._similarity import Similarity, SimilarityParams, similarity_where


class ChangeParams(SimilarityParams):
    """How the maps of both versions are compared."""

    similarity: Similarity = Field(
        "overlap",
        description="overlap: what two maps of sum 1 have in common, so that the change is the "
        "share of relevance that moves; ssim, spearman or correlation: as for other metrics.",
    )


@METRICS.register(
    "map_change",
    title="Map change by the attribute",
    short="map change",
    images="with",
    paper="After confounder sensitivity, Sun et al. 2023",
    params=ChangeParams,
    needs="versions",
    unit="similarity",
    better="lower",
    aim="less change",
    bounds=(0, 2),
    claims=1,
    formula=r"1 - S(|r_{A \leftarrow 1}|, |r_{A \leftarrow 0}|),\quad A = 1",
)
def map_change(located: LocatedMaps, version: LocatedMaps, params: ChangeParams) -> np.ndarray:
    """One less the similarity of the maps with and without the attribute, where protected = 1 (N,).

    Missing where protected = 0 and for an all-zero map.

    Notes
    -----
    Any explainer that looks at the image changes its maps with it: an edge detector does, whatever
    the model relies on.
    """
    return 1 - similarity_where(located.protected == 1, located, version, params)


@METRICS.register(
    "map_change_outside",
    title="Map change outside of the region",
    short="map change outside",
    images="with",
    paper="Own",
    params=ChangeParams,
    needs="versions",
    unit="similarity",
    better="lower",
    aim="less change",
    bounds=(0, 2),
    claims=1,
    formula=r"1 - S(|r_{A \leftarrow 1}|_{M \setminus R}, |r_{A \leftarrow 0}|_{M \setminus R}),"
    r"\quad A = 1",
)
def map_change_outside(
    located: LocatedMaps, version: LocatedMaps, params: ChangeParams
) -> np.ndarray:
    """Map change of what lies outside of the region, where the images are the same (N,).

    Missing, too, without a ROI and where nothing lies outside of it.

    Notes
    -----
    What does not look at the model has no reason to change there, but for what lies at the
    region's border.
    """
    found = (located.protected == 1) & (located.roi_pixels > 0)
    outside, other = (
        LocatedMaps(np.where(located.masks, 0, maps.maps), located.masks, located.protected)
        for maps in (located, version)
    )
    return 1 - similarity_where(found, outside, other, params)
