"""Making maps: which images, and that maps, errors and index stay in step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images, quiet
from rightreasons.core.job import Chosen
from rightreasons.learning.images import Rows, normalise
from rightreasons.models.architectures import build_classifier
from rightreasons.saliency import EXPLAINERS
from rightreasons.saliency.maps import explain, map_index, sample_images
from rightreasons.study.parameters import component_params

SIZES = {(0, 0): 30, (0, 1): 3, (1, 0): 12, (1, 1): 25}  # (target, protected)


def make_test(seed: int = 0) -> pd.DataFrame:
    target, protected = (
        np.repeat([cell[i] for cell in SIZES], list(SIZES.values())) for i in (0, 1)
    )
    order = np.random.default_rng(seed).permutation(len(target))
    rows = 100 + np.arange(len(target))
    table = pd.DataFrame(
        {"row": rows, "image_id": [f"i{r}" for r in rows], "target": target, "protected": protected}
    )
    return table.iloc[order].reset_index(drop=True)


TEST = make_test()


def test_all_images() -> None:
    pd.testing.assert_frame_equal(sample_images(TEST, "all", 0, "t"), TEST)


@pytest.mark.parametrize(("n", "each"), [(8, 2), (11, 2), (40, 10), (80, 20)])
def test_as_many_from_each_cell_and_all_of_a_small_one(n: int, each: int) -> None:
    chosen = sample_images(TEST, n, 0, "t")
    assert chosen["image_id"].is_unique
    counts = chosen.groupby(["target", "protected"]).size().to_dict()
    assert counts == {cell: min(size, each) for cell, size in SIZES.items()}
    assert list(chosen.columns) == list(TEST.columns)
    merged = TEST[TEST["image_id"].isin(chosen["image_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(chosen, merged)  # whole rows, in the order of the test split


def test_the_draw_depends_on_seed_and_task_alone() -> None:
    ids = set(sample_images(TEST, 40, 0, "t")["image_id"])
    assert set(sample_images(make_test(5), 40, 0, "t")["image_id"]) == ids  # not on the order
    assert set(sample_images(TEST, 40, 1, "t")["image_id"]) != ids
    assert set(sample_images(TEST, 40, 0, "u")["image_id"]) != ids


def test_fewer_images_are_among_more() -> None:
    few, more = (set(sample_images(TEST, n, 0, "t")["image_id"]) for n in (16, 48))
    assert few < more


DATA = biased_images(12, 0.0)
CHOSEN = [
    Chosen.of(name, component_params(EXPLAINERS, name, name, chosen))
    for name, chosen in {
        "lrp": {},
        "ig": {"kind": "integrated_gradients", "steps": 4},
    }.items()
]


def made(batch_size: int, images: object = DATA.images) -> tuple[np.ndarray, np.ndarray]:
    model = build_classifier("small_cnn", seed=2).eval()
    return explain(
        model,
        images,
        DATA.target,
        CHOSEN,
        device=CPU,
        batch_size=batch_size,
        seed_of=len,
        progress=quiet,
    )


def test_maps_are_each_explainers_own_whatever_the_batches() -> None:
    maps, errors = made(12)
    assert maps.shape == (2, 12, 16, 16)
    assert errors.shape == (2, 12)
    assert maps.dtype == np.float32
    model = build_classifier("small_cnn", seed=2).eval()
    for i, chosen in enumerate(CHOSEN):
        component = EXPLAINERS[chosen.kind]
        params = component.params.model_validate(chosen.params)
        with component.run(model, params, torch.Generator().manual_seed(0)) as attribute:
            for n in (0, 7):
                image = normalise(torch.from_numpy(DATA.images[n : n + 1]), CPU)
                one = attribute(image, DATA.target[n : n + 1])
                np.testing.assert_allclose(maps[i, n], one.maps[0], rtol=1e-3, atol=1e-5)
    for size in (1, 5):
        again, _ = made(size, Rows(DATA.images, np.arange(12)))
        np.testing.assert_allclose(again, maps, rtol=1e-3, atol=1e-5)


def test_index_follows_the_maps_axes() -> None:
    images = TEST.head(12)
    classes = np.array([0, 1] * 6)
    logits = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    errors = np.random.default_rng(1).random((2, 12)).astype(np.float32)
    index = map_index(images, classes, logits, CHOSEN, errors)
    assert len(index) == 24
    for i, row in index.iterrows():
        e, n = divmod(int(str(i)), 12)
        assert row["explainer"] == ["lrp", "ig"][e]
        assert row["check"] == ["conservation", "completeness"][e]
        assert row["image_id"] == images["image_id"].iloc[n]
        assert row["row"] == images["row"].iloc[n]
        assert row["explained_class"] == classes[n]
        assert row["logit"] == pytest.approx(logits[n, classes[n]])
        assert row["check_error"] == pytest.approx(errors[e, n])
