"""Components from files, folders and modules: how they are found, named, and refused."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foreign import METHOD, METRIC, forgotten, unload, write
from rightreasons.core import code
from rightreasons.core.components import PACKAGES, load_components
from rightreasons.core.errors import UserError
from rightreasons.data import create
from rightreasons.data.pool import Pool, build_pool
from rightreasons.debias import METHODS

DATASET = """\
import os

import numpy as np
import pandas as pd

from rightreasons.data import DATASETS, Batch, Dataset, DatasetParams
from ._paint import shade


@DATASETS.register("shades", title="Shades", paper="none", params=DatasetParams, licence="CC0")
class Shades(Dataset):
    kind = "shades"

    def fetch(self, folder):
        table = pd.DataFrame({"image_id": [str(i) for i in range(200)], "Dark": [0, 1] * 100})
        table.assign(identity=None, partition=None).to_parquet(folder / "attributes.parquet")

    def load(self, folder, rows):
        size = self.params.size
        images = np.empty((len(rows), size, size, 3), np.uint8)
        for image, name in zip(images, rows["image_id"]):
            image[:] = shade(name), *divmod(os.getpid() % 2**16, 256)
        return Batch(images)
"""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in a folder of one's own and forget afterwards what was loaded."""
    monkeypatch.chdir(tmp_path)
    with forgotten():
        yield


def refused(*names: str, folders: tuple[Path, ...] = ()) -> str:
    with pytest.raises(UserError) as error:
        load_components(names, folders)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_registers_by_the_same_decorator() -> None:
    write("mine.py", METHOD.format(name="mine"))
    loaded = load_components(["mine.py"])
    assert list(loaded) == ["mine.py"]
    (made,) = loaded["mine.py"]
    assert made.registry is METHODS
    assert METHODS["mine"] is made.component
    assert METHODS.is_foreign(METHODS["mine"])
    assert not METHODS.is_foreign(METHODS["finetune"])


def test_loading_again_does_nothing_and_says_the_same() -> None:
    write("mine.py", "import builtins\nbuiltins.times = getattr(builtins, 'times', 0) + 1\n")
    with open("mine.py", "a") as file:
        file.write(METHOD.format(name="mine"))
    first = load_components(["mine.py"])
    again = load_components(["./mine.py", str(Path("mine.py").resolve())])
    assert [[one.component for one in made] for made in again.values()] == [
        [one.component for one in first["mine.py"]]
    ] * 2
    import builtins

    assert builtins.__dict__.pop("times") == 1


def test_a_folder_is_all_its_files_but_the_helpers() -> None:
    write("mine/_names.py", "NAME = 'first'\n")
    write("mine/one.py", "from ._names import NAME\n" + METHOD.format(name="first"))
    write("mine/two.py", "from . import _names\n" + METRIC.format(name="second"))
    write("mine/notes.txt", "no Python")
    loaded = load_components(["mine/"])
    assert [one.component.name for one in loaded["mine/"]] == ["first", "second"]
    assert {one.registry.noun for one in loaded["mine/"]} == {"method", "metric"}


def test_a_folder_with_an_init_is_that_package() -> None:
    write("mine/__init__.py", "NAME = 'first'\n")
    write("mine/one.py", "from . import NAME\nassert NAME\n" + METHOD.format(name="first"))
    load_components(["mine/one.py"])
    assert "first" in METHODS


def test_files_of_one_name_in_two_folders_do_not_meet() -> None:
    for name in ("a", "b"):
        write(f"{name}/_helper.py", f"HERE = {name!r}\n")
        text = METHOD.format(name=f"of_{name}")
        write(f"{name}/mine.py", f"from ._helper import HERE\nassert HERE == {name!r}\n{text}")
    load_components(["a/mine.py", "b/mine.py"])
    assert {"of_a", "of_b"} <= set(METHODS.names())


def test_a_file_may_be_called_as_a_library() -> None:
    write("random.py", METHOD.format(name="mine"))
    load_components(["random.py"])
    import random

    assert random.random() < 1
    assert "mine" in METHODS


def test_a_module_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write("lib/my_lib/__init__.py", "from my_lib import methods\n")
    write("lib/my_lib/methods.py", METHOD.format(name="of_a_module"))
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    loaded = load_components(["my_lib"])
    assert [one.component.name for one in loaded["my_lib"]] == ["of_a_module"]
    assert [one.component.name for one in load_components(["my_lib"])["my_lib"]] == ["of_a_module"]


