"""The explorer: its numbers against the queries that it shows, and what a browser makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

import made_study
from browser import EVERYTHING, Browser, chromium
from fake_tables import fake_cells
from given import given as made_given
from rightreasons.core.job import Group
from rightreasons.figures import FIGURES, Given
from rightreasons.figures._cells import metric_rows, over_seeds
from rightreasons.figures._explorer_images import dimmed, of_every_cell, size_of_page
from rightreasons.figures._explorer_page import Sources, built, page_html
from rightreasons.figures._explorer_tables import means_over_seeds
from rightreasons.figures._explorer_view import (
    ALL,
    DOWN,
    UP,
    Choice,
    Chosen,
    Column,
    View,
    options_of,
    query,
    shown,
    start,
)
from rightreasons.figures._pictures import image_uri, map_uri
from rightreasons.figures.explorer import image_pages, laid_out, views_of
from rightreasons.figures.explorer_images import view_of
from rightreasons.stages.figure import drawn, given_of
from rightreasons.study.plan_figures import FigurePlan
from rightreasons.tables.schema import read_table, write_table

EVIL = "<img src=x onerror=alert(1)>"
QUOTE = 'it\'s "$$x$$" {where} & <b>'
VIEWS = ("leaderboard", "levels", "models", "yardstick", "runtimes")


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> FigurePlan:
    """Return the plan of a made-up study whose tables and files are there."""
    methods = {"vanilla": {}, "thropt": {}, "zhang": {}}
    designs = {"phi": {"levels": [0.0, 0.9]}, "artifact_fraction": {"levels": [0.0, 1.0]}}
    plan = made_study.plan(
        tmp_path_factory.mktemp("made"), methods=methods, designs=designs, regions={}, probe={},
        sanity={}, multiverse=False, controls=False,
    )  # fmt: skip
    made_study.make(plan)
    figures = FigurePlan(plan)
    metrics, predictions = [], []
    for group in plan.grid.groups():
        key = {"study": "made", **group.model_dump()}
        metrics.append(pd.read_parquet(plan.measure_files(group).image_metrics).assign(**key))
        for method in plan.grid.methods(group.task):
            table = pd.read_parquet(plan.model_files(group, method).predictions)
            predictions.append(table.assign(**key, method=method))
    for name, parts in (("image_metrics", metrics), ("predictions", predictions)):
        table = pd.concat(parts, ignore_index=True).drop(columns=["row", "role"], errors="ignore")
        write_table([table], name, figures.tables[name])
    return figures


def givens(planned: FigurePlan, name: str) -> list[Given]:
    job = planned.job(name)
    tables = {path.stem: read_table(path) for path in job.input.tables}
    return [given_of(job, drawing, tables) for drawing in job.drawings]


@pytest.fixture(scope="module")
def html(planned: FigurePlan) -> str:
    """Return the page of tables."""
    page: str = drawn(FIGURES["explorer"], givens(planned, "explorer")[0], {})["html"]
    return page


@pytest.fixture(scope="module")
def views(planned: FigurePlan) -> dict[str, View]:
    (given,) = givens(planned, "explorer")
    found = {view.key: view for view in views_of(given)}
    return {**found, "images": view_of(givens(planned, "explorer_images")[0], 4000)[0]}


def walks(view: View) -> Iterator[Chosen]:
    """Yield what a reader can choose: each option of each choice once, every order."""
    first = start(view)
    for sort in view.sort:
        yield replace(first, sort=sort, descending=True)
        yield replace(first, sort=sort, descending=False)
    before: dict[str, str] = {}
    for i, choice in enumerate(view.choices):
        for option in options_of(view, choice, before):
            options = {**before, choice.column: option}
            for later in view.choices[i + 1 :]:
                options[later.column] = options_of(view, later, options)[-1]
            yield replace(first, options=options)
        before[choice.column] = options_of(view, choice, before)[-1]
    if view.bounds:
        yield replace(first, low=0.25, high=0.75)
        yield replace(first, low=0.5)


@pytest.mark.parametrize("key", [*VIEWS, "images"])
def test_the_query_gives_the_numbers_of_the_page(views: Mapping[str, View], key: str) -> None:
    view, sizes = views[key], set()
    for chosen in walks(view):
        ours = shown(view, chosen)
        theirs = duckdb.sql(query(view, chosen)).df()
        sizes.add(len(ours))
        names = [column.name for column in view.columns if column.look != "picture"]
        assert set(names) <= set(theirs), key
        assert len(ours) == len(theirs), query(view, chosen)
        for name in names:
            text = next(c.look for c in view.columns if c.name == name) == "text"
            if text:
                left, right = (t[name].astype(object).where(t[name].notna(), None).tolist()
                               for t in (ours, theirs))  # fmt: skip
                assert left == right, (name, query(view, chosen))
            else:
                np.testing.assert_allclose(
                    ours[name].astype(float), theirs[name].astype(float), rtol=1e-12, atol=1e-12
                )
    assert max(sizes) > 1
    assert len(sizes) > 1


def test_the_page_of_images_holds_what_the_query_gives_of_its_sample(planned: FigurePlan) -> None:
    given = givens(planned, "explorer_images")[0]
    few = view_of(replace(given, study=given.study.model_copy(update={"page_images": 8})), 4000)[0]
    ours = shown(few, start(few))
    theirs = duckdb.sql(query(few, start(few))).df().set_index("image_id")
    assert len(ours) == 8 < len(theirs) == 16
    np.testing.assert_array_equal(ours["value"], theirs.loc[ours["image_id"], "value"])
    assert "8 of the 16 images" in few.about


def test_means_are_those_of_single_metrics() -> None:
    cells = fake_cells(("vanilla", "dfr"), (0.0, 0.9), (0, 1, 2), ("lrp",))
    cells.loc[cells.index[::7], "value"] = np.nan  # some have two seeds left
    cells = cells.assign(task="t", design="d")
    same = (cells["metric"] == "rrf") & (cells["method"] == "dfr") & (cells["level"] == 0.9)
    cells.loc[same, "value"] = 0.1
    made = means_over_seeds(cells)
    assert len(made) > 20
    for (metric, explainer), part in made.groupby(["metric", "explainer"], dropna=False):
        of = None if pd.isna(explainer) else explainer
        slow = over_seeds(metric_rows(cells, metric, of))
        both = part.merge(slow, on=["level", "method"], suffixes=("", "_slow"))
        assert len(both) == len(slow) == len(part)
        for name in ("mean", "low", "high", "seeds"):
            np.testing.assert_allclose(both[name], both[f"{name}_slow"], rtol=1e-12, atol=1e-15)
    assert set(made["seeds"]) == {2, 3}


# Images


@pytest.mark.parametrize(
    ("levels", "pairs", "most_images", "most_maps", "expected"),
    [
        ([0.0, 0.6], 14, 200, 4000, ([0.6, 0.0], 142)),
        ([0.0, 0.6], 14, 40, 4000, ([0.6, 0.0], 40)),
        ([0.0], 1, 200, 8, ([0.0], 8)),
        # 26 models by 4 explainers: 8 images a level, 4 levels of 832 maps
        ([-0.9, -0.5, 0.0, 0.3, 0.5, 0.9], 104, 200, 3500, ([0.9, -0.9, 0.5, 0.0], 8)),
        ([0.0, 0.5, 1.0], 100, 200, 100, ([1.0], 8)),
    ],
)
def test_a_page_has_as_many_maps_as_it_may(
    levels: list[float],
    pairs: int,
    most_images: int,
    most_maps: int,
    expected: tuple[list[float], int],
) -> None:
    assert size_of_page(levels, pairs, most_images, most_maps) == expected


def test_each_row_has_its_own_pictures(planned: FigurePlan) -> None:
    given = next(g for g in givens(planned, "explorer_images") if g.task == "smiling_by_hat")
    view, uris = view_of(given, 4000)
    plan, rows = planned.plan, view.rows
    images = np.load(plan.pool("synthfaces").output.images)
    twins = np.load(plan.twins_file("smiling_by_hat"))
    assert set(rows["level"]) == {0.0, 0.9}
    for at in (0, 17, len(rows) // 2, len(rows) - 1):
        row = rows.iloc[at]
        group = plan.grid.group("smiling_by_hat", "phi", row["level"], 0)
        place = int(row["image_id"])
        roi = np.zeros((made_study.SIZE, made_study.SIZE), bool)
        roi[given.roi(np.array([place]), roi.shape)[0]] = True
        assert roi.any()
        assert uris[row["image"]] == image_uri(images[place])
        assert uris[row["twin"]] == image_uri(twins[place])
        dark = images[place].copy()
        dark[~roi] = 0.35 * dark[~roi]
        assert uris[row["region"]] == image_uri(dark)
        name, of = next(
            (name, list(chosen))
            for name, chosen in plan.study.explain.sets.items()
            if row["explainer"] in chosen
        )
        for column, method in (("map", row["method"]), ("original", "vanilla")):
            made = plan.map_files(group, plan.grid.explained(method), name)
            map_ = np.load(made.maps)[of.index(row["explainer"]), place]
            assert uris[row[column]] == map_uri(map_, roi)
    same = rows[rows["method"] == "thropt"]  # has the original's maps, which are there once
    assert (same["map"] == same["original"]).all()


def test_each_cell_has_its_first_images_whatever_its_values() -> None:
    index = pd.DataFrame({"image_id": list("abcdefghij"), "row": range(10),
                          "target": [0, 1, 0, 1, 0, 0, 1, 0, 0, 1],
                          "protected": [0, 0, 2, 2, 0, 2, 2, 1, 0, 0]})  # fmt: skip
    # cells: (0, 0) a e i; (0, 1) b j; (1, 0) h; (2, 0) c f; (2, 1) d g
    assert "".join(of_every_cell(index, 10)["image_id"]) == "aebjhcfdg"
    assert "".join(of_every_cell(index, 9)["image_id"]) == "abhcd"
    assert "".join(of_every_cell(index, 1)["image_id"]) == "abhcd"


def test_a_region_of_another_size_is_fitted_to_the_image() -> None:
    region = np.zeros((2, 2), bool)
    region[1, 0] = True
    image = np.full((4, 6, 3), 100, np.uint8)
    expected = np.full((4, 6, 3), 35)
    expected[2:, :3] = 100
    np.testing.assert_array_equal(dimmed(image, region), expected)


def test_no_image_is_in_the_page_where_none_may_be_shown(planned: FigurePlan) -> None:
    given = givens(planned, "explorer_images")[0]
    facts = {k: v.model_copy(update={"shows_images": False}) for k, v in
             given.study.datasets.items()}  # fmt: skip
    hidden = replace(given, study=given.study.model_copy(update={"datasets": facts}))
    images = np.load(planned.plan.pool("synthfaces").output.images)
    twins = np.load(planned.plan.twins_file(given.task))
    open_, closed = (
        drawn(FIGURES["explorer_images"], what, {})["html"] for what in (given, hidden)
    )
    every = [image_uri(image) for image in (*images, *twins)]
    assert sum(uri in open_ for uri in every) == len(every)
    assert not any(uri in closed for uri in every)
    view, uris = view_of(hidden, 4000)
    assert [c.name for c in view.columns if c.look == "picture"] == ["region", "map", "original"]
    mask = np.zeros((made_study.SIZE, made_study.SIZE, 3), np.uint8)
    mask[given.roi(np.array([0]), mask.shape[:2])[0]] = 255
    assert uris[view.rows["region"][0]] == image_uri(mask)


def test_every_page_that_is_linked_is_planned(planned: FigurePlan) -> None:
    (given,) = givens(planned, "explorer")
    pages = [Path(path).name for path in planned.output("explorer_images").drawings]
    assert list(image_pages(given).values()) == pages
    folder = {path.parent for name in ("explorer", "explorer_images")
              for path in planned.output(name).drawings}  # fmt: skip
    assert [path.name for path in folder] == ["explorer"]
    assert planned.output("explorer").drawings[0].name == "index.html"


# The file


class Addresses(HTMLParser):
    """What a page's elements load, link to, or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "src" or (tag == "link" and name == "href"):
                self.loaded.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)


