"""Networks from elsewhere: the same decisions as where they were trained, from any file."""

from __future__ import annotations

import argparse
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from rightreasons.contracts.fakes import CPU
from rightreasons.core.errors import UserError
from rightreasons.core.seeds import generator_of
from rightreasons.models import outside
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier, projection
from rightreasons.models.config import ModelConfig
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.models.outside import input_of, two_logits
from rightreasons.models.storage import load_model, save_model
from rightreasons.models.trained import fresh_like, open_trained, shows_features
from rightreasons.saliency import EXPLAINERS
from rightreasons.stages.train import count_classes

PIXELS = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
MEAN, STD = (torch.tensor(one)[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD))
INPUTS = (PIXELS - MEAN) / STD
Score = Callable[[torch.Tensor], torch.Tensor]


class Small(nn.Module):
    """A network that ends in a linear layer of K outputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2)
        )
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(24, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flatten(self.body(images)))


def trained(outputs: int) -> Small:
    torch.manual_seed(outputs)
    network = Small(outputs).eval()
    network.body[1].running_mean.normal_(0, 0.3)
    network.fc.weight.data.mul_(6)
    return network


@pytest.fixture(autouse=True)
def _small_is_resnet18(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision's resnet18 be the small network: the steps are the same, and quick."""
    given = models.get_model

    def get_model(name: str, weights: None = None, num_classes: int = 1000, **extra: Any) -> Any:
        if name == "resnet18":
            return Small(num_classes)
        return given(name, weights=weights, num_classes=num_classes, **extra)

    monkeypatch.setattr(models, "get_model", get_model)


def opened(tmp_path: Path, network: nn.Module, **given: Any) -> Classifier:
    torch.save(network.state_dict(), tmp_path / "w.pth")
    told = {"architecture": "resnet18", "weights": str(tmp_path / "w.pth"), "input": {}, **given}
    return open_trained(ModelConfig(train=False, **told))


