"""Files of weights: recognised by content, wrappings taken off, all else named for what it is."""

from __future__ import annotations

import argparse
import io
import json
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from rightreasons.core.errors import UserError
from rightreasons.models.fitting import Wanted, chosen_fit
from rightreasons.models.tensors import read_tensors
from rightreasons.models.weight_files import Foreign, Tensor, look_into, state_dicts


def network() -> nn.Sequential:
    """Return a small network: two layers that matter, an auxiliary head and a last layer."""
    torch.manual_seed(1)
    layers = {
        "conv": nn.Conv2d(3, 4, 3),
        "bn": nn.BatchNorm2d(4),
        "aux": nn.Linear(4, 7),
        "fc": nn.Linear(4, 5),
    }
    return nn.Sequential(OrderedDict(layers))


STATE = network().state_dict()
WANTED = Wanted({k: tuple(v.shape) for k, v in STATE.items()}, ("fc", "aux"))


def renamed(prefix: str, state: dict[str, Any] = STATE) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


def trunk_of(path: Path, state: str | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors that matter, as the suite reads them."""
    file = look_into(path)
    fit = chosen_fit(file, WANTED, "net", state)
    return read_tensors(file, fit.where, {n: fit.names[n] for n in WANTED.needed()})


def is_the_networks(found: dict[str, torch.Tensor], of: dict[str, Any] = STATE) -> bool:
    return found.keys() == WANTED.needed().keys() and all(
        torch.equal(value, of[name]) for name, value in found.items()
    )


LIGHTNING = {
    "epoch": 3,
    "pytorch-lightning_version": "2.5",
    "state_dict": {**renamed("model."), "criterion.pos_weight": torch.ones(2)},
    "hyper_parameters": argparse.Namespace(lr=0.1),
    "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}],
}
WRAPPINGS = {
    "plain": STATE,
    "state_dict": {"state_dict": STATE, "epoch": 3},
    "model and args": {"model": STATE, "args": argparse.Namespace(lr=1)},
    "net": {"net": STATE, "acc": 0.9},
    "model_state_dict": {"model_state_dict": STATE, "optimizer_state_dict": {"state": {}}},
    "data parallel": nn.DataParallel(network()).state_dict(),
    "compiled": renamed("_orig_mod."),
    "compiled and parallel": renamed("module._orig_mod."),
    "parallel inside": {k.replace("conv.", "conv.module."): v for k, v in STATE.items()},
    "lightning": LIGHTNING,
    "backbone of a backbone": {"state_dict": renamed("student.backbone.")},
    "averaged": {**renamed("module."), "n_averaged": torch.tensor(4)},
    "dotted keys": {"best.model": {"weights": STATE}},
}


@pytest.mark.parametrize("name", ["w.pth", "w.ckpt", "w.pth.tar", "w.bin", "W.PT", "w.SAFETENSORS"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrappings_are_taken_off_whatever_the_file_is_called(
    tmp_path: Path, wrapping: str, name: str
) -> None:
    torch.save(WRAPPINGS[wrapping], tmp_path / name)
    assert is_the_networks(trunk_of(tmp_path / name))


@pytest.mark.parametrize("start", [b"\x80\x02", b"PK"])
def test_a_safetensors_header_as_long_as_another_files_beginning(
    tmp_path: Path, start: bytes
) -> None:
    """Its length, a multiple of 8, comes first: 640 begins as a pickle does, 19280 as a zip."""
    length = int.from_bytes(start, "little")
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + bytes(8))
    assert load_file(path)["a"].shape == (2,)
    assert {n: t.shape for n, t in state_dicts(look_into(path))[""].items()} == {"a": (2,)}


@pytest.mark.parametrize("name", ["w.safetensors", "X.SAFETENSORS", "w.bin"])
@pytest.mark.parametrize("prefix", ["", "model.", "_orig_mod."])
def test_safetensors_by_content(tmp_path: Path, name: str, prefix: str) -> None:
    save_file(renamed(prefix), tmp_path / name)
    assert is_the_networks(trunk_of(tmp_path / name))


def test_the_format_before_torch_1_6(tmp_path: Path) -> None:
    wrapped = {"state_dict": renamed("module.")}
    torch.save(wrapped, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert is_the_networks(trunk_of(tmp_path / "w.pth"))


@pytest.mark.parametrize("outputs", [1, 2, 18, None])
def test_the_last_layer_and_auxiliary_heads_do_not_matter(
    tmp_path: Path, outputs: int | None
) -> None:
    state = {k: v for k, v in STATE.items() if not k.startswith(("fc", "aux"))}
    if outputs:
        state |= {"fc.1.weight": torch.ones(outputs, 4), "fc.1.bias": torch.ones(outputs)}
    torch.save(state, tmp_path / "w.pth")
    assert is_the_networks(trunk_of(tmp_path / "w.pth"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int8])
def test_our_reader_reads_what_torchs_does(tmp_path: Path, dtype: torch.dtype) -> None:
    """Beside an object that torch's reader refuses: slices, transposes, scalars, empty ones."""
    base = torch.arange(24).reshape(4, 6).to(dtype)
    state = {
        "slice": base[1:3, ::2],
        "turned": base.T,
        "scalar": base[2, 3],
        "empty": base[:0],
        "parameter": nn.Parameter(base.clone(), requires_grad=False),
    }
    names = {name: name for name in state}
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"x": state, "args": argparse.Namespace()}, tmp_path / "beside.pth")
    theirs = read_tensors(look_into(tmp_path / "plain.pth"), "", names)
    ours = read_tensors(look_into(tmp_path / "beside.pth"), "x", names)
    for name, value in state.items():
        assert ours[name].dtype == dtype
        assert torch.equal(ours[name], theirs[name])
        assert torch.equal(ours[name], value)


