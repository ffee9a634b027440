"""Architectures, the intervention, and models on disk."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import models

from rightreasons.contracts.fakes import CPU
from rightreasons.core.errors import UserError
from rightreasons.core.files import write_json, write_parquet
from rightreasons.learning.decisions import Decision, GroupDecision, from_json
from rightreasons.learning.records import provenance, write_model
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Affine, Classifier, projection
from rightreasons.models.storage import load_model, save_model

INPUTS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("architecture", "width"),
    [
        ("small_cnn", 1024),
        ("small_vit", 128),
        ("small_convnext", 1024),
        ("resnet18", 512),
        ("squeezenet1_1", 512),
    ],
)
def test_every_architecture_is_trunk_and_linear_head(architecture: str, width: int) -> None:
    model = build_classifier(architecture, seed=1).eval()
    with torch.no_grad():
        features = model.features(INPUTS)
        logits = model(INPUTS)
        assert torch.equal(logits, nn.functional.linear(features, *model.head.parameters()))
    assert features.shape == (2, width)
    assert model.n_features == width
    assert logits.shape == (2, 2)
    assert isinstance(model.intervention, nn.Identity)


def test_initialisation_depends_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state().clone()
    a, b, c = (build_classifier("resnet18", seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["head.weight"], c["head.weight"])
    assert not torch.equal(a["trunk.conv1.weight"], c["trunk.conv1.weight"])


@pytest.mark.parametrize("architecture", ["resnet18", "squeezenet1_1"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_a_file_are_the_trunks(tmp_path: Path, architecture: str, suffix: str) -> None:
    torch.manual_seed(4)
    network = models.get_model(architecture, weights=None)
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(network.state_dict(), path)
    model = build_classifier(architecture, str(path), seed=3)
    trunk = model.trunk.state_dict()
    taken = [k for k in network.state_dict() if k in trunk]
    assert len(taken) >= len(network.state_dict()) - 2
    assert all(torch.equal(trunk[k], network.state_dict()[k]) for k in taken)
    if architecture == "squeezenet1_1":
        with torch.no_grad():
            expected = network.eval().features(INPUTS).mean((2, 3))
            assert torch.allclose(model.features(INPUTS), expected, atol=1e-5)  # no dropout


def test_the_head_on_a_trained_trunk_starts_undecided_and_learns(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(models.get_model("squeezenet1_1", weights=None).state_dict(), path)
    model = build_classifier("squeezenet1_1", str(path))
    logits = model(INPUTS)
    assert torch.equal(logits, torch.zeros_like(logits))
    logits[:, 1].sum().backward()
    assert model.head.weight.grad is not None
    assert model.head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("resnet81", r"unknown architecture 'resnet81' \(did you mean 'resnet18'\?\)"),
        ("small_cn", "unknown architecture 'small_cn'"),
    ],
)
def test_unknown_architectures(architecture: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_classifier(architecture)


def test_a_network_without_a_linear_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from rightreasons.models import architectures

    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    monkeypatch.setattr(architectures, "network_of", lambda name, **_: network)
    with pytest.raises(UserError, match="ends in ReLU, not in a linear"):
        build_classifier("odd")


def test_missing_weights_say_what_is_allowed() -> None:
    with pytest.raises(UserError, match=r"no file 'gone\.pth'.*: none, imagenet, .*, or"):
        build_classifier("resnet18", "gone.pth")
    with pytest.raises(UserError, match="no weights 'imagenet' for small_cnn"):
        build_classifier("small_cnn", "imagenet")


def test_imagenet_weights_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's ResNet-50 has two, of which V2 is the best; its ResNet-18 has one."""
    from torchvision.models import ResNet18_Weights, ResNet50_Weights, resnet18, resnet50

    fetched = []

    def state(self: Any, **kwargs: Any) -> dict[str, Any]:
        fetched.append(self)
        return (resnet18 if self in ResNet18_Weights else resnet50)().state_dict()

    for weights in (ResNet18_Weights, ResNet50_Weights):
        monkeypatch.setattr(weights, "get_state_dict", state)
    for name in ("imagenet", "imagenet_v1", "imagenet_v2"):
        build_classifier("resnet50", name)
    build_classifier("resnet18", "imagenet_v1")
    v1, v2 = ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2
    assert fetched == [v2, v1, v2, ResNet18_Weights.IMAGENET1K_V1]
    message = "no weights imagenet_v2 of resnet18. Allowed: none, imagenet, imagenet_v1, or"
    with pytest.raises(UserError, match=message):
        build_classifier("resnet18", "imagenet_v2")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("how", ["torch", "pickle", "legacy"])
