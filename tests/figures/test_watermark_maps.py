"""Maps of models side by side, and of occlusion from the coarsest grid to the finest."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import given as made_up
from drawing import texts
from rightreasons.core.errors import UserError
from rightreasons.core.job import Chosen, Group
from watermark import (
    EXPLAINERS,
    LEVELS,
    PLACE,
    SIZE,
    TASK,
    fake_part,
)
from watermark_drawn import (
    CELLS,
    OCCLUSIONS,
    drawn,
    given,
    models,
    mystery_models,
    occlusion_grids,
)


def shown_maps(figure: Figure) -> list[np.ndarray]:
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    return [np.asarray(picture) for picture in pictures if picture.ndim == 2]


def test_models_are_averaged_over_seeds_then_targets_whatever_the_sign() -> None:
    first, second = fake_part(1.0), fake_part(1.0, n=(5, 15, 10, 30), seed=1)
    for part in (first, second):
        part["map/gradient/vanilla"][3] *= -1  # against the class: must not cancel
    figure = mystery_models([("a", [first, second])], explainers=["gradient"])
    maps = [part["map/gradient/vanilla"].astype(float) for part in (first, second)]
    zero = (50 * maps[0][1] + 15 * maps[1][1]) / 65
    one = (50 * maps[0][3] + 30 * maps[1][3]) / 80
    expected = (65 * np.abs(zero) + 80 * np.abs(one)) / 145
    np.testing.assert_allclose(shown_maps(figure)[0], expected, rtol=1e-5)
    assert "a\n145 images" in texts(figure)


def test_a_row_of_models_shares_a_scale_and_outlines_the_region() -> None:
    figure = drawn("mystery_models, few")
    normal, watermark = shown_maps(figure)[:2]
    assert watermark[PLACE].mean() > 3 * normal[PLACE].mean()
    pictures = [image for axes in figure.axes for image in axes.images]
    limits = [image.get_clim() for image in pictures if image.get_array().ndim == 2]
    assert limits[0] == limits[1] != limits[2]
    for low, high in limits:
        assert low == 0
        assert f"0 to {high:.2g}" in texts(figure)
    rows, columns = PLACE
    corners = np.array([columns.start, rows.start, columns.stop, rows.stop]) / SIZE
    for axes in figure.axes:
        path = np.concatenate([p.vertices for p in axes.collections[0].get_paths()])
        outline = [*path.min(axis=0), *path.max(axis=0)]
        np.testing.assert_allclose(outline, corners, atol=0.6 / SIZE)


def test_a_model_without_maps_or_images_is_blank() -> None:
    figure = drawn("mystery_models")
    assert texts(figure).count("no map") == 1  # tint has no map by the first explainer
    assert len(shown_maps(figure)) == 3 * len(EXPLAINERS) - 1
    half = mystery_models([("a", [fake_part(n=(9, 0, 9, 4))])], explainers=["gradient"])
    alone = np.abs(fake_part()["map/gradient/vanilla"][3])
    np.testing.assert_allclose(shown_maps(half)[0], alone, rtol=1e-5)
    none = mystery_models([("a", [fake_part(n=(9, 0, 9, 0))])], explainers=["gradient"])
    assert "no images" in texts(none)
    assert "no map" in texts(none)
    assert "a\n0 images" in texts(none)
    assert "edges" not in texts(mystery_models(models()[:1], explainers=["lrp", "none"]))


def test_occlusion_maps_are_in_order_each_by_its_own_peak() -> None:
    figure, part = drawn("occlusion_grids"), fake_part(explainers=OCCLUSIONS)
    assert [a.get_title() for a in figure.axes[:5]] == ["image", *OCCLUSIONS]
    places = itertools.product(range(4), OCCLUSIONS)
    pictures = [i for a in figure.axes for i in a.images if i.get_array().ndim == 2]
    for picture, (row, explainer) in zip(pictures, places, strict=True):
        map_ = part[f"map/{explainer}/vanilla"][row]
        np.testing.assert_array_equal(picture.get_array(), map_)
        assert picture.get_clim() == (-np.abs(map_).max(), np.abs(map_).max())
    assert [a.get_ylabel() for a in figure.axes[::5]] == [f"PA={p}, T={t}" for p, t in CELLS]
    assert "Means." in texts(drawn("occlusion_grids, two"))


def test_occlusion_takes_a_region_per_image_and_maps_of_zeros() -> None:
    rois = np.zeros((4, SIZE, SIZE), bool)
    rois[2, 4:9, 6:20] = True
    image, zeros = fake_part()["image"], np.zeros((4, SIZE, SIZE))
    figure = occlusion_grids(image, {"occlusion_4": zeros}, roi=rois)
    assert [len(axes.patches) for axes in figure.axes] == [0, 0, 0, 0, 1, 1, 0, 0]
    assert {im.get_clim() for a in figure.axes[1::2] for im in a.images} == {(-1, 1)}
    with pytest.raises(UserError, match="3 maps for 4 images"):
        occlusion_grids(image, {"occlusion_4": zeros[:3]}, roi=rois)
    assert "no occlusion maps" in texts(occlusion_grids(image, {}, roi=rois))


# The yardstick


def test_models_side_by_side_are_the_normal_one_and_each_tasks_strongest(tmp_path: Path) -> None:
    """The first task at level 0, then every task at its strongest level, all seeds."""
    tasks, parts = ("by_watermark", "by_tint"), {}
    groups = [Group(dataset="pets", task=task, design="artifact_fraction", level=level, seed=seed)
              for task in tasks for level in LEVELS for seed in (0, 1)]  # fmt: skip
    for i, group in enumerate(groups):
        parts[group] = fake_part(group.level, ("gradient",), (1, 2 + i, 3, 4 + i), seed=i)
        np.savez(tmp_path / f"{i}.npz", **parts[group])
    files = {"mean_maps": tuple(tmp_path / f"{i}.npz" for i in range(len(groups)))}
    what = given(explainers=("gradient",), groups=groups, files=files, over=("dataset", "design"),
                 dataset="pets", task=tasks[0], facts={"protected": "watermark"})  # fmt: skip
    first = what.study.tasks[tasks[0]]
    both = {tasks[0]: first, tasks[1]: first.model_copy(update={"protected": "tint"})}
    study = what.study.model_copy(update={"tasks": both})
    figure = made_up.drawn("mystery_models", replace(what, study=study))
    models = [("normal\nlevel 0", tasks[0], 0.0), ("watermark\nlevel 1", tasks[0], 1.0),
              ("tint\nlevel 1", tasks[1], 1.0)]  # fmt: skip
    for axes, (name, task, level) in zip(figure.axes[:3], models, strict=True):
        seeds = [part for g, part in parts.items() if (g.task, g.level) == (task, level)]
        assert len(seeds) == 2
        count = sum(part["n"][[1, 3]].sum() for part in seeds)
        assert axes.get_title() == f"{name}\n{count} images"


@pytest.mark.parametrize("shown", [True, False])
def test_occlusion_shows_single_images_only_where_they_may_be_shown(
    shown: bool, tmp_path: Path
) -> None:
    explainers = OCCLUSIONS[:2]
    group = Group(dataset="pets", **TASK, level=1.0, seed=0)
    part = fake_part(explainers=explainers)
    np.savez(tmp_path / "mean.npz", **part)
    pool = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pool)
    rows = pd.DataFrame({"row": [3, 11, 5, 13], "image_id": list("abcd"),
                         "target": [0, 0, 1, 1], "protected": [0, 1, 0, 1]})  # fmt: skip
    maps = np.random.default_rng(1).standard_normal((2, 4, SIZE, SIZE)).astype(np.float32)
    np.save(tmp_path / "maps.npy", maps)
    index = pd.concat([rows.assign(explainer=name) for name in explainers])
    index.to_parquet(tmp_path / "maps.parquet")
    files = {"mean_maps": "mean.npz", "images": "images.npy", "maps": "maps.npy",
             "map_index": "maps.parquet"}  # fmt: skip
    asked = []

    def roi(of: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        asked.append(of.tolist())
        return np.ones((len(of), *shape), bool)

    what = given(
        explainers=explainers,
        groups=[group],
        files={name: (tmp_path / path,) for name, path in files.items()},
        over=("task", "design"),
        facts={"boxes": explainers, "artifact": Chosen(name="tint", kind="tint")},
        of_dataset={"shows_images": shown},
        roi=roi,
    )
    figure = made_up.drawn("occlusion_grids", what)
    assert ("An image of each quadrant." in texts(figure)) == shown
    assert asked == [rows["row"].tolist()] * shown
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    if shown:
        np.testing.assert_array_equal(pictures[0], pool[3])
        assert (pictures[3] != pool[3]).any()  # row 11 is row 3 with the tint
        np.testing.assert_array_equal(pictures[1], maps[0, 0])
    else:
        np.testing.assert_array_equal(pictures[0], part["image"][0])
        np.testing.assert_array_equal(pictures[1], part["map/occlusion_2/vanilla"][0])