def test_several_that_fit_are_named_and_chosen(tmp_path: Path) -> None:
    other = {k: v + 1 for k, v in STATE.items()}
    path = tmp_path / "w.pth"
    torch.save({"model": STATE, "model_ema": other}, path)
    with pytest.raises(UserError, match=r"2 sets of weights that fit net: model, model_ema\. Say"):
        trunk_of(path)
    assert is_the_networks(trunk_of(path, "model_ema"), other)
    assert is_the_networks(trunk_of(path, "model"))
    with pytest.raises(UserError, match=r"called 'ema'\. Allowed: model, model_ema\."):
        trunk_of(path, "ema")
    torch.save({**renamed("student."), **renamed("teacher.", other)}, path)
    with pytest.raises(UserError, match=r"that fit net: student\., teacher\.\. Say which"):
        trunk_of(path)
    assert is_the_networks(trunk_of(path, "teacher."), other)


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"\n  <!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>"


def script() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), stream)
    return stream.getvalue()


def zipped(names: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return stream.getvalue()


def saved(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


NATURES = {
    "pointer": (LFS, "a git-lfs pointer: the file itself was not fetched. Run `git lfs pull`"),
    "page": (PAGE, "a web page: the download asked for a login"),
    "empty": (b"", "empty. Fetch it again"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "compressed with gzip"),
    "keras": (zipped({"config.json": b"{}"}), "a zip archive without torch's data.pkl"),
    "script": (script(), "a TorchScript program. Give it as `architecture: torchscript` with"),
    "export": (zipped({"m/archive_format": b"pt2"}), "`architecture: torch_export` with"),
    "cut": (saved(STATE)[:700], "a file that breaks off"),
    "cut old": (saved(STATE, _use_new_zipfile_serialization=False)[:300], "damaged or breaks off"),
    "pickle": (pickle.dumps({"conv.weight": [1.0]}, 2), "a plain pickle, and pickles may run code"),
    "numbers": (b"0.1 0.2\n0.3 0.4\n", "unknown to torch"),
    "header": ((999).to_bytes(8, "little") + b'{"a":', "a safetensors file that breaks off"),
}


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("nature", NATURES)
def test_what_is_no_file_of_weights_is_named_for_what_it_is(
    tmp_path: Path, nature: str, name: str
) -> None:
    content, said = NATURES[nature]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="is no file of weights but") as got:
        state_dicts(look_into(tmp_path / name))
    assert said in str(got.value)
    assert name in str(got.value)
    assert "\n" not in str(got.value)
    assert "\x1b" not in str(got.value)
    assert "weights_only" not in str(got.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Whole(), r"a whole pickled model \(\S+Whole\), whose code would have to run"),
        ({"model": Whole(), "epoch": 3}, r"a whole pickled model \(\S+Whole\)"),
        ({"args": argparse.Namespace(a=1)}, r"names argparse\.Namespace\. It holds 'args'\."),
        ({"epoch": 3, "acc": 0.5}, r"\(a state dict\)\. It holds 'epoch', 'acc'\."),
        ([torch.ones(2)], r"\(a state dict\)\. It is a list\."),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_content_without_a_state_dict_is_named(
    tmp_path: Path, content: Any, said: str, zipped: bool
) -> None:
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=said) as got:
        state_dicts(look_into(tmp_path / "w.pth"))
    assert "torch.save(model.state_dict(), 'weights.pth')" in str(got.value)
    assert "weights_only" not in str(got.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a folder\. Name a file in it"):
        look_into(tmp_path)


def test_a_misfit_says_what_is_missing_and_what_there_is(tmp_path: Path) -> None:
    state = {"state_dict": {"conv.weight": torch.ones(9, 3, 3, 3), "neck.weight": torch.ones(2)}}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match="do not fit") as got:
        trunk_of(tmp_path / "w.pth")
    assert "5 are missing (conv.bias, bn.weight, ...)" in str(got.value)
    assert "1 have another shape (conv.weight)" in str(got.value)
    assert "1 are surplus (neck.weight)" in str(got.value)
    assert "under 'state_dict': conv.weight, neck.weight." in str(got.value)


def test_reading_imports_and_calls_nothing(tmp_path: Path) -> None:
    """A pickle that names what it likes makes inert objects only."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "w.pth").write_bytes(saved({"a": Trap(), "conv.weight": torch.ones(2)}))
    file = look_into(tmp_path / "w.pth")
    assert isinstance(file.content["a"], Foreign)
    assert file.content["conv.weight"] == Tensor((2,), "FloatStorage", "0", 0, (1,))
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Path.touch))  # the name itself is harmless
    json.dumps(list(file.foreign))
