"""Parquet files with images in them: labels by name, splits by file, and a hub that is a fake."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from miniatures import encoded
from rightreasons.core.errors import UserError
from rightreasons.data import create
from rightreasons.data._decode import decode
from rightreasons.data.attributes import binary

GENDER = ["Male", "Female"]


def picture(number: int) -> bytes:
    rng = np.random.default_rng(number)
    return encoded(rng.integers(0, 256, (12, 10, 3), np.uint8), "PNG")


def shard(
    path: Path,
    numbers: list[int],
    names: list[str] | None = None,
    described: bool = True,
    **columns: list[Any],
) -> Path:
    """Write a file as Hugging Face's library does, with three rows in a group."""
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "gender": {"names": names or GENDER, "_type": "ClassLabel"},
        "age": {"dtype": "int64", "_type": "Value"},
    }
    table = pa.table(
        {
            "image": [{"bytes": picture(n), "path": f"{n}.png"} for n in numbers],
            "gender": [n % 2 for n in numbers],
            "age": [20 + n for n in numbers],
            **columns,
        }
    )
    if described:
        meta = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = table.replace_schema_metadata(meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=3)
    return path


def shards(root: Path) -> Path:
    shard(root / "data" / "train-00000-of-00002.parquet", [0, 1, 2, 3])
    shard(root / "data" / "train-00001-of-00002.parquet", [4, 5])
    shard(root / "data" / "validation-00000-of-00001-0a1b.parquet", [6, 7])
    return root


def fetched(root: Path, **params: Any) -> pd.DataFrame:
    dataset = create("huggingface", {"root": str(root), "size": 12, **params}, name="mine")
    dataset.fetch(root / "out")
    return pd.read_parquet(root / "out" / "attributes.parquet")


def refused(root: Path, **params: Any) -> str:
    with pytest.raises(UserError) as error:
        fetched(root, **params)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_labels_have_their_names_and_files_say_the_split(tmp_path: Path) -> None:
    table = fetched(shards(tmp_path))
    assert list(table) == ["image_id", "identity", "partition", "gender", "age"]
    assert table["image_id"].tolist() == [f"{n}.png" for n in range(8)]
    assert table["gender"].tolist() == [GENDER[n % 2] for n in range(8)]
    assert table["age"].tolist() == [20 + n for n in range(8)]
    assert table["partition"].tolist() == ["train"] * 6 + ["validation"] * 2
    assert binary("gender == Female", table).tolist() == [0, 1] * 4
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    for file in source["files"]:
        assert file["sha256"] == hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest()


def test_images_are_those_of_their_rows_in_any_order(tmp_path: Path) -> None:
    table = fetched(shards(tmp_path)).sample(frac=1, random_state=0)
    dataset = create("huggingface", {"root": str(tmp_path), "size": 12})
    batch = dataset.load(tmp_path / "out", table)
    assert not batch.corrupt
    for image, image_id in zip(batch.images, table["image_id"], strict=True):
        number = int(image_id.removesuffix(".png"))
        np.testing.assert_array_equal(image, decode(picture(number), 12, True))


@pytest.mark.parametrize("files", ["data", "data/*.parquet", "data/train-00001-of-00002.parquet"])
def test_a_folder_a_pattern_or_a_file(tmp_path: Path, files: str) -> None:
    assert len(fetched(shards(tmp_path), files=files)) == (2 if "00001" in files else 8)


def test_files_as_the_hub_converts_them(tmp_path: Path) -> None:
    shard(tmp_path / "default" / "train" / "0000.parquet", [0, 1])
    shard(tmp_path / "default" / "test" / "0000.parquet", [2, 3])
    assert fetched(tmp_path)["partition"].tolist() == ["test", "test", "train", "train"]


def test_bytes_alone_and_no_description(tmp_path: Path) -> None:
    table = pa.table({"image": [picture(0), None, picture(2)], "Odd": ["0", "1", "0"]})
    pq.write_table(table, tmp_path / "a.parquet")
    table = fetched(tmp_path)
    assert table["image_id"].tolist() == ["image/000000", "image/000001", "image/000002"]
    assert table["Odd"].tolist() == [0, 1, 0]
    batch = create("huggingface", {"size": 12}).load(tmp_path / "out", table)
    assert batch.corrupt == {1: "ValueError: no image in this row"}
    np.testing.assert_array_equal(batch.images[2], decode(picture(2), 12, True))


