"""The command that puts the watermark article's numbers beside ours, on made-up results."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import refresh_published as command  # noqa: E402

SEEDS, LEVELS, IMAGES = (0, 1, 2), (0.0, 0.25, 0.5, 0.75, 1.0), 6
MODELS = {0.0: "N", 0.25: "PC25", 0.5: "PC50", 0.75: "PC75", 1.0: "PC100"}
NAMES = {
    "gradient": "vanilla_grad",
    "smoothgrad": "smooth_grad",
    "input_x_gradient": "grad_x_input",
}


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Write the article's two files: the value is known from the row."""
    rows = [
        {
            "name": f"{truth}{i}",
            "model": MODELS[level],
            "truth": truth,
            "watermarked": mark,
            "proportion": level * (0.9 if mark else 0.4) + 0.01 * i + 0.001 * place,
            "predClass": "cat" if mark and level > 0.3 else truth,
            "predAcc": 0.9,
            "method": NAMES.get(explainer, ""),
        }
        for place, explainer in enumerate(command.EXPLAINERS)
        for level in LEVELS
        for truth in ("cat", "dog")
        for mark in (0, 1)
        for i in range(3)
    ]
    table = pd.DataFrame(rows)
    squared = table.method == ""
    table[squared].drop(columns="method").to_csv(tmp_path / "quadrants_eval.csv", index=False)
    table[~squared].to_csv(tmp_path / "quadrants_eval_old.csv", index=False)
    return tmp_path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Write a study's two tables; other methods, metrics and explainers are to be left out."""
    rng = np.random.default_rng(0)
    predictions, maps = [], []
    for task in ("cat_by_watermark", "other"):
        for level in LEVELS:
            for seed in SEEDS:
                for target in (0, 1):
                    for protected in (0, 1):
                        for i in range(IMAGES):
                            key = {
                                "task": task,
                                "design": "artifact_fraction",
                                "level": level,
                                "seed": seed,
                                "method": "vanilla",
                                "image_id": f"{target}{i}" + "+watermark" * protected,
                                "target": target,
                                "protected": protected,
                            }
                            wrong = level == 1 and target != protected
                            predictions.append({**key, "decision": target ^ int(wrong)})
                            predictions.append({**key, "method": "finetune", "decision": 0})
                            predictions.append({**key, "design": "phi", "decision": 0})
                            base = level * (0.8 if protected else 0.5) + 0.02 * seed
                            for name in (*command.EXPLAINERS, "edges"):
                                value = base + rng.uniform(0, 0.1)
                                row = {**key, "explainer": name, "metric": "top_fraction"}
                                maps.append({**row, "value": value})
                                maps.append({**row, "metric": "rrf", "value": 99.0})
    folder = tmp_path / "made_up"
    (folder / "tables").mkdir(parents=True)
    pd.DataFrame(predictions).to_parquet(folder / "tables/predictions.parquet")
    pd.DataFrame(maps).to_parquet(folder / "tables/image_metrics.parquet")
    return folder


def slow_mean(study: Path, explainer: str, level: float, target: int, protected: int) -> float:
    table = pd.read_parquet(study / "tables/image_metrics.parquet")
    chosen = [
        row.value
        for row in table.itertuples()
        if (row.task, row.metric, row.explainer) == ("cat_by_watermark", "top_fraction", explainer)
        and (row.level, row.target, row.protected) == (level, target, protected)
    ]
    assert len(chosen) == IMAGES * len(SEEDS)
    return sum(chosen) / len(chosen)


