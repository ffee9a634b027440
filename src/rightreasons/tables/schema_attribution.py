"""What the tables of data attribution hold."""

from __future__ import annotations

import pyarrow as pa

from rightreasons.metrics import METRICS
from rightreasons.tables.columns import (
    KEY,
    RUN,
    WORD,
    Column,
    Table,
    floats,
    ints,
)
from rightreasons.tables.parameters import TableOne


def _numbers() -> tuple[Column, ...]:
    """Return the paper's numbers, on the test images and on the validation images."""
    numbers = {
        column: METRICS[name].title for name, column in TableOne.registered().numbers.items()
    }
    return (
        *floats("share", **{name: f"{title}, test images" for name, title in numbers.items()}),
        *floats(
            "share",
            **{
                f"validation_{name}": f"{title}, validation images"
                for name, title in numbers.items()
            },
        ),
    )


TABLES = (
    Table(
        "data_attribution",
        "one model: the full grid behind `table_one`",
        (
            *KEY,
            Column(
                "kind",
                WORD,
                "",
                "kind of the method; at quantile 1, where no pixel changes, original's",
            ),
            *floats("", quantile="quantile of a mask or noise; missing for the baselines"),
            *ints("", epochs="epochs of the method; missing where they are the original's"),
            *ints("images", n="test images", validation_n="validation (debias) images"),
            _numbers,
            *RUN,
        ),
    ),
    Table(
        "table_one",
        "one number of one scheme at its best quantile, over seeds, on the test images",
        (
            *KEY,
            Column("kind", WORD, "", "scheme: mask or noise, general or specific"),
            Column("picked_on", WORD, "", "images that chose the quantile: test, validation"),
            *floats("", quantile="the quantile chosen"),
            Column("best", pa.bool_(), "", "the same choice prefers this scheme to the others"),
            Column("metric", WORD, "", "which number: a column of `data_attribution`"),
            *floats(
                "share",
                original="mean of the unchanged training (of as many epochs, if any)",
                original_low="lower end of its 95 % interval",
                original_high="upper end of its 95 % interval",
                balanced="mean of the training on balanced data",
                balanced_change="mean of balanced minus original, paired by seed",
                balanced_change_low="lower end of its 95 % interval",
                balanced_change_high="upper end of its 95 % interval",
                ours="mean of the scheme",
                ours_change="mean of the scheme minus original, paired by seed",
                ours_change_low="lower end of its 95 % interval",
                ours_change_high="upper end of its 95 % interval",
            ),
            *ints("seeds", n_seeds="seeds that have both the scheme and the original"),
            *RUN,
        ),
    ),
)
