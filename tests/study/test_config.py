from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rightreasons.core.errors import UserError
from rightreasons.study.load import load_config, read_yaml
from rightreasons.study.schema import schema
from study import demo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def raw() -> dict[str, Any]:
    return demo()


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))], ids=lambda p: p.name
)
def test_shipped_configs_are_valid(path: Path) -> None:
    study = load_config(read_yaml(path))
    assert study.study == (path.stem if path.parent.name == "studies" else "demo")


def test_schema_is_the_config() -> None:
    stored = json.loads((ROOT / "schemas/config.schema.json").read_text())
    assert stored == schema(), (
        "run: python -m rightreasons.study.schema > schemas/config.schema.json"
    )


def test_defaults_are_filled_in(raw: dict[str, Any]) -> None:
    raw["methods"] |= {"zhang": {}, "mild": {"kind": "zhang", "steps": 2}}
    methods = load_config(raw).methods
    assert methods["mild"]["kind"] == "zhang"
    assert methods["mild"]["steps"] == 2
    assert methods["mild"].keys() == methods["zhang"].keys()


def test_chance_is_a_method_of_every_study_of_several(raw: dict[str, Any]) -> None:
    def named(**changes: Any) -> list[str]:
        return list(load_config({**raw, **changes}).methods)

    two = {"vanilla": {}, "thropt": {}}
    assert named(methods=two) == ["vanilla", "thropt", "random_decision"]
    assert named(methods=two, controls=False) == ["vanilla", "thropt"]
    own = {**two, "coin": {"kind": "random_decision"}}
    assert named(methods=own) == list(own)
    assert named(methods={"vanilla": {}}) == ["vanilla"]  # nothing to compare with
    taken = {**two, "random_decision": {"kind": "thropt"}}
    assert named(methods=taken) == list(taken)


def _set(config: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for key in parents:
        config = config[key]
    config[last] = value


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("sseeds", [1], "unknown key sseeds (did you mean 'seeds'?)"),
        ("training/epoch", 3, "unknown key training.epoch (did you mean 'epochs'?)"),
        ("training/epochs", 0, "training.epochs = 0: Input should be greater than or equal to 1"),
        ("training/epochs", "many", "training.epochs = 'many'"),
        ("training/optimizer", "lion", "training.optimizer = 'lion': Input should be 'adam', "),
        ("training/momentum", 1.0, "training.momentum = 1.0: Input should be less than 1"),
        ("methods/zang", {}, "methods.zang: unknown method 'zang' (did you mean 'zhang'?)"),
        ("methods/zhang", {"stpes": 1}, "methods.zhang.stpes (did you mean 'steps'?). Allowed: "),
        ("methods/finetune", {"zzz": 1}, "unknown key methods.finetune.zzz. Allowed: "),
        ("methods/a-b", {"kind": "zhang"}, "the name 'a-b' is used in file names"),
        ("seeds", [], "seeds = []: List should have at least 1 item"),
        ("seeds", [1, 1], "seeds = [1, 1]: a seed is named twice"),
        ("seeds", [-1], "seeds.0 = -1: Input should be greater than or equal to 0"),
        ("training/learning_rate", float("inf"), "learning_rate = inf: Input should be a finite"),
        ("training", None, "training = None: must be keys with values, `{}` for the defaults"),
        ("methods/zhang", None, "methods.zhang = None: must be keys with values"),
        ("methods", ["vanilla"], "methods = ['vanilla']: must be keys with values"),
        ("methods/vanilla", {"kind": "zhang"}, "methods: needs `vanilla: {}` once"),
        ("designs", {"a-b": {"kind": "phi"}}, "config: designs: the name 'a-b' is used in file"),
        ("explain/sets", {}, "explain.sets = {}"),
        ("explain/sets", {"main": {}}, "explain.sets.main = {}"),
        ("explain/sets", {"a b": {"lrp": {}}}, "explain.sets: the name 'a b'"),
        ("explain/sets", {"a": {"l/p": {"kind": "lrp"}}}, "explain.sets.a: the name 'l/p'"),
        ("explain/images", 4, "explain.images = 4: allowed are a whole number from 8 up, or `all`"),
        ("explain/images", "few", "explain.images = 'few': allowed are a whole number from 8 up"),
        ("tasks/smiling_by_necktie/model", {"weight": 1}, ".model.weight (did you mean 'weights'"),
        (
            "tasks/smiling_by_necktie/training",
            {"epochs": 0},
            "tasks.smiling_by_necktie.training.epochs",
        ),
        ("designs/phi/levels", [1.5], "designs.phi.levels"),
        (
            "designs/phi",
            {"levels": [0.5, -1]},
            "designs.phi.levels: at -1 the debias images of smiling_by_necktie have no image in "
            "some cell of target and protected attribute, and thropt and thropt_group and "
            "dfr need all cells. Use a level that is less extreme (such as -0.95)",
        ),
        ("designs/phi", {"levels": [1], "select": "train"}, "choose select: balanced, or set"),
        ("tasks/smiling_by_necktie/dataset", "synth", "unknown dataset 'synth'"),
        ("tasks/smiling_by_necktie/roi", [0.5, 0.2, 0.1, 0.9], "x0 < x1"),
        ("tasks/smiling_by_necktie/roi", [0, 0, 2, 1], "roi = [0, 0, 2, 1]: allowed are a rect"),
        ("tasks/smiling_by_necktie/roi", [0, 0, 1], "roi = [0, 0, 1]: allowed are a rectangle"),
        (
            "tasks/smiling_by_necktie/roi",
            {"mask": "Wearing_Neckti"},
            "synthfaces has no such mask (did you mean 'Wearing_Necktie'?)",
        ),
        (
            "regions",
            {"attributes": {"synthfaces": {"a": {"mask": "b"}}}},
            "Allowed: Wearing_Necktie",
        ),
        (
            "regions",
            {"attributes": {"celeba": {}}},
            "unknown dataset 'celeba'. Allowed: synthfaces",
        ),
        ("tasks/smiling_by_necktie/roi", {"maks": "x"}, "roi = {'maks': 'x'}: allowed are a rect"),
        ("explain/sets", {"a": {"lrp": {}}, "b": {"lrp": {}}}, "lrp is in two sets"),
        ("explain/sets", {"a": {"lpr": {}}}, "unknown explainer 'lpr' (did you mean 'lrp'?)"),
        ("measure", {"metrics": {"rff": {}}}, "unknown metric 'rff' (did you mean"),
        ("measure", {"metrics": {"hrf": {"eps": "x"}}}, "measure.metrics.hrf.eps = 'x'"),
        ("model/architecture", 3, "model.architecture = 3"),
        ("methods", {"zhang": {}}, "needs `vanilla: {}` once, as every method starts from it"),
        ("multiverse", 3, "multiverse = 3: must be keys with values, `{}` for the defaults"),
        ("multiverse", {"scales": ["raw"]}, "multiverse.scales (did you mean 'scale'?)"),
        ("multiverse", {"scale": ["rough"]}, "multiverse.scale.0 = 'rough': Input should be"),
        ("multiverse", {"margin": [0]}, "multiverse.margin.0 = 0: Input should be greater than 0"),
        ("multiverse", {"fairness": ["rrf"]}, "multiverse.fairness: 'rrf' is no metric that answ"),
        ("multiverse", {"explainer": ["lpr"]}, "unknown explainer 'lpr' (did you mean 'lrp'?)"),
        ("multiverse", {"rois": {"smiling": {}}}, "multiverse.rois: unknown task 'smiling'"),
        (
            "multiverse",
            {"rois": {"smiling_by_necktie": {"hat": {"mask": "hat"}}}},
            "multiverse.rois.smiling_by_necktie.hat.mask = 'hat': synthfaces has no such mask",
        ),
        ("report", {"show_images": ["synthface"]}, "dataset 'synthface' (did you mean 'synthfaces"),
        ("report", {"explainers": ["grad"]}, "report.explainers: unknown explainer 'grad'"),
        ("report", {"page_images": 4}, "report.page_images = 4: Input should be greater than or"),
    ],
)
def test_mistakes_are_named(raw: dict[str, Any], path: str, value: Any, expected: str) -> None:
    config = copy.deepcopy(raw)
    _set(config, path, value)
    with pytest.raises(UserError) as caught:
        load_config(config)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("should be") + str(caught.value).count("must be") <= 1


