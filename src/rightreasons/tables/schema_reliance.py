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

ABOUT = (
    Column("metric", WORD, "", "name of the metric"),
    Column("shown", WORD, "", "images: with or without the protected attribute, all"),
    Column("truth", WORD, "", "flips, logit_change or accuracy_change"),
)

WITHIN = (
    *floats(
        "",
        within="mean over datasets of the mean over their tasks of Spearman's correlation "
        "within a task",
        within_tasks_low="lower end of its 95 % interval, other tasks of these datasets",
        within_tasks_high="upper end of that interval",
        within_datasets_low="lower end of its 95 % interval, for other datasets",
        within_datasets_high="upper end of that interval",
        sd_datasets="standard deviation between datasets of a dataset's mean correlation",
        sd_tasks="standard deviation between tasks of a dataset of their correlation",
        error_seeds="standard error over seeds of a task's correlation (root mean square)",
    ),
)
AREA_WITHIN = (
    *floats(
        "share",
        area_within="mean over datasets of the mean over their tasks of the ROC area within a task",
        area_within_tasks_low="lower end of its 95 % interval, for other tasks of these datasets",
        area_within_tasks_high="upper end of that interval",
        area_within_datasets_low="lower end of its 95 % interval, for other datasets",
        area_within_datasets_high="upper end of that interval",
    ),
    *ints("tasks", tasks="tasks with a correlation"),
    *ints("datasets", datasets="their datasets"),
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
        "yardstick_tasks",
        "how far one metric of one explainer says what models rely on, within one task",
        (
            *KEY,
            *ABOUT,
            *floats(
                "",
                estimate="Spearman's correlation of claim and truth over the task's models; 0 "
                "where the claim is the same of all",
                estimate_error="its standard error over seeds (jackknife)",
            ),
            *floats(
                "share",
                area="ROC area: models of which the claim is true above those of which it is not",
                area_error="its standard error over seeds (jackknife)",
            ),
            *ints(
                "models",
                models="models the correlation rests on",
                n_reliant="models of which the claim is true",
                n_not_reliant="models of which it is not",
            ),
            *ints("seeds", seeds="their seeds"),
            *RUN,
        ),
    ),
    Table(
        "yardstick",
        "how far one metric of one explainer says what models rely on, over all cells",
        (
            *KEY,
            *ABOUT,
            *floats("", estimate="Spearman's correlation of claim and truth over cells"),
            *INTERVAL,
            *ints("cells", cells="cells the correlation rests on"),
            *ints(
                "seeds", seeds="their seeds, counted in each dataset and design: interval's unit"
            ),
            *WITHIN,
            *floats(
                "share",
                area="ROC area: cells where the claim is true above those where it is not",
                area_low="lower end of its 95 % interval over seeds",
                area_high="upper end of its 95 % interval over seeds",
            ),
            *AREA_WITHIN,
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
                level_0_low="lower end of the band with 95 % of such shares at the nominal rate",
                level_0_high="upper end of that band",
            ),
            *ints("models", level_0_models="level-0 models, each counted once per map"),
            Column("level_0_inside", pa.bool_(), "", "the share lies in the band"),
            *ints(
                "", rank="rank by mean correlation with flips within tasks, images with attribute"
            ),
            *RUN,
        ),
    ),
    Table(
        "yardstick_debiased",
        "how far one metric of one explainer tells debiased models that still rely from others",
        (
            *KEY,
            *ABOUT,
            Column("maps", WORD, "", "own: methods with maps of their own; any: all methods"),
            *WITHIN,
            *AREA_WITHIN,
            *ints(
                "models",
                models="debiased models the correlations rest on",
                n_reliant="debiased models of which the claim is true",
                n_not_reliant="debiased models of which it is not",
                n_made="debiased models of which the claim is made",
                n_not_made="debiased models of which it is not made",
            ),
            *floats(
                "share",
                hit_rate="true claims that are made",
                false_alarm_rate="claims made though untrue",
                true_if_made="claims that are true, of those that are made",
                untrue_if_not="claims that are untrue, of those that are not made",
            ),
            *ints("", rank="rank by mean correlation with flips, images with the attribute"),
            *RUN,
        ),
    ),
    Table(
        "yardstick_transfer",
        "the best explainer and metric of one half of the tasks, judged on the other half",
        (
            *KEY,
            Column("metric", WORD, "", "metric of the pair that is best in the half"),
            Column("by", WORD, "", "what is cut into halves: dataset, network, shortcut or task"),
            Column("measure", WORD, "", "spearman or area: what pairs are ranked by"),
            Column("half", WORD, "", "where the pair is chosen"),
            Column("others", WORD, "", "where it is judged"),
            *ints("pairs", pairs="pairs of explainer and metric with a number in every task"),
            *floats("", agreement="Spearman's correlation of the pairs' numbers in both parts"),
            *floats(
                "the measure's",
                chosen_for="number of the chosen pair where it was chosen",
                worth="its number where it is judged",
                best="the best pair's number there",
                regret="best less worth",
                regret_blind="best less the mean over all pairs: of a pair drawn by lot",
            ),
            Column("best_explainer", WORD, "", "explainer of the pair that is best there"),
            Column("best_metric", WORD, "", "its metric"),
            *ints("", rank="rank of the chosen pair where it is judged"),
            *RUN,
        ),
    ),
    Table(
        "retest",
        "how far one metric of one explainer repeats itself, over the tasks of the yardstick",
        (
            *KEY,
            *ABOUT[:2],
            *floats(
                "",
                halves="rank correlation of two halves of the images over a task's models, stepped "
                "up to all images (Spearman-Brown), mean over tasks",
                halves_low="lower end of its 95 % interval, other tasks of these datasets",
                halves_high="upper end of that interval",
                retrained="intraclass correlation of ranks in a task, between levels and methods "
                "against seeds, mean over tasks",
                retrained_low="lower end of its 95 % interval, other tasks of these datasets",
                retrained_high="upper end of that interval",
                retrained_flips="intraclass correlation of the flips of the same models",
            ),
            *ints("models", models="models that it rests on"),
            *ints("tasks", tasks="their tasks"),
            *ints("datasets", datasets="their datasets"),
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
