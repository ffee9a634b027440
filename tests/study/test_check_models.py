"""What is wrong with networks is said before the first job, and without torch."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from rightreasons.core.errors import UserError
from rightreasons.core.seeds import generator_of
from rightreasons.models.architectures import build_classifier, network_of
from rightreasons.models.config import ModelConfig
from rightreasons.models.facts import FAMILIES, NAMES, NOT_FIRST, OWN, SECOND, SMALL
from rightreasons.saliency import EXPLAINERS
from rightreasons.study.check_models import explainers_for
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.rehearsal import cases, main, rehearse, rehearse_study
from study import ROOT, tiny

GRADIENT = {"images": 16, "sets": {"main": {"gradient": {}}}}


def refused(**changes: Any) -> str:
    with pytest.raises(UserError) as got:
        load_config(tiny(**{"explain": GRADIENT, "regions": {}, **changes}))
    assert "\n" not in str(got.value)
    return str(got.value)


def judged(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the config of a study of a network that was trained elsewhere."""
    config = tiny(methods={"vanilla": {}}, regions={}, explain=GRADIENT, **changes)
    config["designs"]["phi"]["levels"] = [0.0]
    return {**config, "model": {"train": False, "input": {}, **model}}


# Names


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ResNet18", "resnet18"),
        ("resnet-18", "resnet18"),
        ("MobileNetV3_small", "mobilenet_v3_small"),
        ("Torch-Script", "torchscript"),
        ("resnet1", "resnet18"),
    ],
)
def test_names_of_architectures(given: str, meant: str) -> None:
    said = refused(model={"architecture": given})
    assert said.startswith(
        f"config: model.architecture: unknown architecture {given!r} (did you mean {meant!r}?). "
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("None", "none"),
        ("null", "none"),
        ("IMAGENET1K_V1", "imagenet_v1"),
        ("ResNet18_Weights.IMAGENET1K_V2", "imagenet_v2"),
        ("DEFAULT", "imagenet"),
        ("pretrained", "imagenet"),
        ("ImageNet", "imagenet"),
    ],
)
def test_names_of_weights(given: str, meant: str) -> None:
    said = refused(model={"architecture": "resnet18", "weights": given})
    assert said.startswith(f"config: model.weights: {given!r} is called {meant!r} here. Allowed:")


@pytest.mark.parametrize(
    ("architecture", "weights"),
    [("resnet18", "imagenet_v2"), ("small_cnn", "imagenet"), ("vit_h_14", "imagenet_v1")],
)
def test_weights_that_there_are_not(architecture: str, weights: str) -> None:
    model = {"architecture": architecture, "weights": weights, "input": {"size": 224}}
    assert f"there are no weights {weights!r} of {architecture}" in refused(model=model)


def test_a_tasks_own_network_is_named_by_its_place() -> None:
    task = {**tiny()["tasks"]["smiling_by_necktie"], "model": {"architecture": "ResNet18"}}
    said = refused(tasks={"smiling": task})
    assert said.startswith("config: tasks.smiling.model.architecture: unknown architecture")


def test_what_is_known_by_name_is_torchvisions() -> None:
    known = models.list_models(module=models)
    assert sorted(set(NAMES) - set(OWN)) == known
    for name in known:
        members = models.get_model_weights(name).__members__
        assert ("IMAGENET1K_V2" in members) == (name in SECOND), name
        assert ("IMAGENET1K_V1" in members) == (name not in NOT_FIRST), name


# Images and architecture

#: Families whose images have a smallest size, and that are quick to build.
QUICK = [f for f in FAMILIES if f.name in ("alexnet", "googlenet", "squeezenet", "vgg", "vit")]


@pytest.mark.parametrize("family", QUICK, ids=lambda family: f"{family.name}{family.least}")
def test_the_smallest_image_is_what_the_network_says(family: Any) -> None:
    name = next((name for name in family.members if name == "vit_b_32"), family.members[0])
    extra = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        if name in SMALL:
            network = network_of(name).eval()
        else:
            network = models.get_model(name, weights=None, **extra).eval()
        network(torch.empty(2, 3, family.least, family.least))
        with pytest.raises((RuntimeError, AssertionError, ValueError)):
            network(torch.empty(2, 3, family.least - 1, family.least - 1))


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("inception_v3", "size of the images = 32: inception_v3 takes images from 75 pixels up"),
        ("vit_b_16", "size of the images = 32: vit_b_16 takes images of 224 pixels"),
        ("alexnet", "size of the images = 32: alexnet takes images from 63 pixels up"),
    ],
)
def test_images_that_a_network_does_not_take(architecture: str, said: str) -> None:
    assert said in refused(model={"architecture": architecture})
    load_config(
        tiny(explain=GRADIENT, model={"architecture": architecture, "input": {"size": 224}})
    )


