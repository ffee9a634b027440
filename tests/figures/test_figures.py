"""The figures and the leaderboard, from small made-up tables."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import watermark
from drawing import misplaced, smallest, texts
from rightreasons.core.errors import UserError
from rightreasons.figures import FIGURES, load
from rightreasons.figures.cells import changes, collapsed_cells, over_seeds
from rightreasons.figures.leaderboard import render_html, render_text, shown
from rightreasons.figures.metric_labels import SHORT, better
from rightreasons.figures.signed_maps import average, rectangle
from rightreasons.figures.style import METHOD_STYLES, SPARE_STYLES, method_styles, save
from rightreasons.tables.schema import TABLES, read_table, write_table

METHODS = tuple(METHOD_STYLES)
EXPLAINERS = ("lrp", "integrated_gradients")
TASK = {"task": "smiling_by_necktie", "design": "phi"}
KEY = {"study": "fake", "dataset": "synthfaces", **TASK}
GROUP_METRICS = ("accuracy", "equalized_odds", "worst_group_accuracy", "twin_flip_rate")
MAP_METRICS = ("rrf", "hrf", "mrr", "adr", "dif", "rddt", "det")
COLLAPSED = ("p_clarc", 0.9, 1)


def fairness_of(method: str) -> float:
    """Return how much a method does, from 0 (vanilla) up; methods of a user are in the middle."""
    return METHODS.index(method) / 12 if method in METHODS else 0.4


def fake_value(metric: str, method: str, level: float, rng: np.random.Generator) -> float:
    """Return a number as real studies have them: bias grows with the level."""
    strength = 1 - fairness_of(method)
    shift = 0.0 if method in ("vanilla", "thropt", "thropt_group") else 1 - strength
    centre = {
        "accuracy": 0.86 - 0.15 * level * strength,
        "equalized_odds": 0.06 + 0.6 * level * strength,
        "worst_group_accuracy": 0.8 - 0.45 * level * strength,
        "twin_flip_rate": 0.02 + 0.3 * level * strength,
        "rrf": 0.11 + 0.1 * level * (1 - shift),
        "hrf": 0.4 + 0.2 * level * (1 - shift),
        "mrr": 1 + level * (1 - shift),
        "adr": 0.05 * level * shift,
        "dif": 0.9 * shift,
    }
    if metric in ("rddt", "det"):
        return float(rng.random() < 0.2 + shift)
    if shift == 0 and metric in ("adr", "dif"):
        return 0.0
    return centre[metric] + 0.02 * rng.standard_normal()


def fake_cells(
    methods: tuple[str, ...] = METHODS,
    levels: tuple[float, ...] = (0.0, 0.5, 0.9),
    seeds: tuple[int, ...] = (0, 1),
    explainers: tuple[str, ...] = EXPLAINERS,
    collapsed: tuple[str, float, int] = COLLAPSED,
) -> pd.DataFrame:
    """Return a table `cell_metrics`; the model of `collapsed` is a constant classifier."""
    rng = np.random.default_rng(0)
    rows = []
    for method, level, seed in itertools.product(methods, levels, seeds):
        constant = (method, level, seed) == collapsed
        key = {**KEY, "level": level, "seed": seed, "method": method}
        rows.append({**key, "metric": "collapsed_prediction", "value": float(constant)})
        pairs = [(m, None) for m in GROUP_METRICS]
        pairs += [(m, e) for e in explainers for m in MAP_METRICS]
        for metric, explainer in pairs:
            value = fake_value(metric, method, level, rng)
            if constant and explainer is None:
                value = {"equalized_odds": 0.0, "accuracy": 0.5}.get(metric, 0.0)
            interval = {"ci_low": value - 0.04, "ci_high": value + 0.04, "n": 200}
            rows.append(
                {**key, "explainer": explainer, "metric": metric, "value": value} | interval
            )
    return pd.DataFrame(rows)


def fake_tests(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a table `tests`: paired comparisons, and a significance test that is none."""
    rng = np.random.default_rng(1)
    rows = []
    pairs = [(m, None) for m in GROUP_METRICS] + [("rrf", e) for e in EXPLAINERS]
    for reference in ("vanilla", "finetune"):
        methods = [m for m in cells["method"].unique() if m not in ("vanilla", reference)]
        for method, level, (metric, explainer) in itertools.product(
            methods, cells["level"].unique(), pairs
        ):
            effect = -0.4 * level * fairness_of(method) + 0.03 * rng.standard_normal()
            p = float(np.exp(-abs(effect) * 60))
            row = {**KEY, "level": level, "method": method, "explainer": explainer}
            row |= {"test": "paired bootstrap", "reference": reference, "metric": metric}
            row |= {"effect": effect, "ci_low": effect - 0.05, "ci_high": effect + 0.05}
            rows.append(row | {"p_value": p, "p_holm": min(1.0, 3 * p), "seed": None})
    rddt = {**rows[0], "test": "rddt", "metric": "intensity", "seed": 0, "effect": 99.0}
    return pd.DataFrame([*rows, rddt])


