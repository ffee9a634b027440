"""Labels are cleaned alike everywhere; a table is what its content is; layouts by others."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from miniatures import celeba, fairface, jpeg, kaggle, pets, write_zip
from rightreasons.core.errors import UserError
from rightreasons.data import create
from rightreasons.data._labels import clean
from rightreasons.data._tables import read_table
from rightreasons.data.attributes import binary


def fetched(kind: str, root: Path, out: Path, **params: object) -> pd.DataFrame:
    create(kind, {"root": str(root), **params}).fetch(out)
    return pd.read_parquet(out / "attributes.parquet")


def refused(kind: str, root: Path, out: Path, **params: object) -> str:
    with pytest.raises(UserError) as error:
        create(kind, {"root": str(root), **params}).fetch(out)
    assert "\n" not in str(error.value)
    return str(error.value)


TABLE = pd.DataFrame({"image_id": ["1.jpg", "2.jpg"], "Odd": [1, 0], "who": ["a", "b"]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_zip(tmp_path / "images.zip", {name: jpeg(9) for name in TABLE["image_id"]})
    return tmp_path


# Labels


def test_fairface_labels_with_blanks(tmp_path: Path) -> None:
    root = fairface(tmp_path / "root")
    path = root / "fairface_label_train.csv"
    path.write_text(
        path.read_text().replace("train/1.jpg,more than 70,Male", "train/1.jpg,x,Male ")
    )
    table = fetched("fairface", root, tmp_path / "out")
    assert sorted(table["gender"].unique()) == ["Female", "Male"]
    assert binary("gender == Male", table).tolist() == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["Male ", "Male", " Female"], ["Male", "Male", "Female"]),
        (["cafe\u0301", "caf\u00e9", "x"], ["caf\u00e9", "caf\u00e9", "x"]),
        (["a\u00a0", "a", "b"], ["a", "a", "b"]),
        (["True ", "False", "true"], [1, 0, 1]),
        (["1", "0", "0"], [1, 0, 0]),
        (["-1", "1 ", "1"], [0, 1, 1]),
        (["12 ", "7", "3.5"], [12.0, 7.0, 3.5]),
        (["12", "007", "3"], ["12", "007", "3"]),
        (["007 ", "7", "3"], ["007", "7", "3"]),
        (["x", "  ", "y"], ["x", None, "y"]),
        ([1, 2, 3], [1, 2, 3]),
        ([True, None, False], [1, None, 0]),
        (["None", "NA", "x"], ["None", "NA", "x"]),
    ],
)
@pytest.mark.parametrize("kind", ["object", "category"])
def test_a_label_is_cleaned(given: list[object], made: list[object], kind: str) -> None:
    found = clean(pd.Series(given, dtype=object).astype(kind)).tolist()
    assert [None if pd.isna(value) else value for value in found] == made


def test_identities_and_partitions_are_cleaned_too(root: Path) -> None:
    csv = "image_id,x,who,part\n1.jpg,1,ann ,train\n2.jpg,0,ann,train \n"
    (root / "attributes.csv").write_text(csv)
    columns = {"identity_column": "who", "partition_column": "part"}
    table = fetched("folder", root, root / "out", **columns)
    assert table["identity"].tolist() == ["ann", "ann"]
    assert table["partition"].tolist() == ["train", "train"]


def test_labels_that_differ_in_case_are_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "attributes.csv").write_text("image_id,sex\n1.jpg,Male\n2.jpg,male\n")
    fetched("folder", root, root / "out")
    assert "values of sex that differ in case or blanks only" in capsys.readouterr().err


# Tables by content


def written(root: Path, name: str) -> None:
    path = root / name
    csv = TABLE.to_csv(index=False).encode()
    if name == "parts.parquet":
        path.mkdir()
        TABLE[:1].to_parquet(path / "0.parquet")
        TABLE[1:].to_parquet(path / "1.parquet")
        (path / "_SUCCESS").write_bytes(b"")
    elif name in ("A.PARQUET", "attributes.csv"):
        TABLE.to_parquet(path)
    elif name == "feather.csv":
        TABLE.to_feather(path)
    elif name == "zip.csv":
        write_zip(path, {"a.csv": csv})
    else:
        path.write_bytes({"gz.csv": gzip.compress, "bz2": bz2.compress}.get(name, bytes)(csv))


@pytest.mark.parametrize(
    "name",
    [
        "A.PARQUET",
        "attributes.csv",
        "parts.parquet",
        "gz.csv",
        "bz2",
        "zip.csv",
        "feather.csv",
        "plain.parquet",
        "plain",
    ],
)
def test_a_table_is_what_its_content_is(root: Path, name: str) -> None:
    written(root, name)
    table = fetched("folder", root, root / "out", attributes=name)
    assert table["Odd"].tolist() == [1, 0]
    assert table["who"].tolist() == ["a", "b"]


@pytest.mark.parametrize("name", [None, "image_id", "file"])
def test_the_index_of_pandas(root: Path, name: str | None) -> None:
    TABLE.set_index("image_id").rename_axis(name).to_parquet(root / "a.parquet")
    column = name or "__index_level_0__"
    table = fetched("folder", root, root / "out", attributes="a.parquet", id_column=column)
    assert table["image_id"].tolist() == ["1.jpg", "2.jpg"]
    if name is None:
        message = refused("folder", root, root / "out2", attributes="a.parquet")
        assert "Columns: __index_level_0__, Odd, who" in message


def test_an_index_of_several_levels(tmp_path: Path) -> None:
    TABLE.set_index(["who", "image_id"]).to_parquet(tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet")) == ["who", "image_id", "Odd"]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"xlsx", ["an Excel file (.xlsx)", "CSV (UTF-8)"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, ["an old Excel file", "CSV (UTF-8)"]),
        (b'[{"image_id": "1.jpg"}]', ["a JSON file", "CSV or Parquet"]),
        (b"SQLite format 3\0", ["an SQLite database"]),
        (b"\x80\x04\x95", ["a pickled Python object"]),
        (b"\x93NUMPY\x01", ["a NumPy array"]),
        (b"\xff\xd8\xff\xe0", ["a single image"]),
        (b"version https://git-lfs.github.com/spec/v1\noid", ["git lfs pull"]),
        (b"<!DOCTYPE html><html>", ["is a web page"]),
        (b"PAR1 and no more", ["cannot be read as a table"]),
        (b"", ["cannot be read as a table"]),
        ("image_id,x\n1.jpg,ä".encode("latin-1"), ["not in UTF-8", "Save it in that encoding"]),
    ],
)
def test_what_is_no_table_is_called_by_its_name(
    root: Path, content: bytes, parts: list[str]
) -> None:
    path = root / "attributes.csv"
    path.write_bytes(content)
    if content == b"xlsx":
        write_zip(path, {"xl/workbook.xml": b"<x/>", "[Content_Types].xml": b"<x/>"})
    message = refused("folder", root, root / "out")
    for part in (*parts, str(path)):
        assert part in message


def test_a_folder_that_is_no_table(root: Path) -> None:
    (root / "t").mkdir()
    (root / "t" / "notes.txt").write_text("x")
    message = refused("folder", root, root / "out", attributes="t")
    assert "a folder without a Parquet file; it holds notes.txt" in message
    TABLE.to_parquet(root / "t" / "0.parquet")
    TABLE.assign(more=1).to_parquet(root / "t" / "1.parquet")
    assert "1.parquet has other columns" in refused("folder", root, root / "out", attributes="t")


# CelebA as others have it


def test_celeba_from_kaggle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = kaggle(tmp_path / "root")
    table = fetched("celeba", root, tmp_path / "out")
    assert table["Smiling"].tolist() == [0, 1, 0, 1, 0, 1]
    assert table["Male"].tolist() == [0, 0, 1, 1, 0, 0]
    assert table["identity"].isna().all()
    assert table["partition"].tolist() == ["train", "val", "test"] * 2
    assert "images of one person can be in train and in test" in capsys.readouterr().err
    batch = create("celeba", {"root": str(root), "size": 8}).load(tmp_path / "out", table)
    np.testing.assert_allclose(batch.images[:, 4, 4, 0], 30 * np.arange(6), atol=4)


@pytest.mark.parametrize("layout", ["torchvision", "drive"])
def test_celeba_below_the_root(tmp_path: Path, layout: str) -> None:
    if layout == "torchvision":
        celeba(tmp_path / "root" / "celeba")
    else:
        given, root = celeba(tmp_path / "given"), tmp_path / "root"
        for name, place in {
            "img_align_celeba.zip": "Img",
            "list_attr_celeba.txt": "Anno",
            "identity_CelebA.txt": "Anno",
            "list_eval_partition.txt": "Eval",
        }.items():
            (root / place).mkdir(parents=True, exist_ok=True)
            shutil.move(given / name, root / place / name)
    table = fetched("celeba", tmp_path / "root", tmp_path / "out")
    assert table["identity"].tolist() == ["100", "100", "101", "101", "102", "102"]
    files = json.loads((tmp_path / "out" / "source.json").read_text())["files"]
    assert len(files) == 3


def test_identities_are_demanded_of_the_official_lists(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    (root / "identity_CelebA.txt").unlink()
    (root / "list_eval_partition.txt").unlink()  # no task uses it
    message = refused("celeba", root, tmp_path / "out")
    assert f"not found in {root}: identity_CelebA.txt. Download" in message


def test_the_official_head_with_rows_of_commas(tmp_path: Path) -> None:
    root = celeba(tmp_path / "root")
    path = root / "list_attr_celeba.txt"
    first, head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([first, head, *(",".join(row.split()) for row in rows)]))
    assert fetched("celeba", root, tmp_path / "out")["Smiling"].tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b\n1,2\n", ["It begins with 'a,b'", "expected is the number of images"]),
        ("2\nSmiling Male\n000001.jpg 1\n", ["Its first row has 2 fields", "are 3"]),
        ("5\nSmiling\n", ["It begins with '5'"]),
        ("5", ["It begins with '5'"]),
    ],
)
def test_a_wrong_layout_shows_what_was_found_and_what_was_expected(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    root = celeba(tmp_path / "root")
    (root / "list_attr_celeba.txt").write_text(text)
    message = refused("celeba", root, tmp_path / "out")
    for part in parts:
        assert part in message


# Columns that no task uses


@pytest.mark.parametrize("values", [None, ("0", "1"), ("TRUE", "FALSE"), ("1.0", "0.0")])
def test_fairface_service_test(
    tmp_path: Path, values: tuple[str, str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    root = fairface(tmp_path / "root")
    for path in root.glob("*.csv"):
        table = pd.read_csv(path, dtype=str)
        if values is None:
            table = table.drop(columns="service_test")
        else:
            table["service_test"] = table["service_test"].map(
                {"True": values[0], "False": values[1]}
            )
        table.to_csv(path, index=False)
    table = fetched("fairface", root, tmp_path / "out")
    assert binary("gender == Male", table).sum() == 3
    if values is None:
        assert "service_test" not in table
        assert "have no service_test" in capsys.readouterr().err
    else:
        assert set(table["service_test"]) == {0, 1}


def test_pets_below_the_root(tmp_path: Path) -> None:
    pets(tmp_path / "root" / "oxford-iiit-pet")
    assert len(fetched("pets", tmp_path / "root", tmp_path / "out")) == 6


def test_fairface_unpacked_beside_its_lists(tmp_path: Path) -> None:
    root = fairface(tmp_path / "root")
    with zipfile.ZipFile(root / "fairface-img-margin025-trainval.zip") as archive:
        archive.extractall(root)
    for path in root.glob("*.zip"):
        path.unlink()
    table = fetched("fairface", root, tmp_path / "out")
    dataset = create("fairface", {"root": str(root)})
    assert not dataset.load(tmp_path / "out", table).corrupt
    shutil.rmtree(root / "val")
    assert "not found in" in refused("fairface", root, tmp_path / "out")


def test_lists_in_a_linked_folder(tmp_path: Path) -> None:
    celeba(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "celeba").symlink_to(tmp_path / "elsewhere")
    assert len(fetched("celeba", tmp_path / "root", tmp_path / "out")) == 6