# Explainers and architecture

#: Some that are quick to build, with and without rules missing.
TRACED = ["small_cnn", "squeezenet1_1", "mobilenet_v3_small", "mobilenet_v2", "mnasnet0_5"]


@pytest.mark.parametrize("architecture", ["resnet18", "swin_t", "maxvit_t", "convnext_tiny"])
@pytest.mark.parametrize("explainer", ["attention_rollout", "attention_relevance"])
def test_what_reads_attention_is_for_vision_transformers(explainer: str, architecture: str) -> None:
    sets = {"images": 16, "sets": {"main": {explainer: {}}}}
    said = refused(model={"architecture": architecture, "input": {"size": 224}}, explain=sets)
    assert f"sets.main.{explainer}: {explainer} cannot explain {architecture}" in said
    assert "it is for" in said
    assert "vit_b_16" in said
    load_config(tiny(explain=sets, model={"architecture": "vit_b_16", "input": {"size": 224}}))


@pytest.mark.parametrize("architecture", TRACED)
def test_an_explainer_is_refused_where_it_would_refuse(architecture: str) -> None:
    network, refusing = build_classifier(architecture).eval(), []
    for explainer in EXPLAINERS:
        if explainer.traits["reads"] != "layers":
            continue
        try:
            with explainer.run(network, explainer.params(), generator_of(0)):
                pass
        except UserError:
            refusing.append(explainer.name)
    allowed = explainers_for(architecture)
    assert refusing == [e.name for e in EXPLAINERS if e.name not in allowed]


@pytest.mark.parametrize("architecture", ["vit_b_16", "efficientnet_b0", "regnet_y_400mf"])
def test_guided_backpropagation_is_refused_before_anything_is_trained(architecture: str) -> None:
    sets = {"images": 16, "sets": {"main": {"guided_backprop": {}}}}
    said = refused(model={"architecture": architecture, "input": {"size": 224}}, explain=sets)
    assert f"sets.main.guided_backprop: guided_backprop cannot explain {architecture}" in said
    assert "integrated_gradients" in said


# Files


def weights(folder: Path, outputs: int = 2, name: str = "w.pth") -> str:
    network = models.get_model("mobilenet_v3_small", weights=None, num_classes=outputs)
    torch.save({"state_dict": network.state_dict()}, folder / name)
    return str(folder / name)


def test_files_are_looked_into_without_torch(tmp_path: Path) -> None:
    path = weights(tmp_path)
    (tmp_path / "lfs.pth").write_text("version https://git-lfs.github.com/spec/v1\n")
    config = judged({"architecture": "mobilenet_v3_small", "weights": path})
    code = (
        "import json, sys; from rightreasons.study.load import load_config;"
        "load_config(json.load(sys.stdin)); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
    )
    assert done.stdout.strip() == "False"
    for name, said in (("gone.pth", "no file"), ("lfs.pth", "a git-lfs pointer")):
        model = {"architecture": "resnet18", "weights": str(tmp_path / name)}
        assert said in refused(model=model)


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    weights(tmp_path)
    study = load_config(judged({"architecture": "mobilenet_v3_small", "weights": "~/w.pth"}))
    assert study.model.path() == tmp_path / "w.pth"
    plan = Plan(study)
    (group,) = plan.grid.groups()
    assert plan.train(group).input.weights == tmp_path / "w.pth"