def test_every_published_number_stands_beside_ours(theirs: Path, study: Path) -> None:
    images = command.our_images(study, "cat_by_watermark")
    table = command.beside(command.published(theirs), images)
    assert list(table.columns) == command.COLUMNS
    assert len(table) == 100  # 80 top fractions and 20 accuracies
    assert not table.isna().any().any()
    assert (table.n == IMAGES * len(SEEDS)).all()
    assert ((table.ci_low <= table.ours) & (table.ours <= table.ci_high)).all()

    def row(explainer: str, level: float, truth: str, mark: int) -> pd.Series:
        keys = (table.explainer == explainer, table.level == level, table.truth == truth)
        return table[np.logical_and.reduce([*keys, table.watermarked == mark])].squeeze()

    found = row("smoothgrad", 0.5, "dog", 1)
    assert found.published == pytest.approx(0.5 * 0.9 + 0.01 + 0.002)
    assert found.ours == pytest.approx(slow_mean(study, "smoothgrad", 0.5, 0, 1))
    assert row("accuracy", 0.5, "dog", 1).published == 0  # called cats
    assert row("accuracy", 0.5, "cat", 1).published == 1
    assert row("accuracy", 1.0, "cat", 0).ours == 0
    assert row("accuracy", 1.0, "cat", 1).ours == 1


def test_an_interval_holds_what_seeds_and_what_images_change(study: Path) -> None:
    images = command.our_images(study, "cat_by_watermark")
    chosen = (images.explainer == "gradient") & (images.level == 0.5)
    rows = images[chosen & (images.truth == "cat") & (images.watermarked == 1)]
    found = command.over_seeds(rows)
    by_seed = rows.groupby("seed")["value"].mean()
    assert found.value == pytest.approx(by_seed.mean())
    alone = 4.303 * by_seed.std() / np.sqrt(len(SEEDS))  # Student's t with two degrees of freedom
    assert found.high - found.value >= 0.99 * alone


def test_agreement_and_what_is_shown(theirs: Path, study: Path) -> None:
    images = command.our_images(study, "cat_by_watermark")
    published = command.published(theirs)
    table = command.beside(published, images)
    maps = table[table.explainer != command.ACCURACY]
    expected = maps.published.rank().corr(maps.ours.rank())
    assert command.correlation(table) == pytest.approx(expected)
    wrong = images[(images.explainer == "gradient_squared") & (images.level == 1)]
    wrong = wrong[(wrong.truth == "cat") & (wrong.watermarked == 0) & (wrong.right == 0)]
    share, count = command.shown(images, "gradient_squared", 1.0)
    assert count == IMAGES * len(SEEDS)
    assert share == sum(value >= 0.5 for value in wrong.value) / count


def test_the_command_writes_the_table_the_figure_and_the_page(
    theirs: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    (docs / "figures").mkdir(parents=True)
    page = (
        "before\n\n| explainer | quadrant | 0% |\n|---|---|---|\n| old | row | 1 |\n\nbetween\n\n"
    )
    page += "| run | Spearman |\n|---|---|\n| old | 1 |\n\nafter\n"
    (docs / "watermark.md").write_text(page)
    command.main([str(study), "--published", str(theirs), "--write"], docs)
    printed = capsys.readouterr().out
    assert "over 80 top fractions: 0." in printed
    assert printed.count("| made_up: ") == 2  # both tasks
    table = pd.read_csv(docs / "published_watermark.csv")
    assert list(table.columns) == command.COLUMNS
    assert len(table) == 100
    assert (docs / "figures/watermark_published.png").stat().st_size > 10_000
    text = (docs / "watermark.md").read_text()
    assert "old" not in text
    assert [word in text for word in ("before", "between", "after")] == [True] * 3
    assert text.count("| Squared gradient |") == 4
    assert "| made_up: other |" in text


def test_a_page_without_its_table_and_an_unknown_task_are_errors(
    theirs: Path, study: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="0 tables that begin with"):
        command.replaced("no table\n", "run | Spearman", "")
    with pytest.raises(SystemExit, match="has no task cat: it has cat_by_watermark, other"):
        command.main([str(study), "--published", str(theirs), "--task", "cat"], tmp_path)


def test_smoothgrad_of_less_noise_stands_in_for_the_studys(theirs: Path, study: Path) -> None:
    images = command.our_images(study, "cat_by_watermark")
    own = images[images.explainer == "smoothgrad"]
    less = own.assign(explainer=command.LESS_NOISE, value=own.value / 2)
    changed = command.less_noise(pd.concat([images, less]))
    assert set(changed.explainer) == set(images.explainer)
    halved = changed[changed.explainer == "smoothgrad"]
    np.testing.assert_allclose(halved.value, own.value / 2)
    assert len(changed) == len(images)