def test_images_that_are_named_by_a_path(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0.png").write_bytes(picture(0))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = pa.array([{"bytes": None, "path": "x/0.png"}], kind)
    pq.write_table(pa.table({"image": rows, "Odd": [1]}), tmp_path / "a.parquet")
    table = fetched(tmp_path)
    batch = create("huggingface", {"size": 12}).load(tmp_path / "out", table)
    np.testing.assert_array_equal(batch.images[0], decode(picture(0), 12, True))


def test_classes_without_a_value_and_paths_that_are_no_names(tmp_path: Path) -> None:
    image = [{"bytes": picture(n), "path": "image.jpg"} for n in range(3)]
    shard(tmp_path / "train.parquet", [0, 1, 2], gender=[0, -1, 1], image=image)
    table = fetched(tmp_path)
    assert table["image_id"].tolist() == ["train/000000", "train/000001", "train/000002"]
    assert table["gender"].isna().tolist() == [False, True, False]
    with pytest.raises(UserError, match="missing for 1 images: train/000001"):
        binary("gender == Male", table)


def test_columns_of_names_people_and_splits(tmp_path: Path) -> None:
    columns = {
        "key": ["a", "b", "c", "d"],
        "who": [7, 7, 8, 8],
        "fold": ["x", "x", "y", "y"],
        "row": [1, 2, 3, 4],
        "caption": [["a", "b"]] * 4,
    }
    shard(tmp_path / "train.parquet", [0, 1, 2, 3], **columns)
    given = {"id_column": "key", "identity_column": "who", "partition_column": "fold"}
    table = fetched(tmp_path, **given)
    assert table["image_id"].tolist() == ["a", "b", "c", "d"]
    assert table["identity"].tolist() == ["7", "7", "8", "8"]
    assert table["partition"].tolist() == ["x", "x", "y", "y"]
    assert table["row_"].tolist() == [1, 2, 3, 4]
    assert "caption" not in table


def test_what_is_left_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard(tmp_path / "train.parquet", [0, 1], caption=[["a"], ["b"]], row=[1, 2])
    fetched(tmp_path)
    said = capsys.readouterr().err
    assert "columns of lists or structs are no attributes and left out: caption" in said
    assert "row are reserved names and end in _ here" in said


def test_boxes_in_a_column_of_lists(tmp_path: Path) -> None:
    boxes = [[[0, 0, 5, 6]], [], [[0, 0, 2, 2], [8, 10, 2, 2]]]
    shard(tmp_path / "train.parquet", [0, 1, 2], bbox=boxes)
    params = {"boxes": {"face": {"columns": "bbox", "form": "size"}}, "pad": False, "size": 10}
    table = fetched(tmp_path, **params)
    assert list(table) == ["image_id", "identity", "partition", "gender", "age"]
    dataset = create("huggingface", params)
    assert dataset.masks == ("face",)
    batch = dataset.load(tmp_path / "out", table)
    assert batch.masks is not None
    expected = np.zeros((3, 10, 10), bool)  # images of 10 x 12 lose a row above and below
    expected[0, :5, :5] = True
    expected[2, :1, :2] = True
    expected[2, 9:, 8:] = True
    np.testing.assert_array_equal(batch.masks == 1, expected)


def two_versions(root: Path) -> None:
    for version in ("0.25", "1.25"):
        shard(root / version / "train-00000-of-00001.parquet", [0, 1])


def other_columns(root: Path) -> None:
    shard(root / "train-00000-of-00002.parquet", [0, 1])
    shard(root / "train-00001-of-00002.parquet", [2, 3], more=[1, 2])


def other_classes(root: Path) -> None:
    shard(root / "train-00000-of-00002.parquet", [0, 1])
    shard(root / "train-00001-of-00002.parquet", [2, 3], names=["Female", "Male"])


def two_images(root: Path) -> None:
    pq.write_table(pa.table({"a": [b"x"], "b": [b"y"], "c": [1]}), root / "train.parquet")


def no_image(root: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), root / "train.parquet")


def too_few_names(root: Path) -> None:
    shard(root / "train.parquet", [0, 1], gender=[0, 2])


def cut(root: Path) -> None:
    path = shard(root / "train.parquet", [0, 1])
    path.write_bytes(path.read_bytes()[:-9])


def nothing(root: Path) -> None:
    (root / "README.md").write_text("x")


