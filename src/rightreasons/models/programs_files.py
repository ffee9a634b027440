"""What the file of a program says of itself, without torch: which kind, for which images."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from rightreasons.core.errors import UserError
from rightreasons.models.weight_files import TORCHSCRIPT, ZIP_ERRORS, look_into, program_kind

#: Beginnings of names in a .pt2 archive of what is no tensor.
OBJECTS = ("custom_obj_", "opaque_obj_")


def check_program(path: Path, kind: str) -> None:
    """Raise UserError for a file of another kind, or with objects that would be unpickled.

    Parameters
    ----------
    path
        The file.
    kind
        torchscript or torch_export.
    """
    found = program_kind(path)
    if found is None:
        look_into(path)  # says what else is no program: a web page, a git-lfs pointer
    if found != kind:
        what = f"a {found} program" if found else "weights and no program"
        raise UserError(
            f"model.weights: {path} holds {what}, and `architecture: {kind}` wants one of "
            f"{'torch.jit.save' if kind == TORCHSCRIPT else 'torch.export.save'}."
        )
    if kind != TORCHSCRIPT:
        _refuse_objects(path)


def _refuse_objects(path: Path) -> None:
    """Raise UserError for an archive with objects that would be unpickled."""
    with zipfile.ZipFile(path) as archive:
        names = [name.rpartition("/")[2] for name in archive.namelist()]
    objects = [name for name in names if name.startswith(OBJECTS)]
    if objects:
        raise UserError(
            f"model.weights: {path} holds objects that are no tensors ({objects[0]}), which would "
            "run code when they are read. Export the network without them."
        )


def program_input(path: Path) -> int | None:
    """Return the side of the images that a .pt2 program takes, None where it says nothing.

    Only the archive's JSON is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith("models/model.json"))
            told = json.loads(archive.read(name))
        graph = told["graph_module"]["graph"]
        sizes = graph["tensor_values"][graph["inputs"][-1]["as_tensor"]["name"]]["sizes"]
        return int(sizes[2]["as_int"])
    except (*ZIP_ERRORS, StopIteration, TypeError, IndexError):
        return None
