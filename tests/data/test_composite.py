"""Foregrounds on backgrounds: exact twins, masks, which background, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from miniatures import encoded, jpeg, pets
from rightreasons.core.errors import UserError
from rightreasons.data import Batch, Dataset, create
from rightreasons.data.composite import FOREGROUNDS, PAIRS, fitted
from rightreasons.data.pool import Pool, build_pool
from rightreasons.data.textures import TEXTURES, draw
from rightreasons.splits import label_injected, one_version

FACES: dict[str, Any] = {
    "foreground": {"kind": "synthfaces", "n_images": 10},
    "mask": "Person",
    "backgrounds": {"kind": "textures", "n_images": 24},
    "attribute": "texture == waves",
    "size": 32,
}


@dataclass(frozen=True)
class Made:
    dataset: Dataset
    folder: Path
    table: pd.DataFrame

    def load(self) -> Batch:
        return self.dataset.load(self.folder, self.table)


def made(folder: Path, **changes: Any) -> Made:
    dataset = create("composite", {**FACES, **changes}, name="mine", data_dir=str(folder / "data"))
    dataset.fetch(folder / "out")
    return Made(dataset, folder / "out", pd.read_parquet(folder / "out" / "attributes.parquet"))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("faces"))


def halves(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return array[: len(array) // 2], array[len(array) // 2 :]


def test_both_images_of_a_foreground_are_equal_in_its_mask_alone(faces: Made) -> None:
    batch = faces.load()
    assert batch.masks is not None
    first, second = halves(batch.images)
    inside, same = halves(batch.masks == 1)
    np.testing.assert_array_equal(inside, same)
    np.testing.assert_array_equal(batch.masks == 2, batch.masks != 1)
    equal = (first == second).all(axis=3)
    assert equal[inside].all()
    assert equal[~inside].mean() < 0.02
    twins = faces.dataset.twins(faces.folder, faces.table, "background")
    np.testing.assert_array_equal(twins, np.concatenate([second, first]))


def test_an_image_is_its_foreground_and_its_background(faces: Made) -> None:
    """The parts made by themselves, and put together pixel by pixel."""
    batch = faces.load()
    alone = create("synthfaces", {"n_images": 10, "size": 32})
    table = pd.read_parquet(faces.folder / FOREGROUNDS / "attributes.parquet")
    portraits = alone.load(faces.folder / FOREGROUNDS, table)
    assert portraits.masks is not None
    pairs = pd.read_parquet(faces.folder / PAIRS)
    for row, carries in enumerate(faces.table["background"]):
        k = row % 10
        number = int(pairs[f"background_{carries}"][k])
        texture = draw(TEXTURES[carries], (0, number), 32)
        person = portraits.masks[k] >> alone.masks.index("Person") & 1 == 1
        assert 0.2 < person.mean() < 0.8
        expected = np.where(person[..., None], portraits.images[k], texture)
        np.testing.assert_array_equal(batch.images[row], expected)


def test_the_index_holds_each_foreground_twice(faces: Made) -> None:
    table, ids = faces.table, [f"{k:06d}" for k in range(10)]
    assert table["image_id"].tolist() == [*ids, *(f"{one}+background" for one in ids)]
    assert table["background"].tolist() == [0] * 10 + [1] * 10
    assert table["identity"].tolist() == [f"image {one}" for one in ids] * 2
    assert table["Smiling"][:10].tolist() == table["Smiling"][10:].tolist()


def test_a_background_is_used_once_unless_it_may_be_reused(tmp_path: Path) -> None:
    once = made(tmp_path / "a", backgrounds={"kind": "textures", "n_images": 20})
    pairs = pd.read_parquet(once.folder / PAIRS)
    assert sorted(pairs["background_0"].astype(int)) == list(range(0, 20, 2))
    assert sorted(pairs["background_1"].astype(int)) == list(range(1, 20, 2))
    with pytest.raises(UserError, match=r"there are 5 with not \(texture == waves\).*reuse: 2"):
        made(tmp_path / "b", backgrounds={"kind": "textures", "n_images": 10})
    twice = made(tmp_path / "c", backgrounds={"kind": "textures", "n_images": 10}, reuse=2)
    counts = pd.read_parquet(twice.folder / PAIRS)["background_0"].value_counts()
    assert set(counts) == {2}


def test_the_seed_draws_the_backgrounds(tmp_path: Path) -> None:
    one, other, again = (
        pd.read_parquet(made(tmp_path / str(k), seed=seed).folder / PAIRS)
        for k, seed in enumerate((0, 1, 0))
    )
    pd.testing.assert_frame_equal(one, again)
    assert not one["background_0"].equals(other["background_0"])


def test_pets_on_class_folders(tmp_path: Path) -> None:
    home = tmp_path / "data" / "mine" / "backgrounds"
    for number in range(12):
        place = home / ("land" if number < 6 else "water") / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(20 * number))
    foreground = {"kind": "pets", "root": str(pets(tmp_path / "pets"))}
    folders = {"kind": "folder", "images": "backgrounds", "attributes": None}
    chosen = {"foreground": foreground, "mask": None, "backgrounds": folders}
    it = made(tmp_path, **chosen, attribute="label == water")
    batch = it.load()
    assert not batch.corrupt
    assert batch.masks is not None
    assert set(it.table["species"]) == {"cat", "dog"}
    outside = batch.images[..., 0].astype(float)
    outside[batch.masks == 1] = np.nan
    land, water = halves(np.nanmean(outside, axis=(1, 2)))
    assert land.max() < 115 < water.min()
    with pytest.raises(UserError, match=r"no image has 'label' = 'sea'"):
        made(tmp_path, **chosen, attribute="label == sea")
    with pytest.raises(UserError, match=r"'label' is not 0/1.*as in label == land"):
        made(tmp_path, **chosen, attribute="label")


def test_an_empty_mask_and_an_unreadable_background_are_named(tmp_path: Path) -> None:
    """Both versions are left out, so that the others stay in two halves."""
    root = tmp_path / "data" / "mine"
    content: dict[str, bytes] = {}
    for number in range(6):
        values = np.zeros((12, 12), np.uint8)
        values[3:9, 3:9] = 255 * (number != 4)
        place = f"places/{'a' if number % 2 else 'b'}"
        content[f"images/{number}.jpg"] = jpeg(30 * number, 12, 12)
        content[f"masks/{number}.png"] = encoded(values, "PNG")
        content |= {f"{place}/{k}.jpg": jpeg(9 * k) for k in (number, number + 6)}
    for name, data in {**content, "places/a/9.jpg": b""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    rows = "\n".join(f"{number}.jpg,{number % 2}" for number in range(6))
    (root / "attributes.csv").write_text(f"image_id,odd\n{rows}\n")
    chosen = {
        "foreground": {"kind": "masked_folder"},
        "mask": None,
        "backgrounds": {"kind": "folder", "images": "places", "attributes": None},
        "attribute": "label == a",
    }
    it = made(tmp_path, **chosen)
    pairs = pd.read_parquet(it.folder / PAIRS)
    broken = int(np.flatnonzero(pairs["background_1"] == "a/9.jpg")[0])
    assert broken != 4
    batch = it.load()
    assert set(batch.corrupt) == {4, 10, broken, broken + 6}
    assert batch.corrupt[4] == batch.corrupt[10] == "its mask is empty"
    assert batch.corrupt[broken].startswith("its background a/9.jpg: ")
    with pytest.raises(
        UserError, match=r"4 of 12 images cannot be read.*4.jpg \(its mask is empty"
    ):
        build_pool(it.dataset, it.folder, tmp_path / "pool", progress=lambda items, _: items)
    lax = made(tmp_path, **chosen, tolerate_corrupt=4)
    build_pool(lax.dataset, lax.folder, tmp_path / "pool", progress=lambda items, _: items)
    pool = Pool.open(tmp_path / "pool")
    first, second = halves(pool.index["image_id"].to_numpy())
    assert [f"{one}+background" for one in first] == second.tolist()
    inside = pool.mask("foreground", slice(0, 4))
    assert (pool.images[:4][inside] == pool.images[4:][inside]).all()


def test_foregrounds_with_a_background_of_their_own_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "data" / "mine"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    (root / "images" / "1.jpg").write_bytes(jpeg(9))
    (root / "masks" / "1.png").write_bytes(encoded(np.ones((22, 18), np.uint8), "PNG"))
    (root / "attributes.csv").write_text("image_id,background\n1.jpg,4\n")
    with pytest.raises(UserError, match=r"have an attribute 'background' of their own"):
        made(tmp_path, foreground={"kind": "masked_folder"}, mask=None)


REFUSED = {
    "no dataset with masks": {"foreground": {"kind": "celeba"}},
    "'compsite' is no dataset": {"backgrounds": {"kind": "compsite"}},
    "'composite' is no dataset": {"backgrounds": {"kind": "composite"}},
    "several: choose one of": {"mask": None},
    "no mask 'Persn' .did you mean 'Person'": {"mask": "Persn"},
    "size: name it for the whole": {"foreground": {"kind": "synthfaces", "size": 9}},
    "n_faces: Extra inputs are not": {"foreground": {"kind": "synthfaces", "n_faces": 9}},
    "expected a value": {"attribute": "texture =="},
}


@pytest.mark.parametrize("message", REFUSED)
def test_mistakes_are_found_before_anything_is_fetched(message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        create("composite", {**FACES, **REFUSED[message]})


def test_what_is_cut_out_is_scaled_into_the_middle() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[2:12, 5:10] = 200
    mask = image[..., 0] > 0
    moved, inside = fitted(image, mask, 0.5)
    expected = np.zeros((40, 40), bool)
    expected[10:30, 15:25] = True
    np.testing.assert_array_equal(inside, expected)
    assert (moved[inside] == 200).all()


def test_a_fitted_foreground_covers_its_share(tmp_path: Path) -> None:
    batch = made(tmp_path, fit=0.5).load()
    assert batch.masks is not None
    rows, columns = ((batch.masks == 1).any(axis=axis).sum(axis=1) for axis in (2, 1))
    assert (np.maximum(rows, columns) <= 16).all()
    assert (np.maximum(rows, columns) >= 14).all()


def test_one_version_of_each_image(faces: Made) -> None:
    index = faces.table.assign(row=np.arange(20))
    plain = one_version(index, "background", drawn=False)
    assert plain["row"].tolist() == list(range(10))
    labels = label_injected(plain, "Smiling", "background")
    assert labels["protected"].eq(0).all()
    drawn = one_version(index, "background", drawn=True)
    assert sorted(drawn["row"] % 10) == list(range(10))
    assert drawn["background"].sum() == 5
    assert drawn["background"].tolist() == (drawn["row"] >= 10).astype(int).tolist()


def test_textures_differ_in_form_and_not_in_colour() -> None:
    """Waves have a direction: their gradients point along one line; mean colours are alike."""
    images = [[draw(one, (5, k), 48) / 255.0 for k in range(60)] for one in TEXTURES]
    means = np.array([[image.mean(axis=(0, 1)) for image in kind] for kind in images])
    assert np.abs(means[0].mean(axis=0) - means[1].mean(axis=0)).max() < 0.1
    directed = []
    for kind in images:
        for image in kind:
            y, x = np.gradient(image.sum(axis=2))
            xx, yy, xy = (x * x).mean(), (y * y).mean(), (x * y).mean()
            directed.append(np.hypot(xx - yy, 2 * xy) / (xx + yy))
    blobs, waves = halves(np.array(directed))
    assert np.median(waves) > 2 * np.median(blobs)
