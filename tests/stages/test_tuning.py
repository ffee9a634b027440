"""Tuning from split to tables, script by script: trials, choice, control, and what tables say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rightreasons.core.errors import UserError
from rightreasons.core.files import read_json
from rightreasons.core.registry import Component
from rightreasons.debias import METHODS
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.plan_tuning import TuningPlan
from rightreasons.study.rules import Rules
from rightreasons.tuning.criteria import choose
from scripts import run_script
from study import tiny

CELL = {"task": "smiling_by_necktie", "design": "phi", "level": "0.5"}
CHOICE = {"task": "smiling_by_necktie", "design": "phi", "at": "0.5"}
#: The study's seed, and those of tuning.
SEEDS = ("0", "7", "8")
#: Batches of 8 images, so that a budget of few passes has steps; the default's 80 exceed it.
TUNED = {"preset": "tuned", "batch_size": 8, "min_steps": 80}


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a study with a tuned method, its control, and a tuned decision."""
    raw = tiny(results=str(folder / "results"), data=str(folder / "data"), controls=True)
    raw["datasets"]["synthfaces"]["n_images"] = 600
    raw["designs"]["phi"] = {
        "levels": [0.5],
        "max_images": {"train": 60, "debias": 40, "select": 40, "test": 40},
        "min_images": {"train": 8, "debias": 8, "select": 8, "test": 8},
    }
    raw["methods"] = {
        "vanilla": {},
        "zhang": {**TUNED, "adversary_warmup": 5, "adversary_steps": 2},
        "thropt": {"preset": "tuned"},
    }
    raw["regions"] = {}
    raw["tuning"] = {"trials": 4, "seeds": [7, 8], "budget": 500}
    return {**raw, **changes}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    """The study, as far as debiased networks."""
    found = Rules(Plan(load_config(config(tmp_path_factory.mktemp("tuned")))))
    for stage in ("fetch", "pool"):
        run_script(found, stage, dataset="synthfaces")
    run_script(found, "twins", dataset="synthfaces", attribute="Wearing_Necktie")
    for seed in SEEDS:
        run_script(found, "split", **CELL, seed=seed)
    fit(found)
    return found


def fit(found: Rules) -> None:
    """Train, try, choose, debias."""
    for seed in SEEDS:
        run_script(found, "train", **CELL, seed=seed)
    for method in ("zhang", "thropt"):
        for seed in ("7", "8"):
            run_script(found, "tune", **CELL, seed=seed, method=method)
        run_script(found, "choose", **CHOICE, method=method)
        run_script(found, "debias", **CELL, seed="0", method=method)
    run_script(found, "debias", **CELL, seed="0", method="zhang_control")


def trials_of(rules: Rules, method: str) -> pd.DataFrame:
    job = TuningPlan(rules.plan).choose(*CHOICE.values(), method)
    return pd.concat([pd.read_parquet(path) for path in job.input.trials], ignore_index=True)


def chosen_of(rules: Rules, method: str) -> dict[str, Any]:
    return read_json(rules.plan.choice_files(*CHOICE.values(), method).chosen)


def record_of(rules: Rules, method: str) -> dict[str, Any]:
    group = rules.plan.grid.groups()[0]
    return read_json(rules.plan.model_files(group, method).metadata)


@pytest.mark.parametrize("method", ["zhang", "thropt"])
def test_every_trial_is_a_row_for_every_tuning_seed(rules: Rules, method: str) -> None:
    trials = trials_of(rules, method)
    assert sorted(zip(trials["seed"], trials["trial"], strict=True)) == [
        (seed, trial) for seed in (7, 8) for trial in range(4)
    ]
    assert trials.groupby("trial")["params"].nunique().eq(1).all()
    given = rules.plan.grid.method(method).params
    assert json.loads(trials["params"].iloc[0]) == given
    assert trials["error"].isna().all()
    assert trials["equalized_odds"].between(0, 1).all()


def test_a_trial_takes_at_most_the_budget_or_is_never_chosen(rules: Rules) -> None:
    trials = trials_of(rules, "zhang")
    drawn = trials[trials["source"] == "drawn"]
    assert (drawn["image_passes"] > 0).all()
    assert not drawn["over_budget"].any()
    assert (trials["over_budget"] == (trials["image_passes"] > 500)).all()
    assert chosen_of(rules, "zhang")["trial"] not in set(trials.loc[trials["over_budget"], "trial"])


@pytest.mark.parametrize("method", ["zhang", "thropt"])
def test_the_studys_seeds_run_with_the_chosen_parameters(rules: Rules, method: str) -> None:
    chosen = chosen_of(rules, method)
    trials = trials_of(rules, method)
    assert chosen["trial"] == choose(trials, "equalized_odds", 0.05)
    record = record_of(rules, method)
    assert {k: v for k, v in record["method"].items() if k != "kind"} == chosen["params"]
    assert (record["preset"], record["trial"]) == ("tuned", chosen["trial"])
    mean = trials.loc[trials["trial"] == chosen["trial"], "equalized_odds"].mean()
    assert np.isclose(chosen["select"]["equalized_odds"], mean)


