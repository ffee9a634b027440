"""What the tables of the multiverse hold."""

from __future__ import annotations

import pyarrow as pa

from rightreasons.tables.asked import CHOICES, QUESTIONS
from rightreasons.tables.columns import INTERVAL, KEY, RUN, WORD, Column, Table, floats, ints

ASKED = (
    Column("question", WORD, "", f"{', '.join(QUESTIONS)} (docs/statistics.md)"),
    Column("reference", WORD, "", "the method that it is compared with"),
)
EFFECT = (
    *floats("the metric's", effect="mean over seeds of method minus reference"),
    *INTERVAL,
    *floats("probability", p_value="of no difference, for new seeds and images; not corrected"),
    *ints("seeds", seeds="seeds that it rests on"),
)
ANSWER = Column("answer", WORD, "", "better or worse (p < 0.05), or undecided, as with one seed")

TABLES = (
    Table(
        "multiverse",
        "one conclusion in one universe: with one combination of choices that cost no training",
        (
            *KEY,
            *ASKED,
            Column("metric", WORD, "", "what answers the question"),
            Column("threshold", WORD, "", "own, base_rate or youden; missing for maps"),
            Column("scale", WORD, "", "max, mass, raw, or any where the metric has none"),
            Column("sign", WORD, "", "absolute or positive relevance"),
            Column("roi", WORD, "", "the region: task, mask, margin_<share> or the config's name"),
            Column("explained", WORD, "", "maps that count: all, or agreed"),
            Column("changed", WORD, "", "choices that differ from the default, '' for none"),
            *EFFECT,
            *floats("the metric's", gain="the effect in the direction of better"),
            ANSWER,
            *RUN,
        ),
    ),
    Table(
        "robustness",
        "one conclusion: its answer by default, and how often it differs in other universes",
        (
            *KEY,
            *ASKED,
            Column("metric", WORD, "", "what answers the question by default"),
            *EFFECT,
            ANSWER,
            *ints("universes", universes="universes in which the number exists, the default's too"),
            *floats(
                "share",
                better="universes with the answer better",
                undecided="universes without an answer",
                worse="universes with the answer worse",
                flips="universes whose answer is not the default's; missing with one seed",
                opposite="universes whose effect has the other sign",
            ),
            Column("fragile", pa.bool_(), "", "flips in more than 10 % of the universes"),
            *floats(
                "share",
                **{
                    f"flips_{name}": f"flips where only the {name} differs; missing where none does"
                    for name in CHOICES
                },
            ),
            *RUN,
        ),
    ),
)