# Networks that are not trained


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"weights": "none"}, "needs the file of its weights"),
        ({"input": None}, "model.input is missing"),
        ({"positive": "Male"}, "labels have names only in a Hugging Face folder"),
        ({"architecture": "torchscript"}, "holds weights and no program"),
        ({"architecture": "torchscript", "train": True}, "cannot be trained"),
        ({"architecture": "hf:nowhere"}, "nowhere/config.json is not there"),
    ],
)
def test_what_a_trained_network_needs(tmp_path: Path, model: dict[str, Any], said: str) -> None:
    given = {"architecture": "mobilenet_v3_small", "weights": weights(tmp_path), **model}
    with pytest.raises(UserError) as got:
        load_config(judged(given))
    assert said in str(got.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": [0, 1]}, "with 2 seeds: the network is the same for each"),
        ({"methods": {"vanilla": {}, "finetune": {}}}, "methods.finetune: not with `model.train"),
        ({"methods": {"vanilla": {}, "mmd": {}}}, "methods.mmd: not with `model.train: false`"),
        ({"measure": {"witnesses": True}}, "measure.witnesses: the networks that region ranks"),
    ],
)
def test_what_a_trained_network_does_not_allow(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    model = {"architecture": "mobilenet_v3_small", "weights": weights(tmp_path)}
    with pytest.raises(UserError) as got:
        load_config({**judged(model), **changes})
    assert said in str(got.value)
    methods = {"vanilla": {}, "thropt": {}, "leace": {}, "dfr": {}, "savani_rp": {}}
    load_config({**judged(model), "methods": methods})
    levels = judged(model)
    levels["designs"]["phi"]["levels"] = [0.0, 0.5]
    with pytest.raises(UserError, match="with 2 levels of the design phi"):
        load_config(levels)


@pytest.mark.parametrize(
    ("target", "classes", "said"),
    [
        ("Skin_Tone", None, "has 10 classes, and the network tells 2 apart"),
        ("Skin_Tone", [0, 1, 2], "has 10 classes, and the network tells 3 apart"),
        ("Smiling", [0, 1, 2], "has 2 classes, and the network tells 3 apart"),
        ("Skin_Tone", ["dark", *range(9)], "labels have names only in a Hugging Face folder"),
        ("Skin_Tone", list(range(10)), ""),
    ],
)
def test_each_class_of_the_target_has_an_output(
    tmp_path: Path, target: str, classes: list[int | str] | None, said: str
) -> None:
    model = {"architecture": "mobilenet_v3_small", "weights": weights(tmp_path)}
    config = judged({**model, "classes": classes})
    config["designs"] = {"as_is": {"shares": {"test": 1}}}
    config["tasks"]["smiling_by_necktie"]["target"] = target
    if not said:
        load_config(config)
        return
    with pytest.raises(UserError, match=said):
        load_config(config)


def test_a_program_hides_its_layers(tmp_path: Path) -> None:
    path = tmp_path / "p.pt"
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    config = judged({"architecture": "torchscript", "weights": str(path)})
    load_config(config)
    for section, said in (
        ({"explain": {"images": 16, "sets": {"main": {"lrp": {}}}}}, "out of its sight"),
        ({"methods": {"vanilla": {}, "leace": {}}}, "shows its outputs alone"),
        ({"sanity": {"images": 8}}, "no layers that could be made random"),
        ({"probe": {"images": 8}}, "make layers random"),
    ):
        with pytest.raises(UserError) as got:
            load_config({**config, **section})
        assert said in str(got.value)


def test_labels_of_a_hugging_face_folder(tmp_path: Path) -> None:
    told = {"model_type": "vit", "id2label": {"0": "female", "1": "male"}}
    (tmp_path / "config.json").write_text(json.dumps(told))
    save_file({"classifier.weight": torch.ones(2, 4)}, tmp_path / "model.safetensors")
    model = {"architecture": f"hf:{tmp_path}", "positive": "male"}
    load_config(judged(model))
    with pytest.raises(UserError, match=r"no label 'mal' \(did you mean 'male'\?\)"):
        load_config(judged({**model, "positive": "mal"}))
    with pytest.raises(UserError, match=r"model\.input is missing"):
        load_config(judged({**model, "input": None}))
    size = {"size": {"shortest_edge": 24}, "do_center_crop": True, "crop_size": 20}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(size))
    load_config(judged({**model, "input": None}))


# When a run starts


def test_only_networks_with_files_are_tried(tmp_path: Path) -> None:
    plain = load_config(tiny())
    assert cases(plain) == []
    rehearse_study(plain)
    path = weights(tmp_path)
    study = load_config(judged({"architecture": "mobilenet_v3_small", "weights": path}))
    (case,) = cases(study)
    assert case["side"] == 32
    assert list(case["explainers"]) == ["gradient"]
    rehearse(ModelConfig(**case["model"]), case["side"], case["explainers"])


def test_weights_that_do_not_fit_end_a_run_before_its_first_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is run as a function here: importing torch anew takes seconds."""

    def run(command: list[str], *, input: str, **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[1:] == ["-m", "rightreasons.study.rehearsal"]
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        with redirect_stdout(io.StringIO()) as said:
            code = main()
        return subprocess.CompletedProcess(command, code, said.getvalue(), "")

    monkeypatch.setattr(subprocess, "run", run)
    path = weights(tmp_path)
    study = load_config(judged({"architecture": "resnet18", "weights": path}))
    with pytest.raises(UserError, match=r"^config: model\.weights: .* \(resnet18\) do not fit"):
        rehearse_study(study)


@pytest.mark.parametrize(
    ("model", "explainers", "said"),
    [
        ({"positive": 7}, {}, "the network has 2 outputs"),
        ({}, {"g": {"kind": "guided_backprop"}}, "guided_backprop: there is no rule for Hardswish"),
    ],
)
def test_what_a_rehearsal_finds(
    tmp_path: Path, model: dict[str, Any], explainers: dict[str, Any], said: str
) -> None:
    given = {"architecture": "mobilenet_v3_small", "weights": weights(tmp_path), "input": {}}
    with pytest.raises(UserError) as got:
        rehearse(ModelConfig(train=False, **given, **model), 32, explainers)
    assert said in str(got.value)