def hostile() -> View:
    """Return a view with text of a user's that a page must not take for HTML, SQL or a formula."""
    words = [EVIL, QUOTE, "plain"]
    rows = pd.DataFrame({
        "task": [word for word in words for _ in words],
        "method": words * 3,
        "image_id": [f"{word}{i}" for i, word in enumerate(words * 3)],
        "score": np.r_[0.5, np.nan, np.arange(7.0)],
        "color": "#0072B2",
        "sign": words * 3,
    })  # fmt: skip
    return View(
        "hostile", f"Title {EVIL}", f"About {EVIL}", rows,
        (Choice("task", "Task"), Choice("method", "Method", every=True)),
        "SELECT * FROM 't.parquet'\nWHERE {where}\nORDER BY {order}",
        (Column("method", "method"), Column("image_id", "image"), Column("score", "s", "number")),
        sort=("score", "image_id"),
    )  # fmt: skip


def hostile_page() -> str:
    view = hostile()
    layout = built(view, Sources(view))
    return page_html(f"Page {EVIL}", EVIL, [(view, layout)], "")


def test_text_of_the_users_is_never_html() -> None:
    html = hostile_page()
    page = Addresses(html)
    assert page.loaded == page.handlers == []
    body = html.partition("<body>")[2]
    assert "&lt;img src=x" in body
    assert EVIL not in html
    given = made_given(
        {"cell_metrics": fake_cells(("vanilla", EVIL), (0.0, 0.9), (0, 1)).assign(
            task=EVIL, design="phi"), "leaderboard": pd.DataFrame()},
        methods=("vanilla", EVIL), explainers=("lrp",), task=EVIL, design="phi", levels=(0.0, 0.9),
    )  # fmt: skip
    html = drawn(FIGURES["explorer"], given, {})["html"]
    page = Addresses(html)
    assert page.loaded == page.handlers == []
    assert EVIL not in html
    assert "&lt;img src=x" in html


