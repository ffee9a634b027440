"""What the tables of methods, trials and choices hold."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from rightreasons.metrics import METRICS
from rightreasons.tables.columns import KEY, RUN, WORD, Column, Table, floats, ints
from rightreasons.tuning.criteria import JUDGED

#: What is known of a method without running it.
OF_METHOD = (
    Column("kind", WORD, "", "the method's name in the registry (docs/methods.md)"),
    Column(
        "preset", WORD, "", "where its parameters come from: default, a preset's name, or tuned"
    ),
    Column("control_of", WORD, "", "the method that this is the matched control of, at strength 0"),
    Column(
        "uses_protected",
        WORD,
        "",
        "where it uses the protected attribute: never, or train, fit, regions, decision; roi, "
        "masks, twins where it is told its place or shown the image without it",
    ),
    Column("noise", pa.bool_(), "", "decides without a look at the image: chance alone"),
)


def _judged() -> Iterator[Column]:
    for name in JUDGED:
        yield from floats("", **{name: f"{METRICS[name].title} on select images"})


TABLES = (
    Table(
        "methods",
        "one model: what its method was given, and what it took",
        (
            *KEY,
            *OF_METHOD,
            Column("params", pa.string(), "JSON", "all parameters of the method"),
            *ints(
                "",
                trial="the chosen trial (table `trials`); missing where it was not tuned",
                target_labels="target labels that it was given to fit",
                protected_labels="labels of the protected attribute that it was given to fit",
                image_passes="images that networks saw meanwhile, each pass counted",
            ),
            *RUN,
        ),
    ),
    Table(
        "trials",
        "one trial of one tuned method with one tuning seed: choose again without training",
        (
            *KEY,
            *ints("", trial="number of the trial: the same parameters at all seeds and levels"),
            Column("source", WORD, "", "default, preset and its name, or drawn"),
            Column("params", pa.string(), "JSON", "all parameters of the trial"),
            *ints(
                "",
                image_passes="images that networks saw, each pass counted",
                budget="image passes that it was allowed",
            ),
            *floats("s", seconds="wall time"),
            Column("over_budget", pa.bool_(), "", "more passes than allowed: never chosen"),
            Column("error", pa.string(), "", "why it failed; missing where it did not"),
            _judged,
            *floats("nats", loss="mean cross-entropy on select images"),
            Column("chosen", pa.bool_(), "", "the trial whose parameters the study's seeds use"),
            *RUN,
        ),
    ),
    Table(
        "selection",
        "one metric of one choice: what select images promised and test images gave",
        (
            *KEY,
            *ints("", trial="the chosen trial"),
            Column("source", WORD, "", "default, preset and its name, or drawn"),
            Column("criterion", WORD, "", "what chose it (docs/tuning.md)"),
            Column("metric", WORD, "", "name of the metric (docs/metrics.md)"),
            *floats(
                "the metric's",
                select="mean of the chosen trial over tuning seeds, on select images",
                test="mean over the study's seeds, on test images",
                optimism="select minus test",
            ),
            *RUN,
        ),
    ),
)