def test_the_control_differs_in_the_strength_alone(rules: Rules) -> None:
    method, control = (record_of(rules, m)["method"] for m in ("zhang", "zhang_control"))
    knob = METHODS["zhang"].traits["knob"]
    assert control == {**method, knob: 0}
    jobs = [rules.plan.debias(rules.plan.grid.groups()[0], m) for m in ("zhang", "zhang_control")]
    assert jobs[0].stream == jobs[1].stream == "zhang"


def test_a_trial_is_judged_by_its_decisions_on_the_select_images(rules: Rules) -> None:
    """Of thropt: vanilla's scores and the rule that it makes of the debias images."""
    plan = rules.plan
    group = plan.grid.group(*list(CELL.values()), 7)
    stored = pd.read_parquet(plan.model_files(group, "vanilla").predictions)
    first = trials_of(rules, "thropt").query("seed == 7 and trial == 0").iloc[0]
    method: Component = METHODS["thropt"]

    class Known:
        predictions = stored[stored["role"] == "debias"].reset_index(drop=True)

    rule = method.run(Known, method.params.model_validate(json.loads(first["params"]))).decision
    select = stored[stored["role"] == "select"]
    decided = rule.decide(select["score"], select["protected"], select["image_id"].tolist())
    rates = [
        decided[(select["target"] == t) & (select["protected"] == a)].mean()
        for t in (0, 1)
        for a in (0, 1)
    ]
    expected = max(abs(rates[1] - rates[0]), abs(rates[3] - rates[2]))
    assert np.isclose(first["equalized_odds"], expected)
    right = np.mean([1 - rates[0], 1 - rates[1], rates[2], rates[3]])
    assert np.isclose(first["cell_balanced_accuracy"], right)


def spoil_test_images(rules: Rules) -> None:
    """Flip all labels of the test images of every seed, and replace pixels and twins by noise."""
    pool, rng, held = rules.plan.pool("synthfaces").output, np.random.default_rng(1), set()
    for seed in SEEDS:
        path = rules.plan.split(rules.plan.grid.group(*CELL.values(), seed)).output.split
        split = pd.read_parquet(path)
        test = (split["role"] == "test").to_numpy()
        for name in ("target", "protected"):
            split.loc[test, name] = 1 - split.loc[test, name]
        split.to_parquet(path)
        held |= set(split.loc[test, "row"])
    rows = sorted(held)
    group = rules.plan.grid.groups()[0]
    for file in (pool.images, rules.plan.train(group).input.twins):
        assert file is not None
        stored = np.load(file, mmap_mode="r+")
        stored[rows] = rng.integers(0, 256, stored[rows].shape)
        stored.flush()


def test_noise_and_other_labels_in_test_images_change_no_choice(
    rules: Rules, tmp_path: Path
) -> None:
    """Nor any weight: what tuning chooses has not seen the test images of any seed."""
    shutil.copytree(rules.plan.paths.root, tmp_path / "results" / "tiny")
    again = Rules(Plan(load_config(config(tmp_path))))
    for stage in ("train", "tune", "choose", "debias"):
        shutil.rmtree(Path(again.plan.paths.root) / stage)
    spoil_test_images(again)
    fit(again)
    group = rules.plan.grid.groups()[0]
    for method in ("vanilla", "zhang", "zhang_control", "thropt"):
        files = [one.plan.model_files(group, method) for one in (rules, again)]
        assert files[0].model.read_bytes() == files[1].model.read_bytes()
        rules_of = [read_json(one.metadata)["decision"] for one in files]
        assert rules_of[0] == rules_of[1]
    for method in ("zhang", "thropt"):
        choices = [one.plan.choice_files(*CHOICE.values(), method).chosen for one in (rules, again)]
        assert choices[0].read_bytes() == choices[1].read_bytes()
        tried = [trials_of(one, method).drop(columns="seconds") for one in (rules, again)]
        pd.testing.assert_frame_equal(*tried)
    predicted = [
        pd.read_parquet(r.plan.model_files(group, "zhang").predictions) for r in (rules, again)
    ]
    assert not predicted[0].equals(predicted[1])  # the spoiled images are those that are tested on


def test_a_study_without_trials_or_select_images_is_refused(tmp_path: Path) -> None:
    raw = config(tmp_path)
    with pytest.raises(UserError, match=r"zhang, thropt.*set `tuning.trials`"):
        load_config({**raw, "tuning": {}})
    shares = {"train": 0.3, "debias": 0.2, "test": 0.5}
    designs = {"phi": {**raw["designs"]["phi"], "shares": shares, "max_images": {}}}
    designs["phi"]["min_images"] = {}
    with pytest.raises(UserError, match=r"designs\.phi\.shares has no `select`"):
        load_config({**raw, "designs": designs})
    with pytest.raises(UserError, match=r"tuning\.seeds: 0 is a seed of the study"):
        load_config({**raw, "tuning": {"trials": 2, "seeds": [0]}})
    with pytest.raises(UserError, match=r"unknown preset 'publishd'.*published"):
        load_config({**raw, "methods": {"vanilla": {}, "zhang": {"preset": "publishd"}}})


def test_what_tables_say_is_planned_for_tuned_methods(rules: Rules) -> None:
    tables = TablePlan(rules.plan)
    assert {"trials", "selection", "methods"} <= set(tables.files())
    job = tables.tuning()
    assert job.methods == ("zhang", "thropt")
    assert len(job.input.trials) == 4