def test_pages_load_nothing(html: str) -> None:
    page = Addresses(html)
    assert page.loaded == page.handlers == []
    assert {link[0] == "#" or link.startswith("images-") for link in page.links} == {True}
    assert {link[1:] for link in page.links if link[0] == "#"} == set(VIEWS)
    assert html.count('<html lang="en">') == 1


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


VIEW = """
const [place] = arguments;
const layout = Bokeh.documents[0].roots()[place];
const all = layout.references();
const models = [...all];
const of = type => models.filter(m => m.type == type);
const set = (title, value) => { of("Select").find(m => m.title == title).value = value; };
const bound = (title, value) => { of("NumericInput").find(m => m.title == title).value = value; };
"""
STATE = (
    VIEW
    + """
const [, changes, done] = arguments;
for (const [title, value] of changes)
  typeof value == "string" ? set(title, value) : bound(title, value);
// Bokeh runs what follows a change later, in microtasks.
setTimeout(() => {
const data = of("DataTable")[0].source.data;
done({
  data: Object.fromEntries(Object.entries(data).map(([k, v]) => [k, Array.from(v, x =>
    typeof x == "number" && Number.isNaN(x) ? null : x)])),
  query: of("PreText").map(m => m.text).find(t => t.startsWith("SELECT")),
  options: Object.fromEntries(of("Select").map(m => [m.title, m.options])),
});
}, 0);
"""
)