def test_all_mistakes_are_told_at_once(raw: dict[str, Any]) -> None:
    raw["training"]["epochs"] = 0
    raw["foo"] = 1
    del raw["tasks"]["smiling_by_necktie"]["target"]
    del raw["seeds"]
    with pytest.raises(UserError) as caught:
        load_config(raw)
    for mistake in ("training.epochs = 0", "unknown key foo", ".target is missing", "seeds is mis"):
        assert mistake in str(caught.value)


@pytest.mark.parametrize(
    ("section", "name", "expected"),
    [
        ("methods", 3, "methods: the name 3 must be text: put it in quotes"),
        (None, 3, "a key must be text: put it in quotes"),
    ],
)
def test_keys_must_be_text(
    raw: dict[str, Any], section: str | None, name: Any, expected: str
) -> None:
    (raw[section] if section else raw)[name] = {}
    with pytest.raises(UserError, match=expected):
        load_config(raw)


def test_a_checked_config_is_a_valid_config(raw: dict[str, Any]) -> None:
    study = load_config(raw)
    assert load_config(study.model_dump(mode="json")) == study


def test_a_task_may_have_a_network_of_its_own(raw: dict[str, Any]) -> None:
    raw["tasks"]["other"] = {
        **raw["tasks"]["smiling_by_necktie"],
        "roi": {"mask": "Wearing_Necktie"},
        "model": {"architecture": "resnet18"},
    }
    study = load_config(raw)
    assert study.task_model("other").architecture == "resnet18"
    assert study.task_model("other").weights == study.model.weights
    assert study.task_model("smiling_by_necktie") == study.model


def test_a_config_must_be_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- study\n")
    with pytest.raises(UserError, match=r"list\.yaml must hold a mapping"):
        read_yaml(path)


def test_broken_yaml_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("study: [demo\n")
    with pytest.raises(UserError, match=r"broken\.yaml is no YAML"):
        read_yaml(path)
