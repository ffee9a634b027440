"""Data sets of Hugging Face: Parquet files that hold images and their labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field, model_validator

from rightreasons.core.errors import UserError
from rightreasons.core.files import read_json, write_parquet
from rightreasons.core.telling import tell
from rightreasons.core.user_paths import expanded
from rightreasons.data import DATASETS, KEYS
from rightreasons.data._archive import Images
from rightreasons.data._boxes import box_table
from rightreasons.data._files import check_ids, digest, evenly, provenance, write_fetched
from rightreasons.data._labels import cleaned, told_alike
from rightreasons.data._masked import MaskedDataset, MaskedParams
from rightreasons.data._shown import listing
from rightreasons.data._tables import key_column, parts_of

#: Which file, group of rows and row in it every image is: image_id, shard, group, place.
ROWS = "rows.parquet"


class HuggingFaceParams(MaskedParams):
    """Parameters of `huggingface`."""

    files: str = Field(
        ".", description="folder, file or pattern (`data/train-*`) of Parquet files, below `root`"
    )
    repo: str | None = Field(
        None,
        pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$",
        description="data set of the hub (owner/name), from which `files` are fetched and checked; "
        "none: they are there",
    )
    revision: str = Field("main", description="branch, tag or commit of `repo`")
    image_column: str | None = Field(
        None, description="the column with the images; none: the only one that there is"
    )
    id_column: str | None = Field(
        None,
        description="a column with a name for each image; none: the images' own paths where "
        "they differ, else the split and a number",
    )
    identity_column: str | None = Field(
        None, description="column with who is shown; images of one identity stay in one split"
    )
    partition_column: str | None = Field(
        None,
        description="column with a split of your own; none: the split that files are called "
        "by (train-00000-of-00002.parquet)",
    )

    @model_validator(mode="after")
    def _one_place(self) -> HuggingFaceParams:
        if self.root is not None and self.repo is not None:
            raise ValueError("`root` is your own copy, `repo` is fetched into `data`: name one")
        return self


@DATASETS.register(
    "huggingface",
    title="A data set of Hugging Face",
    paper="Lhoest et al. 2021, Datasets: A Community Library, EMNLP; your own data",
    params=HuggingFaceParams,
    licence="that of the data set's card",
    page="https://huggingface.co/datasets",
)
class HuggingFace(MaskedDataset):
    """Parquet files with a column of images, a struct of bytes and path or bytes alone.

    Every plain column is an attribute. Class labels get their names, as the files describe them.
    Images are read where they are; nothing is unpacked.
    """

    kind = "huggingface"

    @classmethod
    def sample(cls, folder: Path) -> dict[str, Any]:
        """Write eight images into two files, as Hugging Face's library does."""
        import io
        import json

        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq
        from PIL import Image

        features = {
            "image": {"_type": "Image"},
            "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        }
        meta = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for part in range(2):
            rows = []
            for number in range(4):
                buffer = io.BytesIO()
                shade = np.full((20, 24, 3), 60 * number + 30 * part, np.uint8)
                Image.fromarray(shade).save(buffer, "PNG")
                rows.append({"bytes": buffer.getvalue(), "path": f"{part}-{number}.png"})
            table = pa.table({"image": rows, "label": [0, 1, 0, 1]}).replace_schema_metadata(meta)
            pq.write_table(table, folder / f"data/train-0000{part}-of-00002.parquet")
        return {"root": str(folder), "size": 16}

    def locate(self) -> tuple[Path, list[Path]]:
        """Return the folder of all, and the Parquet files."""
        home = self.home
        files = expanded(self.params.files, "files")
        path = home / files
        if path.is_dir():
            found = parts_of(path)
        else:
            found = [path] if path.is_file() else sorted(home.glob(files)) if home.is_dir() else []
        if not found:
            raise UserError(
                f"dataset {self.name}: no Parquet file at {path}. Put them there, or set `root` "
                "and `files` to where they are, or `repo` to the data set of the hub."
            )
        return home, found

    def annotations(self, files: list[Path]) -> pd.DataFrame:
        """Return the keys, attributes and boxes of the files' rows as one table."""
        return self._read(files)[0]

    def _read(self, files: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame, str]:
        """Return the table, where each of its images is, and the column that they are in."""
        from rightreasons.data._shards import Shard, check_alike, rows_of, the_image_column

        home = self.home
        shards = [
            Shard(f, f.relative_to(home).as_posix() if home in f.parents else f.name) for f in files
        ]
        check_alike(shards, self.name)
        column = the_image_column(shards[0], self.params.image_column, self.name)
        tables, paths, left = [], [], set()
        for shard in shards:
            table, named, odd = self._part(shard, column)
            tables.append(table)
            paths += named
            left.update(odd)
        if left:
            tell(
                f"dataset {self.name}: columns of lists or structs are no attributes and left out: "
                f"{listing(sorted(left))}."
            )
        whole = pd.concat(tables, ignore_index=True)
        whole["image_id"] = self._ids(whole, pd.Series(paths, dtype="string"), files[0])
        places = pd.concat([rows_of(one).assign(shard=k) for k, one in enumerate(shards)])
        return whole, places.reset_index(drop=True).assign(image_id=whole["image_id"]), column

    def _part(self, shard: Any, column: str) -> tuple[pd.DataFrame, list[str | None], list[str]]:
        """Return a file's keys and attributes, the paths of its images, and what is neither."""
        from rightreasons.data._shards import image_paths, read_columns

        table, left = read_columns(shard, column, self.params.box_columns)
        chosen = {
            "image_id": self.params.id_column,
            "identity": self.params.identity_column,
            "partition": self.params.partition_column,
        }
        keys = {key: key_column(table, name, shard.path) for key, name in chosen.items()}
        if self.params.partition_column is None:
            keys["partition"] = pd.Series([shard.split] * len(table), dtype="string")
        for name in self.params.box_columns:
            key_column(table, name, shard.path)
        rest = table.drop(columns=[name for name in chosen.values() if name])
        if taken := [name for name in rest if name in KEYS]:
            rest = rest.rename(columns={name: f"{name}_" for name in taken})
            tell(f"{shard.path}: {listing(taken)} are reserved names and end in _ here.")
        return pd.DataFrame({**keys, **rest}), image_paths(shard, column), left

    def _ids(self, table: pd.DataFrame, paths: pd.Series, first: Path) -> pd.Series:
        """Return a name for each image."""
        if self.params.id_column is not None:
            if missing := int(table["image_id"].isna().sum()):
                raise UserError(
                    f"{first.parent}: {self.params.id_column} is missing for {missing} images. "
                    "Name another `id_column`, or none."
                )
            return table["image_id"]
        if paths.notna().all() and paths.is_unique:
            return paths
        split = table["partition"].fillna("image")
        number = split.groupby(split).cumcount()
        return (split + "/" + number.map("{:06d}".format)).astype("string")

    def _fetch(self, folder: Path) -> None:
        source: dict[str, Any] = {}
        if self.params.repo is not None:
            files, source["hub"] = self._fetched()
        else:
            _, files = self.locate()
        raw, places, column = self._read(files)
        where = str(files[0].parent)
        self._boxes = box_table(raw, self.params.boxes, where)
        table = cleaned(raw.drop(columns=self.params.box_columns))
        check_ids(table, files[0].parent)
        told_alike(self.name, table)
        table = evenly(table, self.params.max_images)
        folder.mkdir(parents=True, exist_ok=True)
        write_parquet(places[places["image_id"].isin(table["image_id"])], folder / ROWS)
        self.keep_boxes(folder, table["image_id"])
        known = [
            {"path": str(file), "bytes": file.stat().st_size, "sha256": digest(file, "sha256")}
            for file in files
        ]
        source["images"] = {"column": column, "home": str(self.home)}
        write_fetched(folder, table, {**source, "files": known, **provenance(self.kind)})

    def _fetched(self) -> tuple[list[Path], dict[str, str]]:
        """Return the files of the hub's data set, fetched where they are not there, and whence."""
        from rightreasons.data._hub import fetch_shards

        assert self.params.repo is not None
        home = self.home
        home.mkdir(parents=True, exist_ok=True)
        asked = (self.params.repo, self.params.revision, self.params.files)
        record = fetch_shards(*asked, home, self.name)
        files = [home / place for place in sorted(record["files"])]
        return files, {key: record[key] for key in ("repo", "revision", "commit")}

    def _archive(self, folder: Path) -> Images:
        """Return what reads the images, one per process."""
        from rightreasons.data._shards import ShardReader

        key = (Path(folder), os.getpid())
        if key not in self._opened:
            source = read_json(key[0] / "source.json")
            for file in source["files"]:
                path = Path(file["path"])
                if not path.is_file() or path.stat().st_size != file["bytes"]:
                    raise UserError(
                        f"{path} was moved or changed since it was fetched: fetch again."
                    )
            files = [Path(file["path"]) for file in source["files"]]
            rows = pd.read_parquet(key[0] / ROWS, use_threads=False)
            images = source["images"]
            self._opened[key] = ShardReader(files, images["column"], rows, Path(images["home"]))
        return self._opened[key]
