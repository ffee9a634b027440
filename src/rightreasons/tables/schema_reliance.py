"""What the tables of true reliance, of the yardstick and of sanity checks hold."""

from __future__ import annotations

import pyarrow as pa

from rightreasons.tables.columns import (
    INTERVAL,
    KEY,
    RUN,
    WORD,
    Column,
    Table,
    floats,
    ints,
)

TABLES = (
    Table(
        "reliance",
        "one saliency metric of one cell, beside the model's true reliance (where twins exist)",
        (
            *KEY,
            Column("metric", WORD, "", "name of the metric (docs/metrics.md)"),
            Column("shown", WORD, "", "images: with or without the protected attribute, all"),
            Column("value", pa.float64(), "the metric's", "mean over these images"),
            *INTERVAL,
            *ints("images", n="images the value rests on"),
            *floats("the metric's", chance="value of the explainer that is noise"),
            *floats("", p_value="how far the value lies beyond what level-0 models give"),
            Column(
                "null", WORD, "", "what p rests on: conformal, student, or the metric's own test"
            ),
            *ints("models", null_models="level-0 models that the value is judged by"),
            *ints("seeds", null_seeds="their seeds"),
            Column("called", pa.bool_(), "", "the metric's claim is made: p at most the rate"),
            Column("uncalled", WORD, "", "why it cannot be told whether the claim is made"),
            *floats(
                "share",
                flips="decisions that switching the protected attribute alone flips",
                flips_low="lower end of its 95 % interval",
                flips_high="upper end of its 95 % interval",
            ),
            *floats("logits", logit_change="mean |change of the difference of logits|"),
            *floats("share", accuracy_change="accuracy without the attribute minus with it"),
            *floats(
                "share",
                watched_flips="decisions that switching the watched attribute alone flips; missing "
                "where none is watched",
                watched_flips_low="lower end of its 95 % interval",
                watched_flips_high="upper end of its 95 % interval",
            ),
            Column("reliant", pa.bool_(), "", "the claim is true (docs/metrics.md)"),
            Column("place", pa.bool_(), "", "the ROI is where the protected attribute is"),
            Column("collapsed", pa.bool_(), "", "the model collapsed"),
            *RUN,
        ),
    ),
    Table(
        "two_shortcuts",
        "one method at one level: how its reliance on the protected and on the watched attribute "
        "differs from the original's (tasks that watch an attribute)",
        (
            *KEY,
            Column(
                "unit",
                WORD,
                "",
                "what the intervals speak of: `seed`, other training runs and images; `image`, "
                "these models on other images, where there is one seed",
            ),
            *floats(
                "share",
                protected_change="decisions flipped by the protected attribute alone: the method's "
                "minus the original's",
                protected_change_low="lower end of its 95 % interval",
                protected_change_high="upper end of its 95 % interval",
                watched_change="the same of the watched attribute",
                watched_change_low="lower end of its 95 % interval",
                watched_change_high="upper end of its 95 % interval",
            ),
            Column(
                "quadrant",
                WORD,
                "",
                "`less of both`, `more of both`, or `less of one, more of the other`; missing "
                "where a change is 0 or unknown",
            ),
            Column("told", pa.bool_(), "", "neither interval has 0 in it"),
            *RUN,
        ),
    ),
    Table(
        "yardstick",
        "how far one metric of one explainer says what models rely on, over all cells",
        (
            *KEY,
            Column("metric", WORD, "", "name of the metric"),
            Column("shown", WORD, "", "images: with or without the protected attribute, all"),
            Column("truth", WORD, "", "flips, logit_change or accuracy_change"),
            *floats("", estimate="Spearman's correlation of claim and truth over cells"),
            *INTERVAL,
            *ints("cells", cells="cells the correlation rests on"),
            *ints(
                "seeds", seeds="their seeds, counted in each dataset and design: interval's unit"
            ),
            *floats(
                "share",
                area="ROC area: cells where the claim is true above those where it is not",
                area_low="lower end of its 95 % interval over seeds",
                area_high="upper end of its 95 % interval over seeds",
            ),
            *ints(
                "cells",
                n_reliant="cells where the claim is true",
                n_not_reliant="cells where it is not, the ROI being the attribute's place",
                n_uncalled="cells of which it cannot be told whether the claim is made",
            ),
            *floats(
                "share",
                hit_rate="true claims that are made",
                false_alarm_rate="claims made though untrue",
                false_alarm_place_rate="claims made where the ROI is not the attribute's place",
                level_0_rate="claims made of level-0 models: near the nominal rate",
            ),
            *ints("", rank="rank by correlation with flips, images with the attribute"),
            *RUN,
        ),
    ),
    Table(
        "sanity",
        "one explainer after one step of making an original network random, output first",
        (
            *KEY,
            Column("layer", WORD, "", "the last layer made random"),
            *ints("layers", randomised="layers made random", of="layers of the network"),
            Column("similarity", WORD, "", "ssim or spearman, of |r| over pixels"),
            *floats("similarity", value="mean similarity to the original maps, -1 to 1"),
            *INTERVAL,
            *ints("images", n="images, without those with a map of zeros"),
            *RUN,
        ),
    ),
)
