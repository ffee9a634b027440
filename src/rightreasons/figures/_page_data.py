"""What a page of dots holds: which images, their maps at every level, and all of it as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError
from rightreasons.figures._dots import QUADRANTS, quadrant
from rightreasons.figures._pictures import image_uri, map_uri
from rightreasons.metrics.measures import MapSet

Array = np.ndarray
Maps = Mapping[tuple[float, str], Array]  # by level and explainer (n, H, W)


def choose_images(sets: Mapping[float, Sequence[MapSet]], limit: int) -> pd.DataFrame:
    """Return images that have maps at every level, a quarter of them from each quadrant.

    Parameters
    ----------
    sets
        By level, the maps of one model with all sets of explainers. Of each quadrant the first
        images in the order of the maps are taken.
    limit
        The most images.

    Returns
    -------
    pandas.DataFrame
        image_id, row (of the pool), target, protected, and watched where an attribute is.

    Raises
    ------
    UserError
        If no image has maps at every level.
    """
    tables = [next(of_level[0].explainers())[2] for of_level in sets.values()]
    common = tables[0]
    for table in tables[1:]:
        common = common[common["image_id"].isin(table["image_id"])]
    if common.empty:
        raise UserError(
            "no image has maps at every level. A page needs a design with the same test images at "
            "all levels."
        )
    parts = [quadrant(common, *cell).head(limit // 4) for cell in QUADRANTS]
    known = ["image_id", "row", "target", "protected", "watched"]
    return pd.concat(parts).filter(known).reset_index(drop=True)


def maps_of_images(
    sets: Mapping[float, Sequence[MapSet]], image_ids: Sequence[str], explainers: Sequence[str]
) -> dict[tuple[float, str], Array]:
    """Return the maps (n, H, W) of some images by level and explainer.

    Parameters
    ----------
    sets
        By level, the maps of one model with all sets of explainers.
    image_ids
        The images, all of which have maps at every level.
    explainers
        Which, in the order of the result.
    """
    found = {}
    for level, of_level in sets.items():
        for one in of_level:
            for explainer, maps, rows in one.explainers():
                if explainer in explainers:
                    places = pd.Index(rows["image_id"]).get_indexer(image_ids)
                    found[level, explainer] = np.asarray(maps[places])
    return {(level, e): found[level, e] for e in explainers for level in sets}


def page_columns(
    dots: pd.DataFrame, chosen: pd.DataFrame, maps: Maps, images: Any, roi: Array | None
) -> dict[str, Any]:
    """Return the page's data, a row per image, so that each picture is there once.

    Parameters
    ----------
    dots
        What `image_dots` returns, of one seed.
    chosen
        The images: what `choose_images` returns.
    maps
        By level and explainer (n, H, W), in the order of `chosen`.
    images
        Gives images uint8 (n, H, W, 3) by `images[rows]`; None where they may not be shown.
    roi
        bool (H, W) or (n, H, W), outlined in the maps.

    Returns
    -------
    dict
        image_id, height, image (where images are shown), and by level or by level and explainer
        what `column` names: decision, right, score; value, map.
    """
    names = chosen["image_id"].tolist()
    heights = dots.drop_duplicates("image_id").set_index("image_id")["height"]
    data: dict[str, Any] = {"image_id": names, "height": heights.reindex(names).to_numpy()}
    if images is not None:
        data["image"] = [image_uri(image) for image in images[chosen["row"].to_numpy()]]
    for level in dict.fromkeys(level for level, _ in maps):
        made = dots[dots["level"] == level].drop_duplicates("image_id").set_index("image_id")
        made = made.reindex(names)
        data[column("right", level)] = made["right"].map({True: "right", False: "wrong"}).to_list()
        data[column("decision", level)] = made["decision"].to_numpy(float)
        data[column("score", level)] = made["score"].to_numpy(float)
    regions: list[Any] = [None] * len(names)
    if roi is not None:
        regions = list(np.broadcast_to(roi, (len(names), *roi.shape[-2:])))
    for (level, explainer), of_images in maps.items():
        ours = dots[(dots["level"] == level) & (dots["explainer"] == explainer)]
        values = ours.set_index("image_id")["value"].reindex(names)
        data[column("value", level, explainer)] = values.to_numpy(float)
        pictures = [map_uri(map_, region) for map_, region in zip(of_images, regions, strict=True)]
        data[column("map", level, explainer)] = pictures
    return data


def column(what: str, level: float, explainer: str = "") -> str:
    """Return the name of a column of the page's data."""
    return f"{what} {level:g} {explainer}".strip()
