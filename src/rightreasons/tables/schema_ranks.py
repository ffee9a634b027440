"""What the tables hold that compare methods over tasks, levels and seeds."""

from __future__ import annotations

import pyarrow as pa

from rightreasons.tables.columns import KEY, RUN, WORD, Column, Table, floats, ints

METRIC = Column("metric", WORD, "", "name of the metric (docs/metrics.md)")
NOISE = Column("noise", pa.bool_(), "", "the method decides without a look at the image")

TABLES = (
    Table(
        "ranks",
        "one method by one metric, over all blocks (task, design, level; means over seeds)",
        (
            *KEY,
            METRIC,
            NOISE,
            *floats("", mean_rank="mean over blocks of its rank, 1 the best"),
            *ints(
                "",
                blocks="blocks",
                runs="runs: seeds of all blocks",
                collapsed="runs in which its model collapsed, or is no better than chance",
            ),
            *floats(
                "the metric's",
                iqm="interquartile mean of its runs",
                iqm_low="lower end of its 95 % interval, seeds drawn within tasks",
                iqm_high="upper end of its 95 % interval, seeds drawn within tasks",
            ),
            *floats("", friedman="Friedman's statistic, all methods"),
            *floats("probability", friedman_p="p-value of equal ranks"),
            *floats(
                "",
                critical_difference="difference of mean ranks from which on Nemenyi's p < 0.05",
            ),
            Column(
                "nemenyi_cliques",
                pa.string(),
                "",
                "numbers of its groups, the best first, that Nemenyi's test cannot tell apart",
            ),
            Column(
                "wilcoxon_cliques",
                pa.string(),
                "",
                "numbers of its groups that signed ranks with Holm's correction cannot tell apart",
            ),
            *floats(
                "the metric's",
                effect="its mean minus the original's, by the model in `effect_model`",
                effect_low="lower end of its 95 % interval",
                effect_high="upper end of its 95 % interval",
            ),
            *floats("probability", effect_p="p-value of no effect"),
            Column("effect_model", pa.string(), "", "what was fitted"),
            Column("note", pa.string(), "", "why numbers are missing, or cannot be small"),
            *RUN,
        ),
    ),
    Table(
        "improvement",
        "one method and another by one metric, over all blocks",
        (
            *KEY,
            METRIC,
            NOISE,
            Column("other", WORD, "", "the method that it is compared with"),
            *floats(
                "probability",
                probability="that a run of the method is better than one of the other",
                probability_low="lower end of its 95 % interval, seeds drawn within tasks",
                probability_high="upper end of its 95 % interval, seeds drawn within tasks",
                nemenyi_p="Nemenyi's p-value of equal ranks",
                wilcoxon_p="p-value of Wilcoxon's signed-rank test, Holm-corrected over all pairs",
            ),
            *ints("", blocks="blocks"),
            *RUN,
        ),
    ),
    Table(
        "profiles",
        "one method and threshold of one metric: its performance profile",
        (
            *KEY,
            METRIC,
            NOISE,
            *floats("the metric's", tau="threshold"),
            *floats(
                "share",
                share="runs that are better than the threshold",
                share_low="lower end of its 95 % interval, seeds drawn within tasks",
                share_high="upper end of its 95 % interval, seeds drawn within tasks",
            ),
            *RUN,
        ),
    ),
)
