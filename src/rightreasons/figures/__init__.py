"""Figures of a study, one file each: `FIGURES` finds them all.

A figure is a function `figure(given: Given, params)` that draws one picture and returns a
matplotlib figure, or a text per format where it is no picture. It is registered with

- `caption`: what the picture shows, as reStructuredText. In braces: the names of `over`, and
  target, protected, level (the design's strongest), original and references.
- `category`: the heading that it stands under in Snakemake's report.
- `label`: what the report calls it there; empty for nothing.
- `over`: what there is one drawing for each of: any of dataset, task, design, explainer (those of
  `WILDCARDS`). Tasks come with their own designs, and with the explainers that the study shows.
- `when`: conditions that a dataset, task, design and explainer must meet: names in `CONDITIONS`.
- `tables`: the tables that it needs. Where the study does not write them it is not drawn.
- `marks`: tables that it is given as well where the study writes them (`name in given.tables`).
- `files`: what it needs of single groups and datasets beside tables: names in `FILES`.
- `levels`, `seeds`: of which groups: "all", or the "strongest" level, the "first" seed.
- `formats`: what its files are: "png" and "svg", below `report/figures`; or texts such as "html"
  and "txt", in `report`.
- `controls`: True where it shows matched controls, too: elsewhere their rows are left out.
- `stem`: what its files' names begin with; its own name where empty.
- `in_report`: False where Snakemake's report is not to hold it.

Figure files must not import matplotlib at the top: planning reads them. `_style` gives what
most figures need of it.
"""

from __future__ import annotations

from rightreasons.core.registry import Params, Registry
from rightreasons.figures._given import Given

__all__ = ["CONDITIONS", "FIGURES", "FILES", "WILDCARDS", "Given", "Params"]

#: What there can be a drawing for each of, in the order of a file's name.
WILDCARDS = ("dataset", "task", "design", "explainer")

#: What can be asked of what a drawing is of.
CONDITIONS = {
    "regions": "the dataset has patch classifiers",
    "looks_away": "a method of the task uses attribution maps",
    "artifact": "the task's protected attribute is an artifact",
    "twins": "the task's test images exist with and without the protected attribute",
    "two_groups": "the task's protected attribute has two groups, its target two classes",
    "watched": "the task watches a second attribute",
    "shows_images": "single images of the dataset may be shown",
    "boxes": "the task has several explainers that hide boxes",
    "rivals": "the task has methods beside the original",
    "strengths": "the task's methods hide different shares of an image",
    "shown": "the study shows explainers of the task",
    "signal": "the explainer is more than noise",
    "blocks": "the study has three blocks (task, design, level) and three methods to rank",
}

#: What a figure can need beside tables, with the names of the files in `Given.files`.
FILES = {
    "mean_maps": ("mean_maps",),  # of each of `Given.groups`
    "dots": ("image_metrics", "predictions"),  # of each group: all methods', the original's
    "maps": ("maps", "map_index"),  # the original's maps, of each group by every set of explainers
    # All methods' metrics of images and predictions; all maps, by group, model and set; the twins.
    "browser": ("image_metrics", "model_predictions", "model_maps", "model_index", "twins"),
    "pool": ("images", "masks", "index", "pool"),  # of the dataset
    # What `Given.roi` reads: the pool, and the attribution maps of an ROI that is their top.
    "roi": ("images", "masks", "pool", "roi_region", "roi_confidence", "roi_mean"),
    # Of each attribute of the dataset with a patch classifier; of a task's protected one alone.
    "regions": ("region", "confidence", "mean"),
}

FIGURES = Registry(
    "rightreasons.figures",
    "figure",
    traits={
        "caption": "",
        "category": "",
        "label": "",
        "over": (),
        "when": (),
        "tables": (),
        "marks": (),
        "files": (),
        "levels": "all",
        "seeds": "all",
        "formats": ("png", "svg"),
        "controls": False,
        "stem": "",
        "in_report": True,
    },
    group="rightreasons.figures",
)