def score(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(INPUTS).softmax(1)[:, 1]


def outputs_of(network: nn.Module, inputs: torch.Tensor = INPUTS) -> torch.Tensor:
    with torch.no_grad():
        return network(inputs)


GREY = torch.tensor([90.0, 100, 110])[:, None, None]
READOUTS: list[tuple[int, dict[str, Any], Score]] = [
    (1, {}, lambda z: z.sigmoid()[:, 0]),
    (2, {}, lambda z: z.softmax(1)[:, 1]),
    (2, {"positive": 0}, lambda z: z.softmax(1)[:, 0]),
    (18, {"positive": 7, "negative": 8}, lambda z: z[:, 7:9].softmax(1)[:, 0]),
    (18, {"positive": 5, "activation": "sigmoid"}, lambda z: z.sigmoid()[:, 5]),
    (7, {"positive": [1, 4]}, lambda z: z.softmax(1)[:, [1, 4]].sum(1)),
    (7, {"positive": 2}, lambda z: z.softmax(1)[:, 2]),
]


@pytest.mark.parametrize(("outputs", "said", "of"), READOUTS)
def test_the_score_is_the_networks_own(
    tmp_path: Path, outputs: int, said: dict[str, Any], of: Score
) -> None:
    network = trained(outputs)
    model = opened(tmp_path, network, **said)
    assert torch.allclose(score(model), of(outputs_of(network)), atol=1e-6)
    assert model.n_features == 24
    assert shows_features(model)
    assert torch.allclose(model.features(INPUTS), network.flatten(network.body(INPUTS)), atol=1e-6)
    save_model(model, tmp_path / "m.safetensors")
    stored = load_model(tmp_path / "m.safetensors", "resnet18", CPU)
    assert torch.equal(score(stored), score(model.to(memory_format=torch.channels_last)))


def test_each_of_more_classes_has_its_output(tmp_path: Path) -> None:
    network = trained(5)
    model = opened(tmp_path, network, classes=[4, 0, 2])
    z = outputs_of(network)
    assert torch.allclose(outputs_of(model), z[:, [4, 0, 2]], atol=1e-6)
    assert count_classes(model) == 3
    grouped = opened(tmp_path, network, positive=[1, 4])
    assert count_classes(grouped) == 2
    for classes in ([0, 1, 5], [0, 1, 1]):
        with pytest.raises(UserError, match=r"0 to 4\. Each class has one of its own"):
            opened(tmp_path, network, classes=classes)


def test_both_classes_of_one_output_have_maps(tmp_path: Path) -> None:
    """The logits are -z / 2 and z / 2: with 0 and z, class 0 would have no gradient."""
    network = trained(1)
    logits = outputs_of(opened(tmp_path, network))
    z = outputs_of(network)[:, 0]
    assert torch.allclose(logits, torch.stack([-z / 2, z / 2], 1), atol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "positive", "negative", "activation", "said"),
    [
        (3, [3], None, "auto", "the network has 3 outputs. Allowed: 0 to 2"),
        (3, [0], [7], "auto", r"model.negative = \[7\]"),
        (3, [0, 1, 2], None, "auto", "some say target 1 and others 0"),
        (3, [0], [0, 1], "auto", "none says both"),
        (3, [0, 1], None, "sigmoid", "one of them says the target"),
    ],
)
def test_outputs_that_make_no_sense(
    outputs: int, positive: list[int], negative: list[int] | None, activation: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        two_logits(outputs, positive, negative, activation)


@pytest.mark.parametrize(
    ("told", "by_hand"),
    [
        ({}, lambda p: (p - MEAN) / STD),
        ({"mean": [0.5] * 3, "std": [0.5] * 3}, lambda p: (p - 0.5) / 0.5),
        ({"range": [0, 255]}, lambda p: 255 * p),
        ({"range": [-1, 1]}, lambda p: 2 * p - 1),
        ({"range": [0, 255], "mean": [90, 100, 110]}, lambda p: 255 * p - GREY),
    ],
)
def test_pixels_on_the_networks_scale(told: dict[str, Any], by_hand: Score) -> None:
    step = input_of(ModelConfig(input=told).model_dump()["input"])
    assert torch.allclose(step(INPUTS), by_hand(PIXELS), atol=1e-4)
    assert isinstance(step, nn.Identity) is (told == {})


def test_images_are_resized_inside_and_maps_have_the_pools_size(tmp_path: Path) -> None:
    network = trained(2)
    told = {"size": 24, "mean": [0.5] * 3, "std": [0.5] * 3}
    model = opened(tmp_path, network, input=told)
    small = F.interpolate(PIXELS, (24, 24), mode="bilinear", antialias=True)
    expected = outputs_of(network, (small - 0.5) / 0.5).softmax(1)[:, 1]
    assert torch.allclose(score(model), expected, atol=1e-5)
    save_model(model, tmp_path / "m.safetensors")
    stored = load_model(tmp_path / "m.safetensors", "resnet18", CPU)
    assert torch.allclose(score(stored), expected, atol=1e-5)
    for name in ("lrp", "gradient", "gradcam", "deeplift", "guided_backprop"):
        assert maps_of(stored, name).shape == (3, 40, 40)


def maps_of(model: Classifier, name: str) -> torch.Tensor:
    explainer = EXPLAINERS[name]
    params = explainer.params(**explainer.traits["small"])
    with explainer.run(model, params, generator_of(0)) as run:
        maps: torch.Tensor = run(INPUTS, torch.tensor([1, 0, 1])).maps
    assert maps.isfinite().all()
    return maps


def test_lrp_loses_nothing_where_scale_and_size_change_and_groups_are_read(tmp_path: Path) -> None:
    """Without biases relevance is conserved through resizing, scale and log-sum-exp."""
    network = trained(6)
    network.body[1] = nn.Identity()
    for layer in (network.body[0], network.fc):
        nn.init.zeros_(layer.bias)
    network.body[1] = nn.BatchNorm2d(6).eval()
    model = opened(
        tmp_path, network, positive=[0, 1], input={"size": 24, "mean": [0] * 3, "std": [1] * 3}
    )
    with EXPLAINERS["lrp"].run(model, EXPLAINERS["lrp"].params(), generator_of(0)) as run:
        made = run(INPUTS, torch.tensor([1, 0, 1]))
    logits = outputs_of(model).gather(1, torch.tensor([[1], [0], [1]]))[:, 0]
    # The head's share of a group's log-sum-exp is its logits' mean by softmax.
    assert torch.allclose(made.maps.sum((1, 2)), logits, rtol=2e-3, atol=1e-3)


def test_deeplift_is_complete_where_groups_are_read(tmp_path: Path) -> None:
    model = opened(tmp_path, trained(6), positive=[0, 1])
    maps = maps_of(model, "deeplift")
    gain = outputs_of(model) - outputs_of(model, torch.zeros_like(INPUTS))
    asked = gain.gather(1, torch.tensor([[1], [0], [1]]))[:, 0]
    assert torch.allclose(maps.sum((1, 2)), asked, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["lightning", "safetensors", "own"])
def test_files_of_a_trained_network(tmp_path: Path, form: str) -> None:
    network, path = trained(2), tmp_path / "w.ckpt"
    state = network.state_dict()
    if form == "lightning":
        named = {f"net.{name}": value for name, value in state.items()}
        torch.save({"state_dict": named, "hyper_parameters": argparse.Namespace(a=1)}, path)
    elif form == "safetensors":
        save_file(state, path)
    else:  # a model that this suite has stored
        save_model(opened(tmp_path, network), path)
    given = {"architecture": "resnet18", "weights": str(path), "input": {}}
    model = open_trained(ModelConfig(train=False, **given))
    assert torch.allclose(score(model), outputs_of(network).softmax(1)[:, 1], atol=1e-6)
    started = build_classifier("resnet18", str(path))
    assert torch.equal(started.trunk.body[0].weight, network.body[0].weight)
    assert not started.head.weight.any()


def test_heads_of_other_shapes(tmp_path: Path) -> None:
    network = trained(2)
    network.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(24, 2, bias=False)).eval()
    expected = outputs_of(network).softmax(1)[:, 1]
    assert torch.allclose(score(opened(tmp_path, network)), expected, atol=1e-6)
    network.fc = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(UserError, match=r"a last layer of 2 steps \(fc\).*torch\.export\.save"):
        opened(tmp_path, network)
    network.fc = nn.Identity()
    with pytest.raises(UserError, match="has no last layer"):
        opened(tmp_path, network)


