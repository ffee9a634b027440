"""What a page of images holds: a row per image, model and explainer, and each picture once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rightreasons.core.job import Group
from rightreasons.figures import Given
from rightreasons.figures._explorer_tables import table_file
from rightreasons.figures._explorer_view import Choice, Column, View, quoted
from rightreasons.figures._page_data import maps_of_images
from rightreasons.figures._pictures import image_uri, map_uri
from rightreasons.metrics import headline
from rightreasons.metrics.measures import MapSet

Array = np.ndarray
FEWEST = 8  # images of a page, where there are as many
DIM = 0.35
SHARED = ["level", "method", "explainer", "image_id"]
DECIDED = {"right": "decision = target", "wrong": "decision != target"}


class Pictures:
    """All pictures of a page as data URIs, each there once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def add(self, uri: str) -> int:
        """Return the place of a picture."""
        return self._places.setdefault(uri, len(self._places))

    @property
    def uris(self) -> list[str]:
        """All pictures in their places."""
        return list(self._places)


def size_of_page(
    levels: Sequence[float], pairs: int, most_images: int, most_maps: int
) -> tuple[list[float], int]:
    """Return the levels of a page and how many images of each.

    Parameters
    ----------
    levels
        Of the design.
    pairs
        Models times explainers: the maps of an image at a level.
    most_images, most_maps
        The most images at a level, and maps in the page.

    Returns
    -------
    levels, images
        With too many maps there are fewer images, and with fewer than FEWEST of them fewer levels:
        the strongest stays, then the one nearest to 0, then the next strong ones.
    """
    images = max(FEWEST, min(most_images, most_maps // (pairs * len(levels))))
    strong = sorted(levels, key=lambda level: (-abs(level), -level))
    order = [strong[0], *strong[-1:], *strong[1:-1]]
    kept = dict.fromkeys(order[: max(1, most_maps // (pairs * images))])
    return [level for level in strong if level in kept], images


def of_every_cell(index: pd.DataFrame, images: int) -> pd.DataFrame:
    """Return as many images of each protected x target cell, the first of each, cell by cell.

    Parameters
    ----------
    index
        image_id, row (of the pool), target, protected, and watched where an attribute is; a row per
        image with a map, of one explainer.
    images
        The most images; each cell has at least one.
    """
    known = index.filter(["image_id", "row", "target", "protected", "watched"])
    cells = known.groupby(["protected", "target"], sort=True)
    chosen = cells.head(max(1, images // max(1, cells.ngroups)))
    return chosen.sort_values(["protected", "target"], kind="stable").reset_index(drop=True)


def models_maps(given: Given, group: Group) -> dict[str, list[MapSet]]:
    """Return the maps of every model of a group that has its own, a set of explainers each."""
    sets = given.facts.sets
    models = list(dict.fromkeys(given.facts.explained.values()))
    first = given.groups.index(group) * len(models) * len(sets)
    maps, index = given.files["model_maps"], given.files["model_index"]
    return {
        model: [
            MapSet.open(maps[first + i * len(sets) + j], index[first + i * len(sets) + j])
            for j in range(len(sets))
        ]
        for i, model in enumerate(models)
    }


def predictions_of(given: Given, group: Group, image_ids: Sequence[str]) -> pd.DataFrame:
    """Return what every method of a group decides on some test images."""
    methods = list(given.facts.explained)
    first = given.groups.index(group) * len(methods)
    parts = []
    for i, method in enumerate(methods):
        path = given.files["model_predictions"][first + i]
        table = pd.read_parquet(path, filters=[("role", "==", "test")])
        parts.append(table[table["image_id"].isin(image_ids)].assign(method=method))
    made = pd.concat(parts, ignore_index=True)
    numbers = ["decision", "score", "twin_decision", "twin_score"]
    return made.reindex(columns=["method", "image_id", *numbers]).astype(
        dict.fromkeys(numbers, float)
    )


def level_rows(
    given: Given, group: Group, images: int, pictures: Pictures
) -> tuple[pd.DataFrame, int]:
    """Return the rows of one level, and how many of its images have maps.

    Parameters
    ----------
    given
        Of a figure that asks for `browser` and `roi` among its files.
    group
        Task, design, level and seed.
    images
        The most images.
    pictures
        Gets their pictures.

    Returns
    -------
    rows
        level, method, explainer, image_id, target, protected, decided, decision, score,
        twin_decision, twin_score, a column per metric, and places of pictures: region, map,
        original, and image and twin where images may be shown.
    known
        How many images have maps.
    """
    facts, sets = given.facts, models_maps(given, group)
    first = sets[given.roles.original][0]
    known, shape = first.maps.shape[1], first.maps.shape[2:]
    chosen = of_every_cell(next(first.explainers())[2], images)
    names = chosen["image_id"].tolist()
    roi = np.broadcast_to(given.roi(chosen["row"].to_numpy(), shape), (len(names), *shape))
    shown = _shown(given, chosen, roi, pictures)
    maps = {
        (model, explainer): [
            pictures.add(map_uri(map_, region)) for map_, region in zip(found, roi, strict=True)
        ]
        for model, of_model in sets.items()
        for (_, explainer), found in maps_of_images(
            {group.level: of_model}, names, facts.shown
        ).items()
    }
    rows = [
        chosen[["image_id", "target", "protected"]].assign(
            **shown,
            map=maps[model, explainer],
            original=maps[given.roles.original, explainer],
            method=method,
            explainer=explainer,
            level=group.level,
        )
        for method, model in facts.explained.items()
        for explainer in facts.shown
        if (model, explainer) in maps
    ]
    table = pd.concat(rows, ignore_index=True)
    table = table.merge(predictions_of(given, group, names), how="left", on=["method", "image_id"])
    table["decided"] = np.where(table["decision"] == table["target"], "right", "wrong")
    return table.merge(_metrics(given, group, names), how="left", on=SHARED[1:]), known


def _shown(
    given: Given, chosen: pd.DataFrame, roi: Array, pictures: Pictures
) -> dict[str, list[int]]:
    """Return the places of each image's own pictures, of those that may be shown."""
    from rightreasons.artifacts.injected import open_task

    facts = given.facts
    if not given.study.datasets[given.dataset].shows_images:
        masks = [np.repeat(region[..., None] * np.uint8(255), 3, axis=2) for region in roi]
        return {"region": [pictures.add(image_uri(mask)) for mask in masks]}
    task = open_task(
        given.files["images"][0],
        chosen,
        artifact=facts.artifact,
        watched=facts.watched_artifact,
        twins=next(iter(given.files["twins"]), None),
        watched_twins=None,
    )
    rows = chosen["row"].to_numpy()
    images = np.asarray(task.images[rows])
    made = {
        "image": [image_uri(image) for image in images],
        "region": [image_uri(dimmed(image, region))
                   for image, region in zip(images, roi, strict=True)],
    }  # fmt: skip
    if task.twins is not None:
        made["twin"] = [image_uri(image) for image in np.asarray(task.twins[rows])]
    return {name: [pictures.add(uri) for uri in uris] for name, uris in made.items()}


def dimmed(image: Array, region: Array) -> Array:
    """Return an image (H, W, 3) that is dark outside a region, bool of the maps' size."""
    from PIL import Image

    size = (image.shape[1], image.shape[0])
    inside = np.asarray(Image.fromarray(region).resize(size, Image.Resampling.NEAREST))
    return np.where(inside[..., None], image, DIM * image).astype(np.uint8)


def _metrics(given: Given, group: Group, image_ids: Sequence[str]) -> pd.DataFrame:
    """Return method, explainer, image_id, and a column per metric of single images."""
    path = given.files["image_metrics"][given.groups.index(group)]
    table = pd.read_parquet(
        path,
        columns=["method", "explainer", "image_id", "metric", "value"],
        filters=[("explainer", "in", list(given.facts.shown))],
    )
    table = table[table["image_id"].isin(image_ids)].dropna(subset=["value"])
    wide = table.pivot_table(
        index=SHARED[1:], columns="metric", values="value", aggfunc="max", observed=True
    )
    wide.columns.name = None
    return wide.reset_index()


def images_view(given: Given, rows: pd.DataFrame, known: int) -> View:
    """Return the browser of images.

    Parameters
    ----------
    given
        What the page is of.
    rows
        Those of all its levels.
    known
        How many images of a level have maps.
    """
    first = headline("images")[0]
    fixed = {*SHARED, "target", "protected", "decided", "decision", "score", "twin_decision",
             "twin_score", "image", "region", "twin", "map", "original"}  # fmt: skip
    metrics = sorted(set(map(str, rows)) - fixed, key=lambda name: (name != first, name))
    looks = {"image": "image", "region": "region", "twin": "twin", "map": "map",
             "original": f"map of {given.roles.original}"}  # fmt: skip
    numbers = ["image_id", "target", "protected", "decision", "score", "twin_decision",
               "twin_score", "value"]  # fmt: skip
    counted = rows.groupby("level")["image_id"].nunique().max()
    tables = given.study.tables
    return View(
        key="images",
        title=f"Images of {given.task}, {given.design}",
        about=f"Test images with a map each, seed {given.groups[0].seed}: as they are, with the "
        "region of interest alone, their twins (the protected attribute switched) where there are "
        "any, and their maps (red: for the class, blue: against it, black: outline of the "
        f"region). Target: {given.facts.target}. Protected: {given.facts.protected}. The page "
        f"holds {counted} of the {known} images with maps at a level; the query gives all of them.",
        rows=rows,
        choices=(
            Choice("level", "Level"),
            Choice("method", "Method"),
            Choice("explainer", "Explainer",
                   sql={e: f"m.explainer = {quoted(e)}" for e in given.facts.shown}),
            Choice("target", "Target", every=True),
            Choice("protected", "Protected", every=True),
            Choice("decided", "Decided", every=True, sql=DECIDED),
            Choice("value", "Metric", axis={m: m for m in metrics},
                   sql={m: quoted(m) for m in metrics}),
        ),
        sql=f"SELECT {', '.join(numbers)}\n"
        f"FROM {table_file(tables, 'image_metrics')} m\n"
        f"JOIN {table_file(tables, 'predictions')} p\n"
        "  USING (task, design, level, seed, method, image_id, target, protected)\n"
        f"WHERE task = {quoted(given.task)}\n"
        f"  AND design = {quoted(given.design)}\n"
        f"  AND seed = {given.groups[0].seed}\n"
        "  AND metric = {value}\n"
        "  AND {where}\n"
        "  AND {bounds}\n"
        "ORDER BY {order}",
        columns=(
            *(Column(n, t, "picture", 112) for n, t in looks.items() if n in rows),
            Column("image_id", "image", width=150),
            Column("target", "target", "whole", 60),
            Column("protected", "protected", "whole", 70),
            Column("decision", "decision", "whole", 65),
            Column("score", "P(T = 1)", "number", 70),
            Column("twin_decision", "twin's", "whole", 55),
            Column("twin_score", "its P(T = 1)", "number", 85),
            Column("value", "metric", "number", 70),
        ),
        sort=("value", "score", "twin_score", "image_id"),
        down=True,
        ties=("image_id",),
        bounds="value",
    )  # fmt: skip
