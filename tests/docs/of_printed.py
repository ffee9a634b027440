"""What is promised of the printed examples beside the contracts; run by test_adding.py.

Not collected by itself: the examples must be registered first (tests/helpers/printed.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from printed import configs, examples
from rightreasons.data import DATASETS, create
from rightreasons.data.pool import Pool, build_pool, build_twins
from rightreasons.study.load import load_config

[BASE] = [yaml.safe_load(text) for text in configs("first_steps.md")]


@pytest.mark.parametrize("printed", configs("adding.md"))
def test_a_printed_part_of_a_config_is_one(printed: str) -> None:
    config = load_config({**BASE, "methods": {"vanilla": {}}, **yaml.safe_load(printed)})
    assert config.study == BASE["study"]


def test_the_printed_datasets_masks_are_where_its_twins_differ(tmp_path: Path) -> None:
    [name] = [example.name for example in examples() if example.package == "data"]
    dataset = create(name, {"n_images": 40, "size": 32})
    dataset.fetch(tmp_path / "fetch")
    build_pool(dataset, tmp_path / "fetch", tmp_path / "pool")
    [attribute] = DATASETS[name].traits["twins"]
    build_twins(dataset, tmp_path / "fetch", tmp_path / "pool", attribute)
    pool = Pool.open(tmp_path / "pool")
    carries = pool.index[attribute].to_numpy() == 1
    assert 0 < carries.sum() < len(carries)
    masks = pool.mask(attribute)
    assert masks[carries].any(axis=(1, 2)).all()
    assert not masks[~carries].any()
    changed = (pool.images != pool.twins(attribute)).any(axis=3)
    assert changed.any(axis=(1, 2)).all()
    assert not changed[carries][~masks[carries]].any()