def test_a_debiased_model_with_a_map_inside_is_refused(tmp_path: Path) -> None:
    model = opened(tmp_path, trained(2))
    model.intervention = projection(torch.ones(24), torch.zeros(24))
    save_model(model, tmp_path / "m.safetensors")
    given = {"architecture": "resnet18", "weights": str(tmp_path / "m.safetensors"), "input": {}}
    with pytest.raises(UserError, match="a debiased model of this suite with a map"):
        open_trained(ModelConfig(train=False, **given))


def test_a_squeezenet_is_judged_by_its_own_head(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = models.squeezenet1_1(num_classes=3).eval()
    network.classifier[1].bias.data.normal_()
    model = opened(tmp_path, network, architecture="squeezenet1_1", positive=1)
    assert torch.allclose(score(model), outputs_of(network).softmax(1)[:, 1], atol=1e-6)
    assert not shows_features(model)
    save_model(model, tmp_path / "m.safetensors")
    assert torch.allclose(
        score(load_model(tmp_path / "m.safetensors", "squeezenet1_1", CPU)), score(model), atol=1e-6
    )


@pytest.mark.parametrize("kind", ["torchscript", "torch_export"])
def test_programs(tmp_path: Path, kind: str) -> None:
    network, path = trained(3), tmp_path / "m.pt"
    if kind == "torchscript":
        torch.jit.save(torch.jit.trace(network, INPUTS), path)
    else:  # made for batches of two: a third image is filled up
        torch.export.save(torch.export.export(network, (INPUTS[:2],)), tmp_path / "m.pt2")
        path = tmp_path / "m.pt2"
    given = {"architecture": kind, "weights": str(path), "positive": 2, "input": {"size": 40}}
    model = open_trained(ModelConfig(train=False, **given))
    assert torch.allclose(score(model), outputs_of(network).softmax(1)[:, 2], atol=1e-5)
    save_model(model, tmp_path / "m.safetensors")
    stored = load_model(tmp_path / "m.safetensors", kind, CPU)
    assert torch.allclose(score(stored), score(model), atol=1e-5)
    reference = opened(tmp_path, network, positive=2)
    for name in ("gradient", "integrated_gradients", "occlusion"):
        assert torch.allclose(maps_of(stored, name), maps_of(reference, name), atol=1e-4)
    with pytest.raises(UserError, match="a program has no layers"):
        fresh_like(stored, kind, 0)
    with pytest.raises(UserError, match=r"holds a .* program, and"):
        open_trained(ModelConfig(train=False, **{**given, "architecture": OTHER[kind]}))


OTHER = {"torchscript": "torch_export", "torch_export": "torchscript"}


def test_fresh_networks_of_the_same_shape(tmp_path: Path) -> None:
    model = opened(tmp_path, trained(7), positive=2, input={"size": 24})
    a, b, c = (fresh_like(model, "resnet18", seed) for seed in (1, 1, 2))
    assert a.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(a.head.weight, b.head.weight)
    assert not torch.equal(a.head.weight, c.head.weight)
    assert torch.equal(outputs_of(a.eval()), outputs_of(b.eval()))


class FakeTimm(types.ModuleType):
    """What is used of timm, with the small network in the place of its models."""

    def is_model(self, name: str) -> bool:
        return name == "tiny_net"

    def list_models(self) -> list[str]:
        return ["tiny_net"]

    def create_model(self, name: str, pretrained: bool, num_classes: int = 1000) -> nn.Module:
        assert not pretrained
        network = Small(num_classes)
        network.pretrained_cfg = {"input_size": (3, 24, 24), "mean": (0.5,) * 3, "std": (0.5,) * 3}
        return network


@pytest.mark.parametrize("real", [False, True])
def test_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: bool) -> None:
    """With a made-up library, and with the real one where it is installed."""
    if real:
        timm: Any = pytest.importorskip("timm")
        name = "mobilenetv3_small_050"
    else:
        timm, name = FakeTimm("timm"), "tiny_net"
        monkeypatch.setitem(sys.modules, "timm", timm)
        monkeypatch.setattr(outside, "need", lambda *given: None)
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=5).eval()
    model = opened(tmp_path, network, architecture=f"timm:{name}", positive=3, input=None)
    told = network.pretrained_cfg
    side = told["input_size"][-1]
    small = F.interpolate(PIXELS, (side, side), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(told[key])[:, None, None] for key in ("mean", "std"))
    expected = outputs_of(network, (small - mean) / std).softmax(1)[:, 3]
    assert torch.allclose(score(model), expected, atol=1e-5)
    with pytest.raises(UserError, match="timm has no model 'tiny_met'"):
        build_classifier("timm:tiny_met")


