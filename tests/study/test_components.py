"""A user's own components in a study: the config, the jobs, the schema."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foreign import EXPLAINER, FIGURE, METHOD, METRIC, forgotten, write
from rightreasons.core.components import load_components
from rightreasons.core.errors import UserError
from rightreasons.core.job import Files, Job, Running
from rightreasons.debias import METHODS
from rightreasons.metrics import METRICS
from rightreasons.runtime.job import run
from rightreasons.study.load import load_config, registries
from rightreasons.study.plan import Plan
from rightreasons.study.rules import NAMING, STAGES, Rules
from rightreasons.study.schema import main, schema
from study import tiny

GROUP = {"task": "smiling_by_necktie", "design": "phi", "level": "0.8", "seed": "0"}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with forgotten():
        yield


def config(**changes: Any) -> dict[str, Any]:
    return tiny(methods={"vanilla": {}, "finetune": {}, "own": {"kind": "mine"}}, **changes)


def test_a_config_names_its_components() -> None:
    write("mine.py", METHOD.format(name="mine"))
    study = load_config(config(components=["mine.py"]))
    assert study.components == ["mine.py"]
    assert study.methods["own"] == {"kind": "mine", "preset": "default"}


def test_a_component_that_no_file_of_the_study_registers_is_unknown() -> None:
    write("mine.py", METHOD.format(name="mine"))
    with pytest.raises(UserError, match=r"methods\.own: unknown method 'mine'"):
        load_config(config())


def test_components_lie_beside_the_config(tmp_path: Path) -> None:
    write("study/mine.py", METHOD.format(name="mine"))
    study = load_config(config(components=["mine.py"]), [tmp_path / "study"])
    assert study.components == ["study/mine.py"]
    with pytest.raises(UserError, match=r"^components: there is no mine\.py in "):
        load_config(config(components=["mine.py"]))


@pytest.mark.parametrize("components", ["mine.py", [1], [""], {"mine.py": {}}])
def test_components_are_a_list_of_names(components: Any) -> None:
    with pytest.raises(UserError, match=r"^config: components"):
        load_config(config(components=components))


def rules() -> Rules:
    write("a.py", METHOD.format(name="mine"))
    write("b/explainer.py", EXPLAINER.format(name="seen"))
    write("c.py", METRIC.format(name="counted"))
    raw = config(components=["a.py", "b/", "c.py"])
    raw["explain"]["sets"] = {"main": {"lrp": {}}, "own": {"looked": {"kind": "seen"}}}
    return Rules(Plan(load_config(raw)))


@pytest.mark.parametrize(
    ("stage", "wildcards", "expected"),
    [
        ("fetch", {"dataset": "synthfaces"}, ()),
        ("train", GROUP, ()),
        ("debias", {**GROUP, "method": "own"}, ("a.py",)),
        ("debias", {**GROUP, "method": "finetune"}, ()),
        ("explain", {**GROUP, "method": "own", "explainers": "own"}, ("b/",)),
        ("explain", {**GROUP, "method": "own", "explainers": "main"}, ()),
        ("measure", GROUP, ("c.py",)),
        ("compare", {name: GROUP[name] for name in ("task", "design", "level")}, ("c.py",)),
        ("tabulate", {}, ("a.py", "b/", "c.py")),
        ("tabulate_reliance", {}, ("a.py", "b/", "c.py")),
    ],
)
def test_a_job_loads_what_it_uses(
    stage: str, wildcards: dict[str, str], expected: tuple[str, ...]
) -> None:
    job = rules().job(stage, wildcards)
    assert job.components == expected
    assert job.carried()["components"] == list(expected)


def test_a_figure_of_ones_own_is_drawn_by_a_job_that_knows_all_components() -> None:
    write("a.py", METHOD.format(name="mine"))
    write("seen.py", FIGURE.format(name="seen"))
    rules = Rules(Plan(load_config(config(components=["a.py", "seen.py"]))))
    assert "seen" in rules.figures()
    job = rules.job("figure_seen", {})
    assert job.components == ("a.py", "seen.py")
    assert [Path(str(path)).name for path in job.input.named()["tables"]] == [
        "cell_metrics.parquet"
    ]


def test_stages_that_know_their_components_are_stages() -> None:
    assert set(STAGES) > NAMING


class Noting(Job):
    """A job that writes which methods and metrics there are."""

    input: Files
    output: Files
    place: str


def note(job: Noting, running: Running) -> None:
    found = {"methods": METHODS.names(), "metrics": METRICS.names()}
    Path(job.place).write_text(json.dumps(found))


def start(components: tuple[str, ...]) -> None:
    """Run such a job in this process."""
    job = Noting(input=Files(), output=Files(), components=components, place="noted")
    params = SimpleNamespace(job=job.carried())
    handlers = logging.getLogger().handlers[:]
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            patch.setenv(variable, "1")
        try:
            run(
                note,
                Noting,
                SimpleNamespace(
                    input={}, output={}, params=params, wildcards=[], threads=1, log=["job.log"]
                ),
            )
        finally:
            logging.captureWarnings(False)
            logging.getLogger().handlers[:] = handlers


def test_the_process_of_a_job_loads_its_components_first() -> None:
    write("mine.py", METHOD.format(name="mine"))
    start(("mine.py",))
    found = json.loads(Path("noted").read_text())
    assert "mine" in found["methods"]


def test_a_job_without_its_component_ends_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^error: components: there is no gone\.py in "):
        start(("gone.py",))
    assert not Path("noted").exists()


def consts(schema: Any) -> set[str]:
    """Return the kinds that any part of a schema allows."""
    if isinstance(schema, list):
        return set().union(*map(consts, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["const"]} if isinstance(schema.get("const"), str) else set()
    return own | set().union(*map(consts, schema.values()))


def test_the_schema_has_every_component_of_every_registry() -> None:
    found = schema()
    for registry in registries().values():
        titles = {f"{registry.noun} {name}" for name in registry.names()}
        assert titles <= set(json.dumps(found).split('"')), registry.noun
        assert set(registry.names()) <= consts(found)


def test_a_schema_with_components_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    write("mine.py", METHOD.format(name="mine"))
    assert main([]) == 0
    assert "mine" not in consts(json.loads(capsys.readouterr().out))
    assert main(["--components", "mine.py"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "mine" in consts(printed["properties"]["methods"])
    assert main(["--components", "gone.py"]) == 1
    assert capsys.readouterr().err.startswith("error: components: there is no gone.py in ")


def test_loading_for_a_job_needs_no_other_registry() -> None:
    """The names that a plan hands to its jobs are enough: no folder of a config is known there."""
    write("study/mine.py", METHOD.format(name="mine"))
    located = load_config(config(components=["mine.py"]), [Path("study")]).components
    assert list(load_components(located)) == located