def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path, how: str) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "trap.pth"
    content = {"conv1.weight": Trap(sprung)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(
        UserError, match=r"holds no dict of tensors|is no file of weights but a plain pickle"
    ):
        build_classifier("resnet18", str(path))
    assert not sprung.exists()
    pickle.loads(pickle.dumps(content))  # the trap does work
    assert sprung.exists()


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", b"PK\x03\x04 cut short"])
def test_files_that_are_no_weights(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"^model\.weights: .*w\.(pth|pt|safetensors) is no") as got:
        build_classifier("resnet18", str(path))
    assert "\n" not in str(got.value)


def test_a_list_of_tensors_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"holds no dict of tensors .* It is a list"):
        build_classifier("resnet18", str(tmp_path / "w.pth"))


def test_weights_of_another_architecture_or_with_nan(tmp_path: Path) -> None:
    state = models.resnet18().state_dict()
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    with pytest.raises(UserError, match=r"\(resnet34\) do not fit.* 80 are missing"):
        build_classifier("resnet34", str(path))
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = torch.nan
    save_file(state, path)
    with pytest.raises(UserError, match=r"NaN or infinite values in layer1\.0\.conv1\.weight"):
        build_classifier("resnet18", str(path))


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_projection_is_the_dense_matrix(strength: float) -> None:
    rng = torch.Generator().manual_seed(1)
    direction, origin = (torch.randn(6, generator=rng, dtype=torch.float64) for _ in range(2))
    x = torch.randn(9, 6, generator=rng, dtype=torch.float64)
    v = direction / (direction**2).sum().sqrt()
    matrix = torch.eye(6, dtype=torch.float64) - strength * torch.outer(v, v)
    expected = x @ matrix.T + strength * torch.outer(v, v) @ origin
    assert torch.allclose(projection(direction, origin, strength)(x), expected, atol=1e-12)


def test_a_full_projection_puts_everything_at_the_origins_level() -> None:
    rng = torch.Generator().manual_seed(1)
    direction, origin = (torch.randn(6, generator=rng, dtype=torch.float64) for _ in range(2))
    full = projection(direction, origin)
    x = torch.randn(9, 6, generator=rng, dtype=torch.float64)
    projected = full(x)
    level = origin @ direction
    assert torch.allclose(projected @ direction, level.expand(9), atol=1e-12)
    assert torch.allclose(full(projected), projected, atol=1e-12)
    assert not list(full.parameters())


