"""What the tables of patch classifiers hold."""

from __future__ import annotations

import pyarrow as pa

from rightreasons.tables.columns import (
    KEY,
    RUN,
    WORD,
    Column,
    Table,
    floats,
    ints,
)

ATTRIBUTE = (
    Column("attribute", WORD, "", "attribute that the patch classifier is trained on"),
    Column("network", WORD, "", "patch classifier: published or dense"),
)

TABLES = (
    Table(
        "region_calibration",
        "one patch classifier, over all patches of its validation images",
        (
            *KEY,
            *ATTRIBUTE,
            *ints("px", size="side of the image", patch="side of a patch"),
            *ints("positions", grid="patch positions per side of the image"),
            *ints("", n_classes="classes of the attribute", bins="bins of the ECE"),
            *ints("images", n_train="images trained on", n_validation="validation images"),
            *ints("patches", patches="patches of the validation images"),
            *floats(
                "",
                confidence="mean largest softmax",
                accuracy="share of patches classified right",
                ece="expected calibration error of the largest softmax",
                chance="share of the largest class among the validation images",
            ),
            *RUN,
        ),
    ),
    Table(
        "region_reliability",
        "one bin of a patch classifier's confidences",
        (
            *KEY,
            *ATTRIBUTE,
            *ints("", bin="number of the bin, from 0"),
            *floats("", low="lower edge of the bin", high="upper edge of the bin"),
            *ints("patches", n="patches in the bin"),
            *floats(
                "",
                confidence="mean largest softmax in the bin; missing for an empty bin",
                accuracy="share classified right in the bin; missing for an empty bin",
            ),
            *RUN,
        ),
    ),
    Table(
        "region_positions",
        "one patch position of a patch classifier",
        (
            *KEY,
            *ATTRIBUTE,
            *ints(
                "",
                position="number of the position, row by row from 0",
                row="row of the grid, from the top",
                column="column of the grid, from the left",
            ),
            *ints("patches", n="validation patches at the position"),
            *floats(
                "",
                accuracy="share of the position's patches classified right",
                ece="expected calibration error at the position",
            ),
            *RUN,
        ),
    ),
    Table(
        "region_maps",
        "one stored attribution map, or the mean of all",
        (
            *KEY,
            *ATTRIBUTE,
            Column("kind", WORD, "", "image, or mean (the general map)"),
            Column("image_id", pa.string(), "", "image of the map; missing for the mean map"),
            Column("file", pa.string(), "", "the .npy file that holds the confidences"),
            *ints("", row="the map's place in the file"),
            *ints("px", size="side of the image", patch="side of a patch"),
            *ints("positions", grid="patch positions per side: the map is grid x grid"),
            Column("confidence", WORD, "", "confidence: maximum, margin or entropy"),
            *floats("", quantile="quantile above which the map's region lies"),
            *floats(
                "share",
                mask_share="known region's share of the image; missing where none is known",
                mask_mass="share of the normalised map's sum inside the known region",
                iou="overlap of map's and known region: intersection over union",
            ),
            *RUN,
        ),
    ),
)
