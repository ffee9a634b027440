"""What a file of weights is and which tensors it names, without torch and without running code.

A `.pth` is a zip with a pickle. That pickle is read here by a reader that imports nothing and calls
nothing: what it names becomes an inert `Foreign` object, tensors become their shapes. Therefore a
file can be looked into before anything is computed, and whatever it holds beside tensors does no
harm.
"""

from __future__ import annotations

import json
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from rightreasons.core.errors import UserError

#: Largest header or pickle that is looked at, in bytes: tensors' numbers are not in it.
LARGEST = 2**28
#: The first number of torch's format before 1.6.
LEGACY = 0x1950A86A20F9469CFC6C
SAVE = "Save the tensors alone: torch.save(model.state_dict(), 'weights.pth')."
PROGRAM = "Give it as `architecture: {0}` with `train: false`, or save the tensors alone: {1}"
#: How the beginning of a file tells what it is, and the way on.
BEGINNINGS = (
    (
        b"version https://git-lfs",
        "a git-lfs pointer: the file itself was not fetched. Run `git lfs pull` where it lies.",
    ),
    (b"\x89HDF", "an HDF5 file (Keras, TensorFlow), which torch cannot read. Convert it first."),
    (b"\x93NUMPY", "a NumPy array. " + SAVE),
    (b"\x1f\x8b", "compressed with gzip. Unpack it first."),
    (b"7z\xbc\xaf", "a 7z archive. Unpack it first."),
    (b"Rar!", "a RAR archive. Unpack it first."),
)
#: What a damaged zip raises: of its directory, a name in it, or what is compressed.
ZIP_ERRORS = (
    *(zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(NotImplementedError, zlib.error),
)
TORCHSCRIPT, EXPORT = "torchscript", "torch_export"


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file: its shape, and where in a zip its numbers are.

    Attributes
    ----------
    shape
        Of the tensor.
    dtype
        As torch calls it, or as torch calls its storage (FloatStorage).
    storage
        Its storage's name in the file; None in a .safetensors file.
    offset, stride
        Of the tensor in the storage, in items.
    """

    shape: tuple[int, ...]
    dtype: str
    storage: str | None = None
    offset: int = 0
    stride: tuple[int, ...] = ()


class Foreign:
    """What a pickle makes of a class that is not known here: inert, whatever is done to it."""

    named = ""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.state: Any = None
        self.given = given

    def __new__(cls, *given: Any, **named: Any) -> Foreign:
        """Return a new object, whatever is given."""
        return super().__new__(cls)

    def __call__(self, *given: Any, **named: Any) -> Foreign:
        """Return the object itself."""
        return self

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing."""

    def append(self, value: Any) -> None:
        """Do nothing."""

    def extend(self, values: Any) -> None:
        """Do nothing."""

    def add(self, value: Any) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of tensors.

    Attributes
    ----------
    path
        The file.
    form
        safetensors, zip (torch's) or legacy (torch's before 1.6).
    content
        What it holds: dicts, lists, numbers, `Tensor` and `Foreign`.
    foreign
        Names of what the file's pickle names beside tensors and plain containers.
    """

    path: Path
    form: str
    content: Any
    foreign: tuple[str, ...] = ()


class _Inert(pickle.Unpickler):
    """A reader of pickles that imports and calls nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.foreign: dict[str, type[Foreign]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a global of the pickle."""
        known = KNOWN.get(f"{module}.{name}")
        if known is not None:
            return known
        full = f"{module}.{name}"
        made = type(name.rpartition(".")[2], (Foreign,), {"named": full})
        if not (module == "torch" or module.startswith("torch.storage")):
            self.foreign[full] = made
        return made

    def persistent_load(self, pid: Any) -> Any:
        """Return what stands for a storage (its type and name), or for a module's class."""
        return pid[1] if pid[0] == "module" else pid


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    kind, key = storage[1], storage[2]
    dtype = getattr(kind, "named", "").rpartition(".")[2]
    return Tensor(tuple(size), dtype, str(key), int(offset), tuple(stride))


def _tensor_v3(
    storage: Any, offset: int, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *_: Any
) -> Tensor:
    named = getattr(dtype, "named", "").rpartition(".")[2]
    return Tensor(tuple(size), named, str(storage[2]), int(offset), tuple(stride))


def _parameter(data: Any, *_: Any) -> Any:
    return data


KNOWN: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}


def look_into(path: Path) -> WeightsFile:
    """Return what a file of weights holds, by its content and whatever its name ends in.

    Raises
    ------
    UserError
        Where it is something else, with what it is and the way on.
    """
    if path.is_dir():
        raise _no_weights(path, "a folder. Name a file in it.")
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        # First the length of its header, which may begin as a pickle or a zip does.
        if start[4:9] == b"\0\0\0\0{":
            return _safetensors(path, file)
        for beginning, what in BEGINNINGS:
            if start.startswith(beginning):
                raise _no_weights(path, what)
        if not start:
            raise _no_weights(path, "empty. Fetch it again.")
        if (
            start.lstrip()[:14]
            .lower()
            .startswith((b"<!doctype html", b"<html", b"<head", b"<?xml"))
        ):
            raise _no_weights(
                path,
                "a web page: the download asked for a login or a confirmation. Open its address in "
                "a browser and fetch the file itself.",
            )
        if start[:2] == b"PK":
            return _in_zip(path)
        if start[:1] == b"\x80":
            return _legacy(path, file)
    raise _no_weights(path, f"unknown to torch (it begins with {start[:8]!r}). {SAVE}")


def program_kind(path: Path) -> str | None:
    """Return `torchscript` or `torch_export` for a file that holds a program, else None."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ZIP_ERRORS:
        return None
    if any("/code/" in f"/{name}" for name in names) and any(
        name.endswith("constants.pkl") for name in names
    ):
        return TORCHSCRIPT
    marks = ("archive_format", "serialized_exported_program.json")
    return EXPORT if any(name.rpartition("/")[2] in marks for name in names) else None


def _no_weights(path: Path, what: str) -> UserError:
    return UserError(f"model.weights: {path} is no file of weights but {what}")


def _safetensors(path: Path, file: BinaryIO) -> WeightsFile:
    size = int.from_bytes(file.read(8), "little")
    broken = _no_weights(path, "a safetensors file that breaks off. Fetch it again.")
    if size > min(LARGEST, path.stat().st_size - 8):
        raise broken
    try:
        header = json.loads(file.read(size))
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        content = {
            name: Tensor(tuple(one["shape"]), one["dtype"])
            for name, one in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise broken from error
    if 8 + size + max(ends, default=0) > path.stat().st_size:
        raise broken
    return WeightsFile(path, "safetensors", content)


def _in_zip(path: Path) -> WeightsFile:
    program = program_kind(path)
    if program is not None:
        what = {TORCHSCRIPT: "a TorchScript program", EXPORT: "a torch.export program"}[program]
        raise _no_weights(path, f"{what}. {PROGRAM.format(program, SAVE)}")
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [one for one in archive.namelist() if one.endswith("data.pkl")]
            if not pickles:
                raise _no_weights(
                    path, f"a zip archive without torch's data.pkl. Unpack it, or: {SAVE}"
                )
            if archive.getinfo(pickles[0]).file_size > LARGEST:
                raise _no_weights(path, f"too large a pickle. {SAVE}")
            with archive.open(pickles[0]) as file:
                reader = _Inert(file)
                content = _unpickled(path, reader)
    except UserError:
        raise
    except ZIP_ERRORS as error:
        raise _no_weights(path, "a file that breaks off. Fetch it again.") from error
    return WeightsFile(path, "zip", content, tuple(reader.foreign))


def _legacy(path: Path, file: BinaryIO) -> WeightsFile:
    reader = _Inert(file)
    first = _unpickled(path, reader)
    if first != LEGACY:
        raise _no_weights(
            path,
            f"a plain pickle{_naming(tuple(reader.foreign))}, and pickles may run code. {SAVE}",
        )
    for _ in range(3):  # protocol, system, content
        reader = _Inert(file)
        content = _unpickled(path, reader)
    return WeightsFile(path, "legacy", content, tuple(reader.foreign))


def _unpickled(path: Path, reader: _Inert) -> Any:
    try:
        return reader.load()
    except Exception as error:  # a damaged pickle raises a dozen types
        raise _no_weights(path, "a file that is damaged or breaks off. Fetch it again.") from error


def _naming(foreign: tuple[str, ...], most: int = 3) -> str:
    shown = ", ".join(foreign[:most]) + (", ..." if len(foreign) > most else "")
    return f" that names {shown}" if foreign else ""


def state_dicts(file: WeightsFile) -> dict[str, dict[str, Tensor]]:
    """Return all dicts of tensors in a file, by the keys that lead to them ("" for the file).

    Raises
    ------
    UserError
        Where there is none, with what the file holds.
    """
    found = dict(_dicts(file.content, ""))
    if found:
        return found
    modules = [one for one in _objects(file.content) if _is_module(one)]
    if modules:
        raise _no_weights(
            file.path,
            f"a whole pickled model ({modules[0].named}), whose code would have to run. Where "
            f"that code is: {SAVE}",
        )
    keys = ", ".join(map(repr, file.content)) if isinstance(file.content, dict) else ""
    holds = f"It holds {keys}." if keys else f"It is a {type(file.content).__name__}."
    raise UserError(
        f"model.weights: {file.path} holds no dict of tensors (a state dict)"
        f"{_naming(file.foreign)}. {holds} {SAVE}"
    )


def _dicts(content: Any, where: str, depth: int = 4) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every dict that has tensors under names, from the outermost one inwards."""
    if not isinstance(content, dict) or depth == 0:
        return
    own = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if own:
        yield where, own
    for key, value in content.items():
        if isinstance(key, str) and key != "optimizer":
            yield from _dicts(value, f"{where}.{key}" if where else key, depth - 1)


def _objects(content: Any, depth: int = 3) -> Iterator[Foreign]:
    if isinstance(content, Foreign):
        yield content
    elif isinstance(content, dict) and depth:
        for value in content.values():
            yield from _objects(value, depth - 1)


def _is_module(one: Foreign) -> bool:
    return isinstance(one.state, dict) and "_modules" in one.state