def opened(browser: Browser, html: str, folder: Path) -> list[str]:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    browser.driver.get_log("browser")
    asked = browser.open(path)
    browser.wait(lambda: browser.run("return window.Bokeh?.documents?.[0]?.is_idle ?? false"))
    return asked


def state(browser: Browser, place: int, changes: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = browser.driver.execute_async_script(STATE, place, changes)
    return found


def as_changes(view: View, chosen: Chosen) -> list[tuple[str, Any]]:
    changes: list[tuple[str, Any]] = [
        (choice.title, chosen.options[choice.column]) for choice in view.choices
    ]
    changes += [("Sort by", chosen.sort), ("Order", DOWN if chosen.descending else UP)]
    if view.bounds:
        changes += [(f"{view.bounds} from", chosen.low), (f"{view.bounds} to", chosen.high)]
    return changes


def check_state(browser: Browser, place: int, view: View, chosen: Chosen) -> None:
    """Check that the page shows what Python says, and the same query."""
    found = state(browser, place, as_changes(view, chosen))
    expected = shown(view, chosen)
    assert found["query"] == query(view, chosen)
    for column in view.columns:
        ours, theirs = expected[column.name], found["data"][column.name]
        assert len(theirs) == len(ours)
        if column.look == "picture":
            assert all(uri.startswith("data:image/png") for uri in theirs)
        elif column.look == "text":
            assert theirs == [None if pd.isna(value) else value for value in ours]
        else:
            np.testing.assert_allclose([np.nan if v is None else v for v in theirs],
                                       ours.astype(float), rtol=1e-15)  # fmt: skip
    before: dict[str, str] = {}
    for choice in view.choices:
        assert found["options"][choice.title] == options_of(view, choice, before)
        before[choice.column] = chosen.options[choice.column]


def test_choices_show_what_they_say(
    browser: Browser, html: str, views: Mapping[str, View], tmp_path: Path
) -> None:
    asked = opened(browser, html, tmp_path)
    for place, key in enumerate(VIEWS):
        for chosen in list(walks(views[key]))[::5]:
            check_state(browser, place, views[key], chosen)
    asked += browser.requests()
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert sum(url.startswith("file:") for url in asked) == 1
    assert browser.driver.get_log("browser") == []


def test_images_are_sorted_and_bounded(
    browser: Browser, planned: FigurePlan, views: Mapping[str, View], tmp_path: Path
) -> None:
    html = drawn(FIGURES["explorer_images"], givens(planned, "explorer_images")[0], {})["html"]
    asked = opened(browser, html, tmp_path)
    for chosen in list(walks(views["images"]))[::6]:
        check_state(browser, 0, views["images"], chosen)
    low = replace(start(views["images"]), low=0.5)
    check_state(browser, 0, views["images"], low)
    asked += browser.requests()
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert sum(url.startswith("file:") for url in asked) == 1
    assert browser.driver.get_log("browser") == []
    pictures = browser.run(
        EVERYTHING + "return everything(document).filter(e => e.tagName == 'IMG')"
        ".map(e => [e.alt, e.naturalWidth]);"
    )
    assert {alt for alt, _ in pictures} == {"image", "region", "twin", "map", "map of vanilla"}
    assert all(width > 0 for _, width in pictures)


def test_text_of_the_users_is_text_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    opened(browser, hostile_page(), tmp_path)
    view = hostile()
    for task in (EVIL, QUOTE):
        for method in (ALL, EVIL, QUOTE):
            check_state(browser, 0, view, Chosen({"task": task, "method": method}, "image_id"))
    state(browser, 0, [("Task", EVIL), ("Method", ALL)])
    words = "return everything(document).map(e => e.shadowRoot ?? e).map(e => e.textContent);"
    browser.wait(lambda: any(f"{EVIL}0" in text for text in browser.run(EVERYTHING + words)))
    images = "return everything(document).filter(e => ['IMG', 'B'].includes(e.tagName)).length;"
    assert browser.run(EVERYTHING + images) == 0
    assert browser.driver.get_log("browser") == []


FOCUS = """
let e = document.activeElement, host = null;
while (e?.shadowRoot?.activeElement) { host = e; e = e.shadowRoot.activeElement; }
const outlined = x => x && getComputedStyle(x).outlineStyle != "none";
const seen = Boolean(outlined(e) || outlined(host));
return [e.tagName, e.labels?.[0]?.textContent ?? e.textContent, seen, e === document.body];
"""


def test_every_control_is_reached_and_seen_by_keyboard(
    browser: Browser, views: Mapping[str, View], tmp_path: Path
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    board = views["leaderboard"]
    bounded = replace(hostile(), bounds="score")
    laid = [
        (board, laid_out(board)),
        (bounded, built(bounded, Sources(bounded))),
    ]
    opened(browser, page_html("Keys", "", laid, '<a href="index.html">Link</a>'), tmp_path)
    controls = (
        "return everything(document).filter(e => ['SELECT', 'A', 'INPUT'].includes(e.tagName))"
    )
    wanted = browser.run(EVERYTHING + controls + ".map(e => e.labels?.[0]?.textContent ?? "
                         "e.textContent);")  # fmt: skip
    reached: list[str] = []
    for _ in range(60):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        tag, name, visible, left = browser.run(FOCUS)
        if left:
            break
        assert visible, (tag, name)
        if tag in ("SELECT", "A", "INPUT"):
            assert name.strip()
            reached.append(name)
    assert reached == wanted
    assert len(wanted) == 3 + 6 + 6


def test_a_key_changes_what_is_shown(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(browser, hostile_page(), tmp_path)
    ActionChains(browser.driver).send_keys(Keys.TAB, Keys.DOWN).perform()
    view = hostile()
    expected = query(view, Chosen({"task": QUOTE, "method": ALL}, "score"))
    browser.wait(lambda: state(browser, 0, [])["query"] == expected)


def test_groups_have_their_files(planned: FigurePlan) -> None:
    job = planned.job("explorer_images")
    drawing = job.drawings[0]
    assert drawing.groups == tuple(
        Group(dataset="synthfaces", task="smiling_by_hat", design="phi", level=level, seed=0)
        for level in (0.0, 0.9)
    )
    methods = len(planned.plan.grid.methods("smiling_by_hat"))
    models = len(planned.plan.grid.models("smiling_by_hat"))
    assert len(drawing.files["model_predictions"]) == 2 * methods
    assert len(drawing.files["model_maps"]) == 2 * models * 2
    assert len(drawing.files["twins"]) == 1
