"""The recipes of docs/datasets.md, each tried on a made-up folder of that layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from miniatures import jpeg, kaggle
from rightreasons.core.errors import UserError
from rightreasons.data import create
from rightreasons.data.attributes import binary

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
UTK = [
    "25_0_2_20170116174525125.jpg.chip.jpg",
    "1_1_0_20161219154018096.jpg.chip.jpg",
    "110_1_3_20170109204617417.jpg.chip.jpg",
    "61_3_20170109142408075.jpg.chip.jpg",  # as three of the published names: no gender
]


def recipe(name: str) -> dict[str, Any]:
    """Return the parameters of a dataset that the page shows."""
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S):
        datasets = (yaml.safe_load(block) or {}).get("datasets", {})
        if name in datasets:
            return dict(datasets[name])
    raise AssertionError(f"no recipe for {name}")


def fetched(tmp_path: Path, name: str, **more: Any) -> pd.DataFrame:
    params = {**recipe(name), "size": 8, **more}
    kind = params.pop("kind")
    dataset = create(kind, params, name=name, data_dir=str(tmp_path))
    dataset.fetch(tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "attributes.parquet")
    assert not dataset.load(tmp_path / "out", table).corrupt
    return table


def put(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(20 * number))


def test_utkface(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "utkface" / "UTKFace", UTK)
    table = fetched(tmp_path, "utkface").set_index("image_id")
    assert table.loc[UTK[0], ["age", "gender", "race"]].tolist() == [25, 0, 2]
    assert table.loc[UTK[1], ["age", "gender", "race"]].tolist() == [1, 1, 0]
    assert table.loc[UTK[2], ["age", "gender", "race"]].tolist() == [110, 1, 3]
    assert table.loc[UTK[3]].drop(["identity", "partition"]).isna().all()
    assert "1 of 4 images have names of another form" in capsys.readouterr().err
    rest = table.drop(UTK[3]).reset_index()
    assert binary("gender", rest).tolist() == [1, 1, 0]  # sorted by name
    assert binary("race in [2, 3]", rest).tolist() == [1, 0, 1]


def test_names_that_say_nothing_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "utkface" / "UTKFace", ["a.jpg", "b.jpg"])
    with pytest.raises(UserError, match=r"no image's name has the form.*such as a\.jpg"):
        fetched(tmp_path, "utkface")


def test_lfw(tmp_path: Path) -> None:
    put(
        tmp_path / "lfw" / "lfw",
        ["Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo_Li/Bo_Li_0001.jpg"],
    )
    # the published attributes: tabs, a line before the header, a person's name and a number
    lines = [
        "# lfw attributes",
        "#\tperson\timagenum\tMale\tSmiling",
        "Ann Lee\t1\t-1.5\t0.5",
        "Ann Lee\t2\t-0.5\t-2.5",
        "Bo Li\t1\t2.0\t1.0",
    ]
    (tmp_path / "lfw" / "lfw_attributes.txt").write_text("\n".join(lines))
    source = re.search(r"```python\n(import pandas.*?lfw.*?)```", PAGE.read_text(), re.S)
    assert source is not None
    code = source[1].replace("data/lfw", str(tmp_path / "lfw"))
    exec(code, {})
    table = fetched(tmp_path, "lfw")
    assert table["identity"].tolist() == ["Ann Lee", "Ann Lee", "Bo Li"]
    assert binary("Male > 0", table).tolist() == [0, 0, 1]
    assert binary("Smiling > 0", table).tolist() == [1, 0, 1]


def test_waterbirds(tmp_path: Path) -> None:
    folder = tmp_path / "waterbirds_published" / "waterbird_complete95_forest2water2"
    names = [f"00{k}.Bird/Bird_{k}.jpg" for k in range(4)]
    put(folder, names)
    table = pd.DataFrame(
        {
            "img_id": range(1, 5),
            "img_filename": names,
            "y": [0, 1, 0, 1],
            "split": [0, 0, 1, 2],
            "place": [0, 1, 1, 0],
            "place_filename": ["/o/ocean/1.jpg"] * 4,
        }
    )
    table.to_csv(folder / "metadata.csv", index=False)
    made = fetched(tmp_path, "waterbirds_published")
    assert binary("y", made).tolist() == [0, 1, 0, 1]
    assert binary("place", made).tolist() == [0, 1, 1, 0]
    assert made["partition"].tolist() == ["0", "0", "1", "2"]


def test_celeba_by_kaggle(tmp_path: Path) -> None:
    kaggle(tmp_path / "celeba_kaggle")
    table = fetched(tmp_path, "celeba_kaggle", root=str(tmp_path / "celeba_kaggle"))
    np.testing.assert_array_equal(binary("Smiling", table), [0, 1, 0, 1, 0, 1])
