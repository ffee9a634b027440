"""The leaderboard as text and as a page."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from fake_tables import (
    METHODS,
    TASK,
    fake_leaderboard,
)
from given import as_table
from rightreasons.figures.leaderboard import render_html, render_latex, render_text
from rightreasons.metrics import METRICS, headline
from study_drawn import STUDIES, draw


def board() -> pd.DataFrame:
    return as_table(fake_leaderboard(STUDIES["full"]), "leaderboard")


def told() -> pd.DataFrame:
    """Return a table `feasibility` of two of the three levels, of which 0.9 has nothing left."""
    rows = []
    for level, low in ((0.5, 0.60), (0.9, 0.45)):
        numbers = {"target_accuracy": low + 0.07, "protected_accuracy": 0.93}
        ends = {"target_accuracy_low": low, "target_accuracy_high": low + 0.14,
                "protected_accuracy_low": 0.90, "protected_accuracy_high": 0.96}  # fmt: skip
        rows += [{**TASK, "level": level, "seed": seed, **numbers, **ends} for seed in (0, 1)]
    return as_table(pd.DataFrame(rows), "feasibility")


def test_leaderboard_text_marks_the_front_and_puts_constant_classifiers_last() -> None:
    text = render_text(board(), "vanilla")
    assert text.startswith("smiling_by_necktie, phi = 0.9, 2 seeds\n")
    lines = text.split("─\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == len(METHODS)
    assert [line[0] for line in lines] == ["●", *" " * 7, "–"]
    odds = [float(line[2:].split()[1]) for line in lines]
    assert odds[:-1] == sorted(odds[:-1])
    assert lines[0].split("*")[1].split()[0] == "a"
    assert lines[1].split("]")[1].replace("*", "").split()[0] == "ab"
    assert lines[-1].split()[1] == "p_clarc"
    assert lines[-1].endswith("constant classifier in 1 of 2 seeds")
    assert all(len(line) <= 100 for line in lines[:-1])
    starred = {line[2:].split()[0] for line in lines if "]*" in line}
    assert starred == {"rr_clarc", "a_clarc"}  # p_clarc collapsed: it takes no part


def test_leaderboard_text_has_the_columns_that_fit_and_the_page_all() -> None:
    text, page = render_text(board(), "vanilla"), render_html(board(), "vanilla")
    head = text.split("─")[0]
    assert head.count("RRF") == 2  # one an explainer
    assert "ADR" not in head
    assert text.endswith(" The page has all columns.\n")
    few = board().drop(columns=["dif", "rddt", "twin_flip_rate", "adr", "rrf"])
    assert "The page has" not in render_text(few, "vanilla")
    for metric in headline("leaderboard"):
        if METRICS[metric].traits["attribute"] != "protected":
            continue
        name = METRICS[metric].traits["short"]
        per_map = METRICS[metric].traits["kind"] in ("image", "pair", "test")
        assert page.count(f">{name} ") == 3 * (2 if per_map else 1)


def with_controls() -> pd.DataFrame:
    """Return the board in which zhang was tuned, and its control would be the fairest of all."""
    table = board()
    tuned = table["method"] == "zhang"
    known = {"preset": "tuned", "uses_protected": "fit"}
    control = table[tuned].assign(
        method="zhang_control",
        control_of="zhang",
        takes_part=False,
        front=False,
        alike=None,
        equalized_odds=0.001,
        **known,
    )
    table = table.assign(
        **{
            name: table[name].mask(tuned, value).mask(~tuned, other)
            for (name, value), other in zip(known.items(), ("default", "never"), strict=True)
        }
    )
    return as_table(pd.concat([table, control]), "leaderboard")


def test_controls_are_grey_rows_of_the_page_and_not_in_the_text() -> None:
    text, page = (render(with_controls(), "vanilla") for render in (render_text, render_html))
    assert "control" not in text.replace("all columns and controls", "")
    assert text.endswith(" The page has all columns and controls.\n")
    lines, plain = text.split("─\n")[1], render_text(board(), "vanilla").split("─\n")[1]
    assert lines.split("\n\n")[0] == plain.split("\n\n")[0]
    few = with_controls().drop(columns=["dif", "rddt", "twin_flip_rate", "adr", "rrf"])
    assert render_text(few, "vanilla").endswith(" The page has controls.\n")
    rows = re.findall("<tr class=control>(.*)</tr>", page)
    assert len(rows) == page.count("zhang_control") == 3  # one a level
    for row in rows:
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        assert cells[:2] == ["–", "zhang_control"]
        assert cells[4].startswith("0.001 ")
        assert cells[-1] == "zhang at strength 0"
    assert "Grey: a method" in " ".join(page.split())
    assert "Grey" not in render_html(board(), "vanilla")


def test_the_page_says_where_parameters_come_from_and_who_uses_the_protected_attribute() -> None:
    page = render_html(with_controls(), "vanilla")
    head, *rows = (
        re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall("<tr.*</tr>", page)
    )
    assert head[:4] == ["", "method", "preset", "uses protected"]
    known = {row[1]: row[2:4] for row in rows if row[1] != "method"}
    assert known["zhang"] == known["zhang_control"] == ["tuned", "fit"]
    assert {tuple(said) for name, said in known.items() if "zhang" not in name} == {
        ("default", "never")
    }


def test_noise_is_said_to_be_chance_alone() -> None:
    table = board()
    noise = table["method"] == "thropt"
    table = table.assign(noise=noise, takes_part=table["takes_part"] & ~noise)
    table = table.sort_values("takes_part", ascending=False, kind="stable")
    lines = render_text(table, "vanilla").split("─\n")[1].split("\n\n")[0].splitlines()
    (line,) = (line for line in lines if line[2:].split()[0] == "thropt")
    assert line.split()[0] == "–"
    assert line.endswith("chance alone")


def test_what_is_no_better_than_chance_is_said_to_be() -> None:
    table = board()
    table = table.assign(takes_part=table["takes_part"] & (table["method"] != "thropt"))
    lines = render_text(table, "vanilla").splitlines()
    assert any(line.startswith("–  thropt ") and line.endswith("than chance") for line in lines)


def test_one_seed_is_called_one_run_and_says_nothing_of_methods() -> None:
    once = board().assign(n_seeds=1, alike=None, equalized_odds_change_p=np.nan)
    text = render_text(once, "vanilla")
    assert text.startswith("smiling_by_necktie, phi = 0.9, one run\n")
    assert "]*" not in text
    assert "another training run" in " ".join(text.split())
    assert "Holm" not in text


def test_fragile_conclusions_are_marked_where_they_were_drawn() -> None:
    found = pd.DataFrame(
        [
            {**TASK, "level": 0.9, "method": "rr_clarc", "question": question,
             "reference": reference, "fragile": fragile}
            for question, reference, fragile in (
                ("saliency", "vanilla", True), ("fairness", "vanilla", True),
                ("reliance", "vanilla", False), ("performance", "finetune", True),
            )
        ]
    )  # fmt: skip
    tables = {"leaderboard": board(), "feasibility": told(), "robustness": found}
    made = draw("leaderboard", tables)
    marked = [line for line in made["txt"].splitlines() if "fragile: " in line]
    assert len(marked) == 1
    assert marked[0].endswith("fragile: fairness, saliency")
    assert "rr_clarc" in marked[0]
    assert made["html"].count("fragile: ") == 1  # at the level that was asked about
    assert "Fragile: what is said" in " ".join(made["txt"].split())
    assert "Fragile" not in draw("leaderboard", {**tables, "robustness": found.iloc[:0]})["txt"]


def test_latex_has_a_table_per_level_and_escapes_names() -> None:
    made = render_latex(board(), "vanilla")
    assert made.count(r"\begin{tabular}") == made.count(r"\bottomrule") == 3
    assert r"\caption{smiling\_by\_necktie, phi = 0.9, 2 seeds}" in made
    assert r" & rr\_clarc & " in made
    assert not set("●↓↑–") & set("".join(x for x in made.splitlines() if x[:1] != "%"))


def test_leaderboard_shows_missing_numbers_as_dashes() -> None:
    table = board().assign(twin_flip_rate=np.nan, equalized_odds_change_p=np.nan)
    text = render_text(table[table["explainer"] == "lrp"], "vanilla")
    assert "Twin" not in text.split("─")[0]  # nothing to show
    assert "ig" not in text.split("─")[0]
    one = table.assign(worst_group_accuracy=table["worst_group_accuracy"].where(
        table["method"] != "rr_clarc"))  # fmt: skip
    assert re.search(r"rr_clarc +0\.\d{3} \[[^]]+\] .* –  .*\n", render_text(one, "vanilla"))


def test_leaderboard_shows_the_explainers_of_each_task_and_no_board_of_the_original_alone() -> None:
    table = board()
    both = draw("leaderboard", {"leaderboard": table, "feasibility": told()})
    few = draw("leaderboard", {"leaderboard": table, "feasibility": told()}, shown=("lrp",))
    assert few["txt"].split("─")[0].count("RRF") == 1
    assert both["txt"].split("─")[0].count("RRF") == 2
    assert "integrated_gradients" not in few["html"]
    alone = table[table["method"] == "vanilla"]
    assert render_text(alone, "vanilla") == "The leaderboard is empty.\n"
    assert "vanilla" in render_html(alone, "vanilla")


def test_empty_leaderboard_says_so() -> None:
    empty = board().iloc[:0]
    assert render_text(empty, "vanilla") == "The leaderboard is empty.\n"
    assert "The leaderboard is empty." in render_html(empty, "vanilla")
    both = draw("leaderboard", {"leaderboard": empty, "feasibility": told().iloc[:0]})
    assert "The leaderboard is empty." in both["txt"]


def test_below_each_board_is_what_is_left_to_reveal() -> None:
    made = draw("leaderboard", {"leaderboard": board(), "feasibility": told()})
    line = (
        "the target with accuracy 0.52 [0.45, 0.59], the protected attribute with 0.93 [0.90, 0.96]"
    )
    words = " ".join(made["txt"].split("─\n")[1].split("\n\n")[1].split())
    assert line in words
    assert words.endswith("At this level nothing is left to reveal: chance is 0.5.")
    assert made["html"].count("probe of vanilla") == 2
    assert made["html"].count("nothing is left") == 1
    assert made["html"].count("the splits have no select images") == 1  # level 0


def test_leaderboard_html_has_all_levels_and_escapes() -> None:
    table = board().replace({"method": {"zhang": "<script>&"}})
    html = render_html(table, "vanilla")
    assert html.count("<table>") == 3
    assert "<script>" not in html
    assert html.count("&lt;script&gt;&amp;") == 3
    assert html.count("class=collapsed") == 1
    assert html.count("class=reference") == 3
    assert "http" not in html


def test_pareto_draws_the_front_and_hollow_dots_for_what_takes_no_part() -> None:
    figure = draw("pareto", {"leaderboard": board()})
    last = figure.axes[2]  # the strongest of three levels, above
    hollow = [dot for dot in last.lines if dot.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    assert "p_clarc" in " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert figure.axes[0].get_xlabel() == "Balanced accuracy (↑ better)"
    assert figure.axes[3].get_xlabel() == "Twin flip rate (↓ fairer)"
    plain = draw("pareto", {"leaderboard": board().assign(twin_flip_rate=np.nan)})
    assert plain.axes[3].get_xlabel() == "RRF (↓ less in ROI)"
    once = draw("pareto", {"leaderboard": board().assign(n_seeds=1)})
    assert "One run" in once._supxlabel.get_text()
    nothing = draw("pareto", {"leaderboard": board().iloc[:0]})
    assert len(nothing.axes) == 1
