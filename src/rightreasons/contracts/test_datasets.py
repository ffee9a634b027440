"""What every dataset promises; on its images where it has a sample (`Dataset.sample`)."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rightreasons.contracts.chosen import chosen
from rightreasons.contracts.samples import sample
from rightreasons.contracts.states import unmoved
from rightreasons.core.errors import UserError
from rightreasons.data import DATASETS, KEYS, Batch, Dataset, DatasetParams, create
from rightreasons.data.attributes import values_of
from rightreasons.data.pool import Pool, build_pool, build_twins

NAMES = chosen(DATASETS)


@dataclass(frozen=True)
class Made:
    """A dataset in miniature that was fetched."""

    dataset: Dataset
    folder: Path
    table: pd.DataFrame

    def load(self, rows: pd.DataFrame | None = None) -> Batch:
        return self.dataset.load(self.folder, self.table if rows is None else rows)


@pytest.fixture(scope="module", params=NAMES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    name: str = request.param
    root, folder = (tmp_path_factory.mktemp(f"{name}_{part}") for part in ("files", "fetched"))
    params = sample(name, root)
    if params is None:
        pytest.skip(f"{name} has no sample of its images: let it define `sample`")
    dataset = create(name, params, name="mine", data_dir=str(root))
    dataset.fetch(folder)
    return Made(dataset, folder, pd.read_parquet(folder / "attributes.parquet"))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_whose_images_they_are(name: str) -> None:
    traits = DATASETS[name].traits
    assert traits["licence"]
    assert traits["page"]
    assert isinstance(traits["shows_images"], bool)


@pytest.mark.parametrize("name", NAMES)
def test_its_masks_fit_into_a_byte(name: str) -> None:
    masks = DATASETS[name].traits["masks"]
    assert len(masks) <= 8
    assert len(set(masks)) == len(masks)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_made_under_its_name(name: str) -> None:
    dataset = create(name, name="mine", data_dir="somewhere")
    assert dataset.kind == name
    assert dataset.name == "mine"
    assert isinstance(dataset.params, DatasetParams)
    assert dataset.masks == tuple(DATASETS[name].traits["masks"])


@pytest.mark.parametrize("name", NAMES)
def test_an_attribute_without_twins_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="twins"):
        create(name).twins(tmp_path, pd.DataFrame({"image_id": []}), "no such attribute")


@pytest.mark.parametrize("name", NAMES)
def test_a_process_can_hand_it_to_another(name: str) -> None:
    dataset = create(name, name="mine")
    copied = pickle.loads(pickle.dumps(dataset))
    assert type(copied) is type(dataset)
    assert copied.params == dataset.params


def test_fetch_leaves_a_table_of_attributes_and_where_the_images_are(made: Made) -> None:
    assert {"image_id", "identity", "partition"} <= set(made.table)
    assert "row" not in made.table
    assert set(made.table) - set(KEYS), "no attributes"
    assert len(made.table) >= 4
    ids = made.table["image_id"]
    assert ids.is_unique
    assert all(isinstance(image_id, str) and image_id for image_id in ids)
    assert all(isinstance(who, str) for who in made.table["identity"].dropna())
    source = json.loads((made.folder / "source.json").read_text())
    assert source["licence"] == DATASETS[made.dataset.kind].traits["licence"]


def test_fetching_again_gives_the_same_table(made: Made, tmp_path: Path) -> None:
    made.dataset.fetch(tmp_path)
    again = pd.read_parquet(tmp_path / "attributes.parquet")
    pd.testing.assert_frame_equal(again, made.table)


def test_values_that_are_known_before_fetch_are_those_that_there_are(made: Made) -> None:
    for attribute in made.table.columns.difference(list(KEYS)):
        known = made.dataset.known_values(str(attribute))
        if known is not None:
            assert set(values_of(made.table[attribute].dropna())) <= set(known), attribute
            assert len(set(known)) == len(known)


def test_images_and_masks_have_the_size_and_type_of_a_pool(made: Made) -> None:
    batch, size = made.load(), made.dataset.params.size
    assert not batch.corrupt
    assert batch.images.shape == (len(made.table), size, size, 3)
    assert batch.images.dtype == np.uint8
    assert batch.images.any()
    if not made.dataset.masks:
        assert batch.masks is None
        return
    assert batch.masks is not None
    assert batch.masks.shape == (len(made.table), size, size)
    assert batch.masks.dtype == np.uint8
    assert not (batch.masks >> len(made.dataset.masks)).any()
    seen = [(batch.masks >> bit & 1).any() for bit in range(len(made.dataset.masks))]
    assert any(seen)


def test_an_image_does_not_depend_on_the_others(made: Made) -> None:
    together = made.load()
    order = np.arange(len(made.table))[::-2]
    some = made.load(made.table.iloc[order])
    np.testing.assert_array_equal(some.images, together.images[order])
    if together.masks is not None and some.masks is not None:
        np.testing.assert_array_equal(some.masks, together.masks[order])


def test_no_global_random_state_moves(made: Made) -> None:
    with unmoved():
        made.load()


def test_twins_are_other_images_and_the_same_each_time(made: Made) -> None:
    images = made.load().images
    for attribute in DATASETS[made.dataset.kind].traits["twins"]:
        assert set(made.table[attribute]) <= {0, 1}, f"{attribute} is not 0 or 1"
        twins = made.dataset.twins(made.folder, made.table, attribute)
        assert twins.shape == images.shape
        assert twins.dtype == np.uint8
        assert (twins != images).any(), f"switching {attribute} changes no image"
        again = made.dataset.twins(made.folder, made.table.iloc[1:3], attribute)
        np.testing.assert_array_equal(again, twins[1:3])


def test_both_versions_of_an_image_lie_half_a_table_apart(made: Made) -> None:
    attribute = DATASETS[made.dataset.kind].traits["both"]
    if not attribute:
        return
    assert attribute in DATASETS[made.dataset.kind].traits["twins"]
    images, n = made.load().images, len(made.table) // 2
    first, second = made.table[:n].reset_index(drop=True), made.table[n:].reset_index(drop=True)
    assert set(first[attribute]) == {0}
    assert set(second[attribute]) == {1}
    assert (first["image_id"] + f"+{attribute}").equals(second["image_id"])
    assert first["identity"].notna().all()
    same = first.columns.difference(["image_id", attribute])
    pd.testing.assert_frame_equal(first[same], second[same])
    twins = made.dataset.twins(made.folder, made.table, attribute)
    np.testing.assert_array_equal(twins, np.concatenate([images[n:], images[:n]]))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pool_can_be_built_of_it(made: Made, tmp_path: Path, workers: int) -> None:
    build_pool(made.dataset, made.folder, tmp_path, workers, lambda items, _: items)
    pool = Pool.open(tmp_path)
    batch = made.load()
    np.testing.assert_array_equal(pool.images, batch.images)
    assert pool.mask_names == made.dataset.masks
    if batch.masks is not None:
        np.testing.assert_array_equal(pool.masks, batch.masks)
    for attribute in DATASETS[made.dataset.kind].traits["twins"][:1]:
        build_twins(made.dataset, made.folder, tmp_path, attribute, workers, lambda items, _: items)
        assert pool.twins(attribute).shape == pool.images.shape
