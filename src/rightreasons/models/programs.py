"""Networks that come as a program: TorchScript and torch.export, of which outputs alone are seen.

A TorchScript file holds a program in a small language of its own: no Python of the file runs, but
the program may do what that language can, read files among it. A `.pt2` file may hold pickles:
archives with other objects than tensors are refused, and tensors are read without code. Use files
of people whom you trust all the same.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rightreasons.core.errors import UserError, reason
from rightreasons.models.programs_files import check_program
from rightreasons.models.tensors import tensors_only
from rightreasons.models.weight_files import TORCHSCRIPT


class Program(nn.Module):
    """A program as a function of images, (N, 3, H, W) -> (N, K).

    Its file is its only tensor, so that a stored model has all of it.

    Parameters
    ----------
    program : uint8 (bytes,)
        The file's content.
    kind
        torchscript or torch_export.
    """

    program: torch.Tensor

    def __init__(self, program: torch.Tensor, kind: str) -> None:
        super().__init__()
        self.register_buffer("program", program)
        content = io.BytesIO(program.numpy().tobytes())
        # Kept out of sight of this module: what is inside has no weights that could be stored.
        self._loaded: list[Any] = [_script(content) if kind == TORCHSCRIPT else _exported(content)]
        self.at_once, self.side = _fixed(self._loaded[0])

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Program:
        super()._apply(fn, recurse)
        self._loaded[0]._apply(fn)
        return self

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs; a program for batches of one size gets such batches."""
        if self.at_once is None:
            return self._run(inputs)
        parts = []
        for part in inputs.split(self.at_once):
            lacking = self.at_once - len(part)
            full = torch.cat([part, part[-1:].expand(lacking, -1, -1, -1)]) if lacking else part
            parts.append(self._run(full)[: len(part)])
        return torch.cat(parts)

    def _run(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self._loaded[0](inputs.contiguous())
        if isinstance(outputs, dict):
            outputs = outputs.get("logits", next(iter(outputs.values()), None))
        if isinstance(outputs, (tuple, list)):
            outputs = outputs[0]
        if isinstance(outputs, torch.Tensor) and outputs.dim() == 1:
            outputs = outputs[:, None]
        if not isinstance(outputs, torch.Tensor) or outputs.dim() != 2:
            raise UserError(
                "model.weights: the program gives no outputs (N, K) for images (N, 3, H, W). Wrap "
                "the network in a module whose forward returns its logits, and save that one."
            )
        return outputs


def read_program(path: Path, kind: str) -> Program:
    """Return the program in a file.

    Raises
    ------
    UserError
        Where the file holds another kind, objects that are no tensors, or cannot be loaded.
    """
    check_program(path, kind)
    return Program(torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8), kind)


def _script(content: io.BytesIO) -> Any:
    with warnings.catch_warnings(), _loading("TorchScript"):
        warnings.simplefilter("ignore")
        return _still(torch.jit.load(content, map_location="cpu").eval())


def _exported(content: io.BytesIO) -> Any:
    with warnings.catch_warnings(), _loading("torch.export"), tensors_only():
        warnings.simplefilter("ignore")
        return _still(torch.export.load(content).module())


def _still(module: Any) -> Any:
    """Return a module whose weights get no gradient."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module


@contextmanager
def _loading(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # torch raises a dozen types for a file of another version
        said = reason(error) if "weights_only" not in str(error) else "it holds no tensors alone"
        raise UserError(
            f"model.weights: the {what} program cannot be loaded by torch {torch.__version__}: "
            f"{said}"
        ) from error


def _fixed(loaded: Any) -> tuple[int | None, int | None]:
    """Return the batch and the side that an exported program was made for, None where free."""
    nodes = list(loaded.graph.nodes) if isinstance(loaded, torch.fx.GraphModule) else []
    values = [node.meta.get("val") for node in nodes if node.op == "placeholder"]
    shape = next((v.shape for v in values if isinstance(v, torch.Tensor) and v.dim() == 4), None)
    if shape is None:
        return None, None
    n, _, height, _ = shape
    return (n if isinstance(n, int) else None), (height if isinstance(height, int) else None)
