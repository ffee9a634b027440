"""What the table of probes of explanation quality holds."""

from __future__ import annotations

import pyarrow as pa

from rightreasons.tables.columns import INTERVAL, KEY, RUN, WORD, Column, Table, floats, ints

TABLES = (
    Table(
        "probes",
        "one probe of the maps of one model by one explainer (where the study asks for probes)",
        (
            *KEY,
            Column("probe", WORD, "", "name of the probe in the study's config (docs/probes.md)"),
            Column("family", WORD, "", "faithfulness, robustness, complexity or randomisation"),
            Column("better", WORD, "", "higher or lower"),
            Column("control", pa.bool_(), "", "the explainer sees neither network nor class"),
            *floats("the probe's", value="mean over images"),
            *INTERVAL,
            *ints("images", n="images with a value"),
            Column("floor", WORD, "", "the control with the best mean"),
            *floats(
                "the probe's",
                above_floor="mean difference to that control, above 0 where the explainer is "
                "better; missing for controls",
                above_low="lower end of its 95 % interval over images, in pairs",
                above_high="upper end of its 95 % interval over images, in pairs",
            ),
            *ints("images", pairs="images with both values"),
            *RUN,
        ),
    ),
)
