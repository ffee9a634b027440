"""The pool: what is in it, that workers change nothing, and corrupt images."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rightreasons.artifacts.injected import open_images
from rightreasons.core.errors import UserError
from rightreasons.data import Dataset, create
from rightreasons.data import pool as pools
from rightreasons.data._decode import decode
from rightreasons.data.pool import Pool, build_pool, build_twins
from rightreasons.data.synthfaces import MASKS, render, sample_latents, switch

QUIET = lambda iterable, description: iterable  # noqa: E731


def picture(number: int) -> bytes:
    rng = np.random.default_rng(number)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def folder(root: Path, n: int = 11, broken: tuple[int, ...] = (), **params: object) -> Dataset:
    (root / "images").mkdir(parents=True)
    for i in range(n):
        content = b"GIF89a, but no more" if i in broken else picture(i)
        (root / "images" / f"{i}.png").write_bytes(content)
    table = pd.DataFrame({"image_id": [f"{i}.png" for i in range(n)], "Odd": np.arange(n) % 2})
    table.to_csv(root / "attributes.csv", index=False)
    dataset = create("folder", {"root": str(root), "size": 8, **params}, name="mine")
    dataset.fetch(root / "fetched")
    return dataset


def build(dataset: Dataset, root: Path, workers: int = 1) -> Pool:
    build_pool(dataset, root / "fetched", root / "pool", workers, QUIET)
    return Pool.open(root / "pool")


@pytest.mark.parametrize("workers", [1, 3])
def test_every_image_is_decoded_in_its_row(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CHUNK", 4)
    pool = build(folder(tmp_path), tmp_path, workers)
    expected = np.stack([decode(picture(i), 8, True) for i in range(11)])
    np.testing.assert_array_equal(pool.images, expected)
    assert isinstance(pool.images, np.memmap)
    assert pool.index["row"].tolist() == list(range(11))
    assert pool.index["image_id"].tolist() == [f"{i}.png" for i in range(11)]
    assert pool.index["Odd"].tolist() == [i % 2 for i in range(11)]
    scaled = expected.reshape(-1, 3) / 255
    np.testing.assert_allclose(pool.meta["mean"], scaled.mean(axis=0))
    np.testing.assert_allclose(pool.meta["std"], scaled.std(axis=0))
    assert pool.meta["n_images"] == len(pool) == 11
    assert pool.meta["attributes"] == ["Odd"]
    assert pool.masks.shape == (0, 8, 8)
    assert pool.mask_names == ()
    assert sorted(path.name for path in (tmp_path / "pool").iterdir()) == [
        "images.npy",
        "index.parquet",
        "masks.npy",
        "pool.json",
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_corrupt_images_are_all_named_and_nothing_is_left(tmp_path: Path, workers: int) -> None:
    dataset = folder(tmp_path, broken=(2, 7), tolerate_corrupt=1)
    with pytest.raises(UserError) as error:
        build(dataset, tmp_path, workers)
    for part in ("mine: 2 of 11", "1 tolerated", "2.png", "7.png", "tolerate_corrupt"):
        assert part in str(error.value)
    assert list((tmp_path / "pool").iterdir()) == []


def test_tolerated_corrupt_images_are_left_out_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CHUNK", 4)
    pool = build(folder(tmp_path, broken=(0, 6), tolerate_corrupt=2), tmp_path)
    kept = [1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert pool.index["image_id"].tolist() == [f"{i}.png" for i in kept]
    assert pool.index["row"].tolist() == list(range(9))
    expected = np.stack([decode(picture(i), 8, True) for i in kept])
    np.testing.assert_array_equal(pool.images, expected)
    np.testing.assert_allclose(pool.meta["mean"], expected.reshape(-1, 3).mean(axis=0) / 255)
    assert set(pool.meta["corrupt"]) == {"0.png", "6.png"}


def test_a_dataset_of_corrupt_images_only_is_never_a_pool(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 of 3"):
        build(folder(tmp_path, 3, broken=(0, 1, 2), tolerate_corrupt=9), tmp_path)


def test_a_failure_in_the_middle_leaves_the_old_pool(tmp_path: Path) -> None:
    dataset = folder(tmp_path)
    before = np.array(build(dataset, tmp_path).images)

    def interrupted(iterable: object, description: str) -> object:
        yield 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_pool(dataset, tmp_path / "fetched", tmp_path / "pool", 1, interrupted)
    np.testing.assert_array_equal(Pool.open(tmp_path / "pool").images, before)
    assert not list((tmp_path / "pool").glob(".*"))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    dataset = create("synthfaces", {"n_images": 7, "seed": 3, "size": 32})
    dataset.fetch(root / "fetched")
    build(dataset, root, workers=2)
    build_twins(dataset, root / "fetched", root / "pool", "Wearing_Hat", 2, QUIET)
    return root


def test_synthfaces_are_rendered_with_masks_and_twins(faces: Path) -> None:
    pool = Pool.open(faces / "pool")
    latents = sample_latents(7, 3)
    images, masks = render(latents, 32)
    np.testing.assert_array_equal(pool.images, images)
    np.testing.assert_array_equal(pool.masks, masks)
    assert pool.mask_names == MASKS
    for bit, name in enumerate(MASKS):
        np.testing.assert_array_equal(pool.mask(name), (masks >> bit) % 2 == 1)
        np.testing.assert_array_equal(pool.mask(name, np.array([4, 1])), pool.mask(name)[[4, 1]])
    assert pool.index["Wearing_Hat"].tolist() == latents["Wearing_Hat"].tolist()
    np.testing.assert_array_equal(
        pool.twins("Wearing_Hat"), render(switch(latents, "Wearing_Hat"), 32)[0]
    )


def test_what_a_pool_does_not_have(faces: Path, tmp_path: Path) -> None:
    pool = Pool.open(faces / "pool")
    with pytest.raises(UserError, match=r"no mask 'Hat'.*Wearing_Necktie"):
        pool.mask("Hat")
    with pytest.raises(UserError, match="no twins for 'Male'"):
        pool.twins("Male")
    with pytest.raises(UserError, match="holds no pool"):
        Pool.open(tmp_path)
    dataset = create("synthfaces", {"n_images": 7, "seed": 3, "size": 32})
    with pytest.raises(UserError, match="no twins for 'Skin_Tone'"):
        build_twins(dataset, faces / "fetched", faces / "pool", "Skin_Tone", 1, QUIET)
    assert not (faces / "pool" / "twins_Skin_Tone.npy").exists()


def test_fetch_of_synthfaces_repeats(faces: Path, tmp_path: Path) -> None:
    create("synthfaces", {"n_images": 7, "seed": 3, "size": 64}).fetch(tmp_path)
    for name in ("attributes.parquet", "latents.parquet"):
        assert (tmp_path / name).read_bytes() == (faces / "fetched" / name).read_bytes()
    assert json.loads((tmp_path / "source.json").read_text())["seed"] == 3


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def fewer(path: Path) -> None:
    if path.suffix == ".parquet":
        pd.read_parquet(path)[:-1].to_parquet(path, index=False)
    else:
        np.save(path, np.load(path)[:-1])


def smaller(path: Path) -> None:
    np.save(path, np.load(path)[:, :16, :16])


def other_type(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "spoil", "what"),
    [
        ("images.npy", cut, "breaks off"),
        (
            "images.npy",
            fewer,
            "it is uint8 (6, 32, 32, 3), and pool.json says uint8 (7, 32, 32, 3)",
        ),
        ("images.npy", smaller, "(7, 16, 16, 3)"),
        ("images.npy", other_type, "it is float32"),
        ("masks.npy", cut, "breaks off"),
        ("masks.npy", fewer, "(6, 32, 32)"),
        ("index.parquet", cut, "cannot be read as Parquet"),
        ("index.parquet", fewer, "it has 6 rows, and pool.json says 7"),
        ("twins_Wearing_Hat.npy", fewer, "(6, 32, 32, 3)"),
        ("pool.json", cut, "it cannot be read"),
    ],
)
def test_a_pool_whose_files_do_not_belong_together_is_named(
    faces: Path, tmp_path: Path, name: str, spoil: Callable[[Path], None], what: str
) -> None:
    shutil.copytree(faces / "pool", tmp_path / "pool")
    spoil(tmp_path / "pool" / name)
    for opened in (
        lambda: Pool.open(tmp_path / "pool"),
        lambda: open_images(tmp_path / "pool" / "images.npy"),
    ):
        with pytest.raises(UserError) as error:
            opened()
        assert f"pool/{name} is no whole part of its pool: " in str(error.value)
        assert what in str(error.value)


def test_a_table_of_another_length_than_was_fetched(tmp_path: Path) -> None:
    dataset = folder(tmp_path)
    fewer(tmp_path / "fetched" / "attributes.parquet")
    with pytest.raises(UserError, match=r"has 10 rows, and source\.json says 11"):
        build(dataset, tmp_path)