def test_an_optional_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package timm.*pip install timm"):
        build_classifier("timm:resnet18")


def hf_folder(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    told = {"model_type": "tiny", "id2label": {"0": "a", "1": "b", "2": "c"}, **config}
    (folder / "config.json").write_text(json.dumps(told))
    size = {"size": {"height": 24, "width": 24}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(size))
    (folder / "model.safetensors").touch()
    return folder


class FakeHF(nn.Module):
    """An image classifier as that library has them."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        small = trained(outputs)
        self.body = nn.Sequential(small.body, small.flatten)
        self.classifier = small.fc

    def forward(self, pixel_values: torch.Tensor) -> types.SimpleNamespace:
        return types.SimpleNamespace(logits=self.classifier(self.body(pixel_values)))


class FakeTransformers(types.ModuleType):
    """What is used of transformers."""

    __version__ = "0"
    missing: tuple[str, ...] = ()

    class Config:
        @staticmethod
        def from_dict(told: dict[str, Any]) -> dict[str, Any]:
            return told

    @property
    def CONFIG_MAPPING(self) -> dict[str, Any]:
        return {"tiny": self.Config}

    @property
    def AutoModelForImageClassification(self) -> Any:
        return self

    def from_config(self, told: dict[str, Any], attn_implementation: str) -> nn.Module:
        assert attn_implementation == "eager"
        return FakeHF(len(told["id2label"]))

    def from_pretrained(self, folder: str, **given: Any) -> tuple[nn.Module, dict[str, Any]]:
        assert given["local_files_only"]
        assert not given["trust_remote_code"]
        return FakeHF(3), {"missing_keys": self.missing, "mismatched_keys": ()}


def test_a_hugging_face_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTransformers("transformers")
    monkeypatch.setitem(sys.modules, "transformers", fake)
    monkeypatch.setattr(outside, "need", lambda *given: None)
    folder = hf_folder(tmp_path / "hf")
    config = ModelConfig(architecture=f"hf:{folder}", train=False, positive="c")
    model = open_trained(config)
    small = (F.interpolate(PIXELS, (24, 24), mode="bilinear", antialias=True) - 0.5) / 0.5
    expected = FakeHF(3).eval()(small).logits.softmax(1)[:, 2]
    assert torch.allclose(score(model), expected, atol=1e-5)
    save_model(model, tmp_path / "m.safetensors")
    (folder / "config.json").unlink()  # a stored model needs the folder no more
    stored = load_model(tmp_path / "m.safetensors", config.architecture, CPU)
    assert torch.allclose(score(stored), expected, atol=1e-5)
    fake.missing = ("classifier.weight",)
    hf_folder(tmp_path / "base")
    with pytest.raises(UserError, match=r"no weights of classifier\.weight: it was not trained"):
        open_trained(config.model_copy(update={"architecture": f"hf:{tmp_path / 'base'}"}))


@pytest.mark.parametrize("kind", ["ViT", "ResNet"])
def test_real_hugging_face_models(tmp_path: Path, kind: str) -> None:
    hf = pytest.importorskip("transformers")
    sizes = {
        "ViT": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 16, "image_size": 24, "patch_size": 8},
        "ResNet": {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
    }  # fmt: skip
    config = getattr(hf, f"{kind}Config")(num_labels=3, **sizes[kind])
    own = hf.AutoModelForImageClassification.from_config(config).eval()
    folder = tmp_path / "hf"
    own.save_pretrained(folder)
    told = {"size": 24, "mean": [0.5] * 3, "std": [0.5] * 3}
    model = open_trained(
        ModelConfig(architecture=f"hf:{folder}", train=False, positive=2, input=told)
    )
    small = (F.interpolate(PIXELS, (24, 24), mode="bilinear", antialias=True) - 0.5) / 0.5
    expected = own(small).logits.softmax(1)[:, 2]
    assert torch.allclose(score(model), expected, atol=1e-4)
    assert maps_of(model, "gradient").any()