def fake_associations(explainers: tuple[str, ...] = EXPLAINERS) -> pd.DataFrame:
    rows = []
    for explainer, predictor, model in itertools.product(
        explainers, ("adr", "rrf_change"), ("spearman", "least squares")
    ):
        row = {"study": "fake", "explainer": explainer, "model": model, "predictor": predictor}
        row |= {"outcome": "equalized_odds_change", "estimate": -0.42, "ci_low": -0.6}
        rows.append(
            row | {"ci_high": -0.2, "p_value": 0.0004 if model != "spearman" else None, "n": 48}
        )
    return pd.DataFrame(rows)


def fake_runtimes(methods: tuple[str, ...] = METHODS) -> pd.DataFrame:
    rows = [{"stage": stage, "seconds": 3.0} for stage in ("tabulate", "fetch", "pool")]
    for i, method in enumerate(methods):
        rows.append({"stage": "debias", "method": method, "seconds": 4.0 + i})
        rows.append({"stage": "debias", "method": method, "seconds": 6.0 + i})
        rows.append({"stage": "explain", "method": method, "explainers": "main", "seconds": 20.0})
    return pd.DataFrame(
        [{**KEY, "device": "cpu", "explainers": None, "method": None} | r for r in rows]
    )


def fake_leaderboard(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a table `leaderboard` as `tabulate` makes it: a row per method and explainer."""
    rows = []
    values = cells.pivot_table(
        index=["level", "method", "explainer"], columns="metric", values="value"
    )
    plain = cells[cells["explainer"].isna()]
    groups = plain.pivot_table(index=["level", "method"], columns="metric", values="value")
    for (level, method, explainer), of_maps in values.iterrows():
        of_group = groups.loc[(level, method)]
        odds = of_group["equalized_odds"]
        collapsed = round(2 * of_group["collapsed_prediction"])
        row = {**KEY, "level": level, "method": method, "explainer": explainer}
        row |= {name: of_group[name] for name in GROUP_METRICS}
        row |= {name: of_maps[name] for name in ("rrf", "adr", "dif", "rddt")}
        row |= {"equalized_odds_low": odds - 0.04, "equalized_odds_high": odds + 0.04}
        row |= {"equalized_odds_change_p": 0.001 if odds < 0.3 else 0.4}
        rows.append(row | {"n_seeds": 2, "n_collapsed": collapsed})
    board = pd.DataFrame(rows)
    ranked = board[board["n_collapsed"] == 0].groupby(["level", "explainer"])["equalized_odds"]
    return board.assign(rank=ranked.rank().astype("Int64"))


def fake_part(
    methods: tuple[str, ...] = METHODS, n: tuple[int, ...] = (50, 50, 50, 50), seed: int = 0
) -> dict[str, np.ndarray]:
    """Return a `mean_maps.npz`: a face-like blob whose map is strong in the ROI."""
    y, x = np.mgrid[0:64, 0:64]
    face = np.exp(-(((x - 32) / 14) ** 2 + ((y - 28) / 18) ** 2))
    image = (255 * (0.3 + 0.6 * face)[None, :, :, None] * np.array([1, 0.85, 0.75])).astype(
        np.uint8
    )
    roi = np.zeros((64, 64), np.float32)
    roi[51:60, 14:48] = 1
    part: dict[str, np.ndarray] = {
        "image": np.repeat(image, 4, axis=0),
        "n": np.array(n),
        "roi": roi,
    }
    mouth = np.exp(-(((x - 32) / 8) ** 2 + ((y - 40) / 4) ** 2))
    empty = np.array(n) == 0
    for explainer, method in itertools.product(EXPLAINERS, methods):
        same = "vanilla" if method.startswith("thropt") else method
        index = int(12 * fairness_of(same))
        signs = np.array([1, -1, -1, 1])[:, None, None]
        map_ = 0.15 * mouth + signs * 0.2 * roi * (1 - index / 9)
        noise = np.random.default_rng([seed, index]).standard_normal(map_.shape)
        part[f"map/{explainer}/{method}"] = (map_ + 0.02 * noise).astype(np.float32)
        part[f"map/{explainer}/{method}"][empty] = np.nan
    return part


def as_table(frame: pd.DataFrame, name: str, folder: Path) -> pd.DataFrame:
    """Return a frame as a script would read it from Parquet."""
    write_table([frame], name, folder / f"{name}.parquet")
    return read_table(folder / f"{name}.parquet")


STUDIES = {
    "full": fake_cells(),
    "one": fake_cells(("vanilla",), (0.9,), (0,), ("lrp",)),
    "gaps": fake_cells(("vanilla", "finetune", "zhang", "my_own_method"), (-0.5, 0.5)),
}
STUDIES["gaps"].loc[STUDIES["gaps"]["metric"] == "twin_flip_rate", "value"] = np.nan
GONE = STUDIES["gaps"].query("metric == 'rrf' and explainer == 'lrp' and level > 0").index[:3]
STUDIES["gaps"].loc[GONE, "value"] = np.nan


def tables_of(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return all tables of a study that the figures read; a lone vanilla has no comparisons."""
    methods = tuple(cells["method"].unique())
    alone = len(methods) == 1
    return {
        "cell_metrics": cells,
        "tests": pd.DataFrame() if alone else fake_tests(cells),
        "associations": pd.DataFrame() if alone else fake_associations(),
        "runtimes": fake_runtimes(methods),
    }


NEEDED = {
    "metrics_by_level": ["cell_metrics"],
    "fairness_against_saliency": ["cell_metrics", "associations"],
    "comparisons": ["tests", "cell_metrics"],
    "runtimes": ["runtimes"],
}
KEYWORDS = {"metrics_by_level": {**TASK, "explainer": "lrp"}, "comparisons": TASK}


@cache
def drawn(name: str, study: str) -> Figure:
    """Draw one figure of a study, its tables read from Parquet as a script reads them."""
    cells = STUDIES[study]
    methods = tuple(cells["method"].unique())
    if name == "mean_maps":
        return load(name)([fake_part(methods)], methods=methods, explainer="lrp")
    made = tables_of(cells)
    with TemporaryDirectory() as folder:
        tables = {table: as_table(made[table], table, Path(folder)) for table in NEEDED[name]}
    return load(name)(**tables, **KEYWORDS.get(name, {}))


OF_REGIONS = {"reliability", "position_maps", "noise_types", "quantiles"}  # test_figures_regions
OF_ARTIFACTS = set(watermark.FIGURES)  # test_figures_watermark


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("name", sorted(set(FIGURES) - OF_REGIONS - OF_ARTIFACTS))
def test_every_figure_of_every_study_fits_the_page_and_is_legible(name: str, study: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = drawn(name, study)
    assert dict(matplotlib.rcParams) == before
    assert figure.get_figwidth() <= 7.01
    assert misplaced(figure) == []
    assert smallest(figure) >= 7


def test_saved_files_are_the_same_every_time_and_leave_no_scratch(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        save(drawn("runtimes", "full"), folder / "f.png", folder / "f.svg")
        assert sorted(p.name for p in folder.iterdir()) == ["f.png", "f.svg"]
        written.append([(folder / f).read_bytes() for f in ("f.png", "f.svg")])
    assert written[0] == written[1]
    png, svg = written[0]
    assert png[:4] == b"\x89PNG"
    assert b"<dc:date>" not in svg


def test_a_failing_write_leaves_nothing_behind(tmp_path: Path) -> None:
    figure = drawn("runtimes", "one")
    with pytest.raises(FileNotFoundError):
        save(figure, tmp_path / "f.png", tmp_path / "absent" / "f.svg")
    assert not list(tmp_path.glob("*f.png*"))


def test_unknown_figure_is_refused_with_what_there_is() -> None:
    with pytest.raises(UserError, match="did you mean 'runtimes'"):
        load("runtime")


def test_styles_are_distinct_and_do_not_depend_on_the_study() -> None:
    many = [*METHODS, *(f"own_{i}" for i in range(len(SPARE_STYLES)))]
    styles = method_styles(reversed(many))
    assert len(set(styles.values())) == len(many)
    assert list(styles)[: len(METHODS)] == list(METHODS)
    assert method_styles(["zhang", "vanilla"])["zhang"] == styles["zhang"]
    assert METHOD_STYLES["vanilla"].color == "#000000"


def test_mean_and_student_interval_over_three_seeds() -> None:
    rows = pd.DataFrame({"level": 0.5, "method": "zhang", "value": [0.1, 0.2, 0.6, np.nan]})
    row = over_seeds(rows).iloc[0]
    half = 4.302652729911275 * 0.2645751311064591 / 3**0.5  # t(0.975, 2) sd / sqrt(3)
    np.testing.assert_allclose(
        [row["mean"], row["low"], row["high"]], [0.3, 0.3 - half, 0.3 + half]
    )
    assert row["seeds"] == 3


def test_two_seeds_show_the_mean_of_their_own_intervals() -> None:
    rows = pd.DataFrame(
        {"level": 0.5, "method": "zhang", "value": [0.1, 0.3], "ci_low": [0.0, 0.2]}
    ).assign(ci_high=[0.3, 0.5])
    row = over_seeds(rows).iloc[0]
    np.testing.assert_allclose([row["mean"], row["low"], row["high"]], [0.2, 0.1, 0.4])


def test_changes_are_against_vanilla_of_the_same_cell() -> None:
    cells = STUDIES["full"]
    found = changes(cells, "rrf", "lrp")
    value = {
        (r["level"], r["seed"], r["method"]): r["value"]
        for r in cells.to_dict("records")
        if r["metric"] == "rrf" and r["explainer"] == "lrp"
    }
    assert len(found) == 8 * 3 * 2
    for (_, _, level, seed, method), change in found.items():
        assert change == value[level, seed, method] - value[level, seed, "vanilla"]


def test_collapsed_cells_are_found() -> None:
    key = collapsed_cells(STUDIES["full"])[["method", "level", "seed"]]
    assert key.to_numpy().tolist() == [list(COLLAPSED)]


@pytest.mark.parametrize("name", ["metrics_by_level", "fairness_against_saliency", "comparisons"])
def test_constant_classifiers_are_crossed_and_said(name: str) -> None:
    for study, expected in (("full", True), ("gaps", False)):
        figure = drawn(name, study)
        crosses = [li for a in figure.axes for li in a.lines if li.get_marker() == "x"]
        assert bool(crosses) == expected
        assert ("constant classifier" in texts(figure)) == expected


def test_a_constant_vanilla_crosses_all_that_is_compared_with_it() -> None:
    cells = fake_cells(collapsed=("vanilla", 0.5, 0))
    figure = load("fairness_against_saliency")(cells, fake_associations())
    crosses = [li for li in figure.axes[0].lines if li.get_marker() == "x"]
    assert len(crosses) == len(METHODS) - 1


def test_what_is_missing_is_said() -> None:
    words = texts(drawn("metrics_by_level", "gaps"))
    assert "Without values: Twin flip rate." in words
    assert "Missing values left out: RRF 3." in words
    assert "missing value" in texts(drawn("fairness_against_saliency", "gaps"))


def test_levels_figure_shows_the_means() -> None:
    figure = drawn("metrics_by_level", "full")
    panel = next(a for a in figure.axes if a.get_title(loc="left") == "Equalized odds")
    cells = STUDIES["full"].query("metric == 'equalized_odds' and method == 'vanilla'")
    line = next(
        li for li in panel.lines if li.get_color() == "#000000" and li.get_linestyle() == "-"
    )
    np.testing.assert_allclose(line.get_ydata(), cells.groupby("level")["value"].mean())


def test_comparisons_fill_what_holm_leaves_significant() -> None:
    figure = drawn("comparisons", "full")
    points = [li for a in figure.axes for li in a.lines if len(li.get_xdata()) == 1]
    shown = [li for li in points if li.get_marker() != "x"]
    tests = fake_tests(STUDIES["full"]).query("test != 'rddt' and metric != 'worst_group_accuracy'")
    filled = [li for li in shown if not isinstance(li.get_markerfacecolor(), str)]
    assert len(shown) == len(tests)
    assert len(filled) == (tests["p_holm"] < 0.05).sum()
    assert max(li.get_xdata()[0] for li in shown) < 1


def test_associations_are_printed() -> None:
    words = texts(drawn("fairness_against_saliency", "full"))
    assert words.count("Spearman's ρ = −0.42 [−0.60, −0.20], n = 48") == 4
    assert words.count("slope = −0.420 [−0.600, −0.200], p < 0.001") == 4


def test_mean_maps_are_weighted_by_images() -> None:
    parts = [
        {"n": np.array(n), "a": np.full((4, 1, 2), v)}
        for n, v in (((1, 0, 0, 2), 4), ((3, 0, 5, 0), 8))
    ]
    parts[0]["a"] = parts[0]["a"].astype(float)
    parts[0]["a"][1:3] = np.nan
    mean = average(parts, "a", np.array([p["n"] for p in parts]))
    np.testing.assert_array_equal(mean[:, 0, 0], [7, np.nan, 8, 4])


def test_mean_maps_share_one_scale_and_say_what_is_empty_or_collapsed() -> None:
    part = fake_part(("vanilla", "thropt", "zhang"), n=(50, 0, 50, 50))
    figure = load("mean_maps")(
        [part], methods=["vanilla", "thropt", "zhang"], explainer="lrp", collapsed={"zhang"}
    )
    maps = [im for a in figure.axes for im in a.images if im.get_array().ndim == 2]
    assert len(maps) == 3 * 3
    assert len({im.get_clim() for im in maps}) == 1
    low, high = maps[0].get_clim()
    assert low == -high
    words = texts(figure)
    assert words.count("no images") == 4
    assert "thropt\n(vanilla's maps)" in words
    assert "zhang\n⊗ constant" in words


def test_roi_outline_is_the_rectangle_in_pixels() -> None:
    roi = np.zeros((10, 20))
    roi[2:5, 3:9] = 1
    assert rectangle(roi) == (3, 2, 9, 5)
    roi[2, 3] = 0
    assert rectangle(roi) is None
    assert rectangle(np.zeros((4, 4))) is None


def test_masks_are_outlined_and_all_zero_maps_drawn() -> None:
    part = fake_part(("vanilla",))
    part["roi"] = part["roi"] * np.linspace(0, 1, 64, dtype=np.float32)
    part["map/lrp/vanilla"][:] = 0
    figure = load("mean_maps")([part], methods=["vanilla"], explainer="lrp")
    assert misplaced(figure) == []


def test_every_shown_metric_has_a_direction() -> None:
    ranked = ("top_fraction", "pointing_game", "relevance_rank_accuracy", "localisation_auc")
    assert {metric: better(metric)[:1] for metric in SHORT} == {
        **dict.fromkeys(("accuracy", "worst_group_accuracy", "adr", "dif", "rddt"), "↑"),
        **dict.fromkeys(("equalized_odds", "twin_flip_rate", "rrf", "hrf", "mrr", "det"), "↓"),
        **dict.fromkeys((*ranked, "k_ssd"), "↓"),
        **dict.fromkeys(("fam", "ccm"), ""),  # they judge explainers
    }


def board(folder: Path) -> pd.DataFrame:
    return as_table(fake_leaderboard(STUDIES["full"]), "leaderboard", folder)


def test_leaderboard_text_ranks_and_puts_constant_classifiers_last(tmp_path: Path) -> None:
    text = render_text(board(tmp_path))
    assert text.startswith("smiling_by_necktie, phi = 0.9, 2 seeds\n")
    lines = text.split("─\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == len(METHODS)
    assert [line.split()[0] for line in lines] == [*"12345678", "–"]
    odds = [float(line.split()[2]) for line in lines]
    assert odds[:-1] == sorted(odds[:-1])
    assert lines[-1].split()[1] == "p_clarc"
    assert lines[-1].endswith("constant classifier in 1 of 2 seeds")
    assert all(len(line) <= 100 for line in lines[:-1])
    starred = {line.split()[1] for line in lines if "]*" in line}
    assert starred == {"rr_clarc", "a_clarc", "p_clarc"}


def test_leaderboard_shows_missing_numbers_as_dashes(tmp_path: Path) -> None:
    table = board(tmp_path).assign(twin_flip_rate=np.nan, equalized_odds_change_p=np.nan)
    text = render_text(table[table["explainer"] == "lrp"])
    assert re.search(r"rr_clarc +0\.\d{3} \[0\.\d\d, 0\.\d\d\] .* –\n", text)
    assert "RRF ig" not in text


def test_leaderboard_shows_the_explainers_of_each_task_and_no_board_of_vanilla_alone(
    tmp_path: Path,
) -> None:
    table = board(tmp_path)
    first = table["explainer"].dropna().unique()[0]
    few = shown(table, {task: [first] for task in table["task"].unique()})
    assert set(few["explainer"].dropna()) == {first}
    assert render_text(few).count("RRF") < render_text(table).count("RRF")
    alone = table[table["method"] == "vanilla"]
    assert render_text(alone) == "The leaderboard is empty.\n"
    assert "vanilla" in render_html(alone)


def test_empty_leaderboard_says_so(tmp_path: Path) -> None:
    empty = board(tmp_path).iloc[:0]
    assert render_text(empty) == "The leaderboard is empty.\n"
    assert "The leaderboard is empty." in render_html(empty)


def test_leaderboard_html_has_all_levels_and_escapes(tmp_path: Path) -> None:
    table = board(tmp_path).replace({"method": {"zhang": "<script>&"}})
    html = render_html(table)
    assert html.count("<table>") == 3
    assert "<script>" not in html
    assert html.count("&lt;script&gt;&amp;") == 3
    assert html.count("class=collapsed") == 1
    assert "http" not in html


@pytest.mark.filterwarnings("ignore:.*writer_name")
@pytest.mark.parametrize("caption", sorted(Path(__file__).parents[2].glob("captions/*.rst")))
def test_captions_are_sound_templates_and_sound_rst(caption: Path) -> None:
    from docutils.core import publish_parts
    from jinja2 import StrictUndefined, Template

    job = SimpleNamespace(
        wildcards=SimpleNamespace(**TASK, explainer="lrp"),
        params=SimpleNamespace(level=0.9, target="Smiling", protected="Wearing_Necktie"),
        config={
            "study": "fake",
            "tasks": {name: {"target": "Smiling", "protected": "Hat"} for name in ("a", "b")},
            "designs": {"phi": {"levels": [0.0, 0.9]}, "one_sided": {"levels": [0.5]}},
            "methods": {"vanilla": {}, "zhang": {}},
            "seeds": [0, 1],
        },
    )
    # Snakemake drops the line break after a block, and renders reports at docutils' defaults.
    template = Template(caption.read_text(), trim_blocks=True, undefined=StrictUndefined)
    settings = {"halt_level": 2, "report_level": 5}
    text = publish_parts(
        template.render(snakemake=job), writer_name="html5", settings_overrides=settings
    )["body"]
    assert len(text) > 100
    assert "{" not in text


def test_fake_tables_have_no_columns_that_real_ones_lack() -> None:
    for name, frame in {
        "cell_metrics": STUDIES["full"],
        "tests": fake_tests(STUDIES["full"]),
        "associations": fake_associations(),
        "runtimes": fake_runtimes(),
        "leaderboard": fake_leaderboard(STUDIES["full"]),
    }.items():
        assert set(frame) <= {column.name for column in TABLES[name].columns}
