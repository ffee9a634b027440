"""The explorer's pages of images: sort and filter test images, with their maps beside them."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from rightreasons.figures import FIGURES, Given, Params
from rightreasons.figures._explorer_images import (
    Pictures,
    images_view,
    level_rows,
    size_of_page,
)
from rightreasons.figures._explorer_page import Sources, built, page_html
from rightreasons.figures._explorer_view import View

CAPTION = """
Test images of task ``{task}`` and design ``{design}`` with their maps, region and twins: choose
level, method and explainer, sort and filter by any metric of images. One seed; the map of
``{original}`` stands beside each method's own.
"""
INTRO = "Choose, sort, bound the metric, and read the query below: it gives the same numbers."


class ImagesParams(Params):
    """Parameters of `explorer_images`."""

    maps: int = Field(
        3000, ge=8, description="most maps in a page, 1 to 3 kB each: fewer images where needed"
    )


@FIGURES.register(
    "explorer_images",
    title="A page to sort and filter test images by any metric of their maps",
    paper="Own",
    params=ImagesParams,
    caption=CAPTION,
    category="0 Leaderboard",
    label="images",
    over=("task", "design"),
    when=("shown",),
    files=("browser", "roi"),
    seeds="first",
    formats=("html",),
    stem="explorer/images",
    in_report=False,
)
def explorer_images(given: Given, params: ImagesParams) -> dict[str, str]:
    """Write the page of one seed, with at most as many images and maps as the study says."""
    view, pictures = view_of(given, params.maps)
    layout = built(view, Sources(view, pictures))
    back = '<a href="index.html">All tables</a>'
    return {"html": page_html(view.title, INTRO, [(view, layout)], back)}


def view_of(given: Given, most_maps: int) -> tuple[View, list[str]]:
    """Return the browser of images, and the pictures that its rows name by their places."""
    facts, groups = given.facts, {group.level: group for group in given.groups}
    pairs = len(set(facts.explained.values())) * len(facts.shown)
    levels, images = size_of_page(list(groups), pairs, given.study.page_images, most_maps)
    pictures = Pictures()
    parts = [level_rows(given, groups[level], images, pictures) for level in levels]
    rows = pd.concat([part for part, _ in parts], ignore_index=True)
    return images_view(given, rows, max(known for _, known in parts)), pictures.uris
