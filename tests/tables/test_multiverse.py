"""Conclusions in all universes: the default one is the study's, and what changes is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import made_tables as made
from made_tables import chosen, one
from rightreasons.core.job import Cell
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_multiverse import MultiversePlan
from rightreasons.tables.multiverse import fragile, multiverse, robustness

SEEDS, LEVEL, N = (0, 1), 0.5, 60
DECIDED = made.predictions()


def planned(**asked: Any) -> MultiversePlan:
    plan = made.plan_of()
    raw = {**plan.study.model_dump(), "multiverse": {"margin": [], **asked}}
    return MultiversePlan(Plan(load_config(raw)))


def maps_of(seed: int, plan: MultiversePlan) -> dict[str, np.ndarray]:
    """Return what `universe` writes: `worse` has 0.2 less by RRF, but in the mask 0.1 more."""
    asked = plan.asked.tasks["tie"]
    base = np.random.default_rng(seed).uniform(0.3, 0.5, N)
    values = np.empty((len(asked.models), len(asked.explainers), len(asked.variants), N))
    for m, model in enumerate(asked.models):
        own = np.random.default_rng([seed, m]).normal(0, 0.01, N) + 0.01 * seed
        for v, variant in enumerate(asked.variants):
            shift = 0.1 if variant.roi == "mask" else -0.2
            sign = -1 if variant.metric == "adr" else 1
            values[m, :, v] = sign * (base + (model == "worse") * shift + own)
    agreed = np.ones((len(asked.models), N), bool)
    return {"image_id": np.arange(N).astype(str), "agreed": agreed, "values": values}


def universes(plan: MultiversePlan, folder: Path, seeds: tuple[int, ...] = SEEDS) -> pd.DataFrame:
    cells, measured = [], []
    for seed in seeds:
        group = plan.grid.group("tie", "phi", LEVEL, seed)
        for method in ("vanilla", *plan.methods("tie")):
            path = folder / f"{seed}-{method}.parquet"
            table = chosen(DECIDED, level=LEVEL, seed=seed, method=method)
            table.assign(role="test").to_parquet(path)
            cells.append((Cell(group=group, method=method), path))
        np.savez(folder / f"{seed}.npz", **maps_of(seed, plan))
        measured.append((group, folder / f"{seed}.npz"))
    return multiverse(plan.asked, "demo", cells, measured)


@pytest.fixture(scope="module")
def plan() -> MultiversePlan:
    return planned()


@pytest.fixture(scope="module")
def found(plan: MultiversePlan, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return universes(plan, tmp_path_factory.mktemp("found"))


def test_every_conclusion_has_one_default_universe(
    plan: MultiversePlan, found: pd.DataFrame
) -> None:
    conclusions = found.groupby(["method", "question", "reference"])
    assert (conclusions["changed"].agg(lambda changed: (changed == "").sum()) == 1).all()
    methods = ["finetune", "same", "thropt", "worse"]
    assert list(found["method"].unique()) == methods
    assert set(found["reference"]) == {"vanilla", "finetune"}
    maps = chosen(found, question="saliency")
    assert not (maps["method"] == "thropt").any()  # it has vanilla's maps
    of_one = chosen(maps, method="worse", reference="vanilla")
    assert len(of_one) == 2 * 2 * 2 * (1 + 1 + 3)  # signs, regions, maps; RRF, MRR, ADR's scales


def test_the_default_universe_is_the_mean_difference_over_seeds(found: pd.DataFrame) -> None:
    for question, metric in (("fairness", "equalized_odds"), ("reliance", "twin_flip_rate")):
        row = one(found, method="worse", reference="vanilla", question=question, changed="")
        assert row["metric"] == metric
        slow = []
        for seed in SEEDS:
            number = {}
            for method in ("worse", "vanilla"):
                part = chosen(DECIDED, level=LEVEL, seed=seed, method=method)
                rate = part.groupby(["target", "protected"])["decision"].mean()
                odds = max(abs(rate[t, 1] - rate[t, 0]) for t in (0, 1))
                flips = (part["decision"] != part["twin_decision"]).mean()
                number[method] = odds if question == "fairness" else flips
            slow.append(number["worse"] - number["vanilla"])
        assert row["effect"] == pytest.approx(np.mean(slow))
        assert row["gain"] == -row["effect"]


def test_a_conclusion_that_a_region_turns_round_is_fragile(found: pd.DataFrame) -> None:
    table = robustness(found)
    row = one(table, method="worse", reference="vanilla", question="saliency")
    assert (row["answer"], row["metric"], row["universes"]) == ("better", "rrf", 40)
    assert row["effect"] == pytest.approx(-0.2, abs=0.02)
    assert row["flips"] == row["opposite"] == row["worse"] == 0.5  # wherever the mask is the region
    assert (row["flips_roi"], row["flips_metric"], row["flips_sign"]) == (1, 0, 0)
    assert np.isnan(row["flips_scale"])  # RRF has none
    assert row["fragile"]
    marked = fragile(table, "vanilla")
    assert ("worse", "saliency") in set(zip(marked["method"], marked["question"], strict=True))
    same = one(table, method="same", reference="vanilla", question="fairness")
    assert (same["answer"], same["flips"], same["fragile"]) == ("undecided", 0, False)
    assert len(fragile(table)) == table["fragile"].sum()


def test_better_and_worse_are_what_the_test_over_seeds_says(found: pd.DataFrame) -> None:
    decided = found["p_value"] < 0.05
    assert (found["answer"] != "undecided").equals(decided)
    assert ((found["answer"] == "better") == (decided & (found["gain"] > 0))).all()
    assert decided.any()


def test_with_one_seed_nothing_is_said_to_change(plan: MultiversePlan, tmp_path: Path) -> None:
    table = robustness(universes(plan, tmp_path, seeds=(0,)))
    assert set(table["answer"]) == {"undecided"}
    assert table["flips"].isna().all()
    assert table["fragile"].isna().all()
    assert one(table, method="worse", reference="vanilla", question="saliency")["opposite"] == 0.5
    assert fragile(table).empty


def test_nothing_asked_is_nothing_found() -> None:
    assert robustness(pd.DataFrame()).empty
    assert fragile(pd.DataFrame()).empty


def test_the_config_says_what_is_tried(tmp_path: Path) -> None:
    rois = {"tie": {"top": [0, 0, 1, 0.5]}}
    plan = planned(fairness=["demographic_parity_difference"], threshold=[], rois=rois, sign=[],
                   scale=[], masks=False, explained=[], saliency=["hrf"])  # fmt: skip
    found = universes(plan, tmp_path)
    assert set(chosen(found, question="fairness")["metric"]) == {"demographic_parity_difference"}
    assert set(found["threshold"].dropna()) == {"own"}
    maps = chosen(found, question="saliency", method="worse", reference="vanilla")
    assert list(zip(maps["metric"], maps["scale"], maps["roi"], maps["changed"], strict=True)) == [
        ("hrf", "max", "task", ""),
        ("hrf", "max", "top", "roi"),
    ]