def _with_projection(architecture: str) -> Classifier:
    model = build_classifier(architecture, seed=3).eval()
    rng = torch.Generator().manual_seed(2)
    direction, origin = (torch.randn(model.n_features, generator=rng) for _ in range(2))
    model.intervention = projection(direction, origin, 0.7)
    return model


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize(
    "architecture", ["small_cnn", "small_vit", "small_convnext", "squeezenet1_1"]
)
def test_stored_models_come_back_bit_for_bit(
    tmp_path: Path, architecture: str, projected: bool
) -> None:
    model = _with_projection(architecture) if projected else build_classifier(architecture, seed=3)
    save_model(model, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors", architecture, CPU)
    a, b = model.state_dict(), loaded.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(module.training for module in loaded.modules())
    assert isinstance(loaded.intervention, Affine) is projected
    inputs = INPUTS.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.allclose(model.eval()(inputs), loaded(inputs), atol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_broken_stored_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(build_classifier("small_cnn"), path)
    with pytest.raises(UserError, match="is no model of resnet18: delete it and run again"):
        load_model(path, "resnet18", CPU)
    state = load_file(path)
    state["head.bias"][0] = torch.inf
    save_file(state, path)
    with pytest.raises(UserError, match=r"NaN or infinite values in head\.bias"):
        load_model(path, "small_cnn", CPU)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="is broken: delete it and run again"):
        load_model(path, "small_cnn", CPU)


def _predictions(scores: list[float]) -> pd.DataFrame:
    n = len(scores)
    return pd.DataFrame(
        {
            "image_id": [f"i{i}" for i in range(n)],
            "role": ["debias", *["test"] * (n - 1)],
            "target": [0, 1] * (n // 2),
            "protected": [0, 0, 1, 1][:n],
            "score": scores,
            "twin_score": [float("nan")] * n,
        }
    )


@pytest.mark.parametrize(
    ("scores", "is_collapsed"), [([0.1, 0.6, 0.7, 0.8], True), ([0.1, 0.6, 0.7, 0.4], False)]
)
def test_records_of_a_model(tmp_path: Path, scores: list[float], is_collapsed: bool) -> None:
    """The debias image's decision differs: collapsed speaks of the test images alone."""
    model = build_classifier("small_cnn", seed=1)
    write_model(tmp_path, model, Decision(0.5), _predictions(scores), "cpu", {"steps": 3})
    record = json.loads((tmp_path / "model.json").read_text())
    assert record["collapsed"] is is_collapsed
    assert record["steps"] == 3
    assert record["device"] == "cpu"
    assert record["peak_gpu_mib"] is None
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert from_json(record["decision"]) == Decision(0.5)
    stored = pd.read_parquet(tmp_path / "predictions.parquet")
    assert stored["decision"].tolist() == [int(s >= 0.5) for s in scores]
    assert stored["twin_decision"].isna().all()


def test_a_model_that_shares_weights_copies_the_file(tmp_path: Path) -> None:
    source, folder = tmp_path / "vanilla.safetensors", tmp_path / "thropt"
    folder.mkdir()
    save_model(build_classifier("small_cnn", seed=1), source)
    rule = GroupDecision(((0.3,), (0.2, 0.6)), ((1.0,), (0.5, 0.5)), seed=4)
    write_model(folder, source, rule, _predictions([0.1, 0.6, 0.7, 0.8]), "cpu", {})
    assert (folder / "model.safetensors").read_bytes() == source.read_bytes()
    assert from_json(json.loads((folder / "model.json").read_text())["decision"]) == rule


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json({"a": 1}, path)
    with pytest.raises(TypeError):
        write_json({"a": object()}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    write_parquet(pd.DataFrame({"x": [1]}), tmp_path / "t.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "t.parquet"]


def test_provenance_names_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    from rightreasons.learning import records

    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(records, "version", missing)
    assert provenance("cpu")["versions"]["captum"] == "not installed"


def test_a_head_that_reads_a_grid_knows_what_is_where(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    network = models.get_model("squeezenet1_1", weights=None)
    save_file(network.state_dict(), path)
    model = build_classifier("squeezenet1_1_grid", str(path)).eval()
    inputs = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cells = network.eval().features(inputs)
        assert cells.shape == (2, 512, 7, 7)
        assert torch.allclose(model.features(inputs), cells.flatten(1) / 49)
        assert model.features(INPUTS).shape == (2, 512 * 49)  # 3 x 3 cells, stretched
        averaged = build_classifier("squeezenet1_1", str(path)).eval()
        shares = model.features(inputs).unflatten(1, (512, 49))
        assert torch.allclose(averaged.features(inputs), shares.sum(2), atol=1e-5)
    with pytest.raises(UserError, match="unknown architecture 'resnet18_grid'"):
        build_classifier("resnet18_grid")
