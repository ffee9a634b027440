"""The tensors of a file of weights, read without running any of its code."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from rightreasons.core.errors import UserError
from rightreasons.models.weight_files import SAVE, ZIP_ERRORS, Tensor, WeightsFile

#: Types of numbers by what torch calls their storage.
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


@contextmanager
def tensors_only() -> Iterator[None]:
    """Let torch.load read tensors alone, whatever its caller asks for."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def read_tensors(file: WeightsFile, where: str, names: dict[str, str]) -> dict[str, torch.Tensor]:
    """Return tensors of a file.

    torch's own reader of tensors alone is asked first. Where the file holds other objects beside
    the tensors (hyperparameters of a checkpoint), which that reader refuses, the tensors' numbers
    are taken from the zip as `weight_files.look_into` has found them.

    Parameters
    ----------
    file
        The file, as `look_into` returns it.
    where
        The keys that lead to the dict, joined by dots.
    names
        From what a tensor is to be called to its name in the dict.

    Returns
    -------
    dict
        Tensors on the CPU.

    Raises
    ------
    UserError
        Where they cannot be read.
    """
    if file.form == "safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(file.path)
        except SafetensorError as error:
            raise _unreadable(file) from error
        return {name: state[own] for name, own in names.items()}
    try:
        content = torch.load(file.path, map_location="cpu", weights_only=True)
        state = _inside(content, where)
        return {name: state[own].detach() for name, own in names.items()}
    except Exception as error:  # what it refuses, or a damaged file: a dozen types
        if file.form != "zip":
            raise _unreadable(file) from error
    return _from_zip(file, where, names)


def _inside(content: Any, where: str) -> dict[str, Any]:
    """Return the dict that some keys lead to; a key may have dots itself."""
    if not where:
        return content
    for key, value in content.items():
        if where == key or where.startswith(f"{key}."):
            return _inside(value, where.removeprefix(str(key)).removeprefix("."))
    raise KeyError(where)


def _from_zip(file: WeightsFile, where: str, names: dict[str, str]) -> dict[str, torch.Tensor]:
    state: dict[str, Tensor] = _inside(file.content, where)
    try:
        with zipfile.ZipFile(file.path) as archive:
            root = next(n for n in archive.namelist() if n.endswith("data.pkl"))[: -len("data.pkl")]
            order = f"{root}byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                raise _unreadable(file)
            return {
                name: _tensor(archive.read(f"{root}data/{state[own].storage}"), state[own])
                for name, own in names.items()
            }
    except (*ZIP_ERRORS, AttributeError, StopIteration) as error:
        raise _unreadable(file) from error


def _tensor(numbers: bytes, told: Tensor) -> torch.Tensor:
    dtype: torch.dtype = getattr(torch, STORAGES.get(told.dtype, told.dtype))
    if not numbers:
        return torch.empty(told.shape, dtype=dtype)
    flat = torch.frombuffer(bytearray(numbers), dtype=dtype)
    return flat.as_strided(told.shape, told.stride, told.offset).clone()


def _unreadable(file: WeightsFile) -> UserError:
    named = f" (it names {', '.join(file.foreign[:3])})" if file.foreign else ""
    return UserError(
        f"model.weights: the tensors of {file.path} cannot be read without running code"
        f"{named}, which is not done. {SAVE}"
    )