@pytest.mark.parametrize(
    ("write", "part"),
    [
        (two_versions, "the same split lies in several folders"),
        (other_columns, "the columns more are in one of them only"),
        (other_classes, "the classes or types of gender differ"),
        (two_images, "several columns with images: a, b"),
        (no_image, "has no column of images"),
        (too_few_names, "has the class 2, and there are names for 2"),
        (cut, "cannot be read as Parquet"),
        (nothing, "no Parquet file at"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, write: Any, part: str) -> None:
    write(tmp_path)
    assert part in refused(tmp_path)


def test_one_of_two_versions(tmp_path: Path) -> None:
    two_versions(tmp_path)
    assert len(fetched(tmp_path, files="0.25")) == 2


def test_files_that_were_changed_since(tmp_path: Path) -> None:
    table = fetched(shards(tmp_path))
    shard(tmp_path / "data" / "train-00001-of-00002.parquet", [4])
    with pytest.raises(UserError, match="was moved or changed since it was fetched"):
        create("huggingface", {"size": 12}).load(tmp_path / "out", table)


# The hub


class Hub:
    """A hub with one data set."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked, self.large = files, [], {n for n in files if "00000" in n}

    def dataset_info(self, repo: str, revision: str, files_metadata: bool) -> Any:
        assert files_metadata
        self.asked.append((repo, revision))
        siblings = []
        for name, content in self.files.items():
            blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            lfs = {"sha256": hashlib.sha256(content).hexdigest()} if name in self.large else None
            siblings.append(SimpleNamespace(rfilename=name, lfs=lfs, blob_id=blob))
        return SimpleNamespace(sha="c0ffee", siblings=siblings)

    def download(
        self, repo: str, place: str, repo_type: str, revision: str, local_dir: Path
    ) -> None:
        assert (repo_type, revision) == ("dataset", "c0ffee")
        self.asked.append(place)
        (local_dir / place).parent.mkdir(parents=True, exist_ok=True)
        (local_dir / place).write_bytes(self.files[place])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    root = shards(tmp_path / "theirs")
    files = {
        p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*.parquet"))
    }
    made = Hub({**files, "README.md": b"a card"})
    module = ModuleType("huggingface_hub")
    module.HfApi = lambda: made  # type: ignore[attr-defined]
    module.hf_hub_download = made.download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return made


def of_hub(tmp_path: Path, **params: Any) -> pd.DataFrame:
    given = {"repo": "ann/faces", "size": 12, **params}
    dataset = create("huggingface", given, name="mine", data_dir=str(tmp_path / "data"))
    dataset.fetch(tmp_path / "out")
    return pd.read_parquet(tmp_path / "out" / "attributes.parquet")


def test_a_repository_is_fetched_once_and_checked(tmp_path: Path, hub: Hub) -> None:
    table = of_hub(tmp_path, revision="v1")
    assert len(table) == 8
    assert hub.asked[0] == ("ann/faces", "v1")
    assert len(hub.asked) == 4
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    assert source["hub"] == {"repo": "ann/faces", "revision": "v1", "commit": "c0ffee"}
    assert len(of_hub(tmp_path, revision="v1")) == 8
    assert len(hub.asked) == 4  # no network the second time


def test_only_the_files_that_are_asked_for(tmp_path: Path, hub: Hub) -> None:
    assert len(of_hub(tmp_path, files="data/train-*")) == 6
    assert [a for a in hub.asked if "validation" in a] == []


@pytest.mark.parametrize("place", ["train-00000-of-00002", "train-00001-of-00002"])
def test_a_file_with_another_checksum(tmp_path: Path, hub: Hub, place: str) -> None:
    of_hub(tmp_path)
    path = tmp_path / "data" / "mine" / "data" / f"{place}.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match=f"{place}.parquet in .* is not the hub's file"):
        of_hub(tmp_path)
    (tmp_path / "data" / "mine" / "hub.json").unlink()
    assert len(of_hub(tmp_path)) == 8  # fetched again


def test_a_repository_without_parquet(tmp_path: Path, hub: Hub) -> None:
    hub.files = {"images.zip": b"x", "README.md": b"y"}
    with pytest.raises(UserError, match=r"It has README.md, images.zip.*refs/convert/parquet"):
        of_hub(tmp_path)


def test_no_network(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: Any, **options: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(hub, "dataset_info", gone)
    with pytest.raises(UserError, match=r"ann/faces at main cannot be fetched.*set `root`"):
        of_hub(tmp_path)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'rightreasons\[huggingface\]'"):
        of_hub(tmp_path)


@pytest.mark.parametrize("given", [{"repo": "a/b", "root": "x"}, {"repo": "../x"}, {"repo": "a b"}])
def test_a_repository_and_a_copy_of_ones_own(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        create("huggingface", given)