def test_paths_are_looked_for_in_the_working_directory_then_beside_the_config(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("work/here.py", METHOD.format(name="here"))
    write("work/both.py", METHOD.format(name="of_work"))
    write("study/both.py", METHOD.format(name="of_study"))
    write("study/there.py", METHOD.format(name="there"))
    write("study/more/one.py", METHOD.format(name="more"))
    monkeypatch.chdir(tmp_path / "work")
    loaded = load_components(["here.py", "both.py", "there.py", "more/"], [tmp_path / "study"])
    assert list(loaded) == ["here.py", "both.py", "../study/there.py", "../study/more/"]
    assert [made[0].component.name for made in loaded.values()] == [
        "here",
        "of_work",
        "there",
        "more",
    ]
    assert list(load_components(loaded)) == list(loaded)  # as a job does, without the folder


def test_what_a_file_imports_by_the_way_is_its_own_too() -> None:
    write("mine/base.py", METHOD.format(name="base"))
    write("mine/better.py", "from .base import base\n" + METHOD.format(name="better"))
    loaded = load_components(["mine/better.py", "mine/base.py"])
    assert [one.component.name for one in loaded["mine/better.py"]] == ["base", "better"]
    assert [one.component.name for one in loaded["mine/base.py"]] == ["base"]


def test_what_is_not_there() -> None:
    said = refused("mine.py", folders=(Path("/somewhere"),))
    assert said.startswith("components: there is no mine.py in ")
    assert "and /somewhere. Allowed are" in said
    assert "there is no mine/ in" in refused("mine/")
    assert "nowhere cannot be loaded: ModuleNotFoundError: No module named" in refused("nowhere")
    write("mine_too/one.py", METHOD.format(name="one"))
    assert "The folder of that name is written mine_too/." in refused("mine_too")


def test_what_is_no_component() -> None:
    write("notes/a.txt", "")
    write("empty/_helper.py", "")
    write("nothing.py", "x = 1\n")
    write("my.method.py", METHOD.format(name="mine"))
    assert "notes/a.txt is no Python file" in refused("notes/a.txt")
    assert "empty has no Python file with a component" in refused("empty/")
    assert "nothing.py registers no component. Register one" in refused("nothing.py")
    assert "must have no dot but that of .py" in refused("my.method.py")
    assert "json registers no component" in refused("json")


def test_mistakes_in_a_file_are_told_with_their_line() -> None:
    write("mine/syntax.py", "x = 1\ndef f(:\n")
    write("mine/name.py", "x = 1\n\n\ny = undefined\n")
    write("mine/_broken.py", "\n1 / 0\n")
    write("mine/helped.py", "from . import _broken\n")
    write("mine/beside.py", "from _broken import x\n")
    write("mine/absent.py", "import not_installed\n")
    write("mine/script.py", "raise SystemExit(3)\n")
    assert "mine/script.py, line 1: SystemExit: 3." in refused("mine/script.py")
    assert "syntax.py cannot be loaded: mine/syntax.py, line 2: invalid syntax." in refused(
        "mine/syntax.py"
    )
    assert "mine/name.py, line 4: NameError: name 'undefined' is not" in refused("mine/name.py")
    assert "mine/_broken.py, line 2: ZeroDivisionError: division by" in refused("mine/helped.py")
    assert "imported with a dot: `from ._broken import ...`." in refused("mine/beside.py")
    assert "line 1: ModuleNotFoundError: No module named 'not_in" in refused("mine/absent.py")


def test_a_mended_file_can_be_loaded() -> None:
    write("mine.py", METHOD.format(name="mine") + "1 / 0\n")
    refused("mine.py")
    write("mine.py", METHOD.format(name="mine"))
    load_components(["mine.py"])
    assert "mine" in METHODS


def test_a_name_that_is_taken() -> None:
    write("one.py", METHOD.format(name="mine"))
    write("two.py", METHOD.format(name="mine"))
    write("three.py", METHOD.format(name="zhang"))
    said = refused("one.py", "two.py")
    assert "two.py cannot be loaded: the method 'mine' is defined twice: in " in said
    assert f"{Path('one.py').resolve()} and in {Path('two.py').resolve()}. Rename one." in said
    assert "/debias/zhang.py and in" in refused("three.py")
    assert METHODS["zhang"].paper != "none"


def test_a_newcomer_is_refused_though_nothing_was_scanned_before() -> None:
    code = (
        "from rightreasons.core.components import load_components\n"
        "from rightreasons.core.errors import UserError\n"
        "try:\n    load_components(['mine.py'])\n"
        "except UserError as error:\n    print(error)\n"
        "from rightreasons.debias import METHODS\n"
        "print(METHODS['zhang'].run.__module__)"
    )
    write("mine.py", METHOD.format(name="zhang"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    refusal, module = done.stdout.splitlines()
    assert "mine.py cannot be loaded: the method 'zhang' is defined twice" in refusal
    assert module == "rightreasons.debias.zhang"


def test_pickles_name_a_file_in_every_process() -> None:
    write("mine/_paint.py", "def shade(name): return int(name) % 256\n")
    write("mine/shades.py", DATASET)
    load_components(["mine/shades.py"])
    dataset = create("shades", {"size": 8})
    Path("pickled").write_bytes(pickle.dumps(dataset))
    code = (
        "import pickle; dataset = pickle.loads(open('pickled', 'rb').read());"
        "print(type(dataset).__name__, dataset.params.size)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Shades 8\n"


def here(images: np.ndarray) -> np.ndarray:
    """Return which of the dataset's images were made by this process."""
    return (images[:, 0, 0, 1:] == divmod(os.getpid() % 2**16, 256)).all(axis=1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_know_a_dataset_from_a_file(method: str) -> None:
    write("mine/_paint.py", "def shade(name): return int(name) % 256\n")
    write("mine/shades.py", DATASET)
    load_components(["mine/"])
    dataset = create("shades", {"size": 8})
    dataset.fetch(Path())
    rows = pd.read_parquet("attributes.parquet")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, context) as executor:
        batch = executor.submit(dataset.load, Path(), rows[:5]).result()
    assert batch.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert not here(batch.images).any()


def test_a_pool_of_a_dataset_from_a_file_is_built_by_workers() -> None:
    write("mine/_paint.py", "def shade(name): return int(name) % 256\n")
    write("mine/shades.py", DATASET)
    load_components(["mine/"])
    dataset = create("shades", {"size": 8})
    dataset.fetch(Path())
    build_pool(dataset, Path(), Path("pool"), 2, lambda items, _: items)
    images = Pool.open("pool").images
    assert images[:, 0, 0, 0].tolist() == list(range(200))
    assert not here(images).any()


def digest_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Load mine/lazy.py from a working directory as a new process does; return its digest."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv(PACKAGES, "")
    unload()
    for known in (code.digest, code._read, code._file):
        known.cache_clear()
    (made,) = load_components(["mine/lazy.py"])["mine/lazy.py"]
    return code.digest(made.component.module)


def test_the_code_of_a_file_is_its_helpers_too_and_not_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = METHOD.format(name="lazy").replace("return", "from ._later import x\n    return")
    write("old/mine/lazy.py", lazy)
    write("old/mine/_later.py", "x = 1\n")
    first = digest_in(tmp_path / "old", monkeypatch)
    shutil.copytree("mine", tmp_path / "new/mine")
    assert digest_in(tmp_path / "new", monkeypatch) == first
    write("mine/_later.py", "x = 1  # a comment\n")
    assert digest_in(tmp_path / "new", monkeypatch) == first
    write("mine/_later.py", "x = 2\n")
    assert digest_in(tmp_path / "new", monkeypatch) != first


def test_a_file_in_the_working_directory_has_the_same_module_whatever_the_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("my-study 2/mine.py", METHOD.format(name="mine"))
    monkeypatch.chdir(tmp_path / "my-study 2")
    load_components(["mine.py"])
    assert METHODS["mine"].module == "rightreasons.core.components.here.mine"
    monkeypatch.chdir(tmp_path)
    write("other/my-study 2/two.py", METHOD.format(name="two"))
    write("my-study-2/three.py", METHOD.format(name="three"))
    load_components(["other/my-study 2/", "my-study-2/"])
    assert METHODS["two"].module == "rightreasons.core.components.my_study_2.two"
    assert METHODS["three"].module == "rightreasons.core.components.my_study_2_2.three"
