"""The tables' schemas, and reading and writing them. `results/README.md` is made from this file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rightreasons.core.files import whole

WORD = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Column:
    """A table's column: name, Arrow type, unit ("" where it has none), meaning."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table: name, what one row is, columns."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with unit and meaning in each column's metadata."""
        return pa.schema(
            [
                pa.field(c.name, c.type, metadata={"unit": c.unit, "meaning": c.meaning})
                for c in self.columns
            ],
            metadata={"table": self.name, "row": self.row},
        )


KEY = (
    Column("study", WORD, "", "name of the study"),
    Column("dataset", WORD, "", "name of the dataset in the study's config"),
    Column("task", WORD, "", "name of the task in the study's config"),
    Column("design", WORD, "", "how the splits are rebalanced"),
    Column("level", pa.float64(), "", "level of the design that was asked for"),
    Column("seed", pa.int64(), "", "seed of the cell; missing where seeds are pooled"),
    Column("method", WORD, "", "name of the method; missing where it does not apply"),
    Column("explainer", WORD, "", "name of the explainer; missing where it does not apply"),
)
RUN = (Column("run", WORD, "", "provenance: key of the table `provenance`"),)
IMAGE = (
    Column("image_id", pa.string(), "", "the dataset's name of the image"),
    Column("target", pa.int8(), "", "1 where the image has the target attribute"),
    Column("protected", pa.int8(), "", "1 where the image has the protected attribute"),
)
VALUE = (
    Column("metric", WORD, "", "name of the metric (docs/metrics.md)"),
    Column("value", pa.float64(), "the metric's", "value; missing where it is not defined"),
)
INTERVAL = (
    Column("ci_low", pa.float64(), "the value's", "lower end of the 95 % interval"),
    Column("ci_high", pa.float64(), "the value's", "upper end of the 95 % interval"),
)


ATTRIBUTE = (
    Column("attribute", WORD, "", "attribute that the patch classifier is trained on"),
    Column("network", WORD, "", "patch classifier: published or dense"),
)


def _floats(unit: str, **meanings: str) -> tuple[Column, ...]:
    return tuple(Column(name, pa.float64(), unit, text) for name, text in meanings.items())


def _ints(unit: str, **meanings: str) -> tuple[Column, ...]:
    return tuple(Column(name, pa.int64(), unit, text) for name, text in meanings.items())


TABLES = {
    table.name: table
    for table in (
        Table(
            "splits",
            "one role of one split",
            (
                *KEY,
                Column("role", WORD, "", "train, debias or test"),
                *_ints(
                    "images",
                    n="images",
                    n11="protected 1, target 1",
                    n10="protected 1, target 0",
                    n01="protected 0, target 1",
                    n00="protected 0, target 0",
                ),
                *_floats(
                    "",
                    phi="achieved phi of target and protected attribute",
                    yules_q="Yule's Q",
                    yules_y="Yule's Y",
                ),
                *RUN,
            ),
        ),
        Table(
            "predictions",
            "one test image and one model",
            (
                *KEY,
                *IMAGE,
                *_floats("", logit_0="logit of class 0", logit_1="logit of class 1"),
                *_floats("probability", score="P(target = 1)"),
                Column("decision", pa.int8(), "", "decision of the model's rule"),
                *_floats(
                    "",
                    twin_logit_0="logit of class 0 of the image's twin",
                    twin_logit_1="logit of class 1 of the image's twin",
                ),
                *_floats("probability", twin_score="P(target = 1) of the image's twin"),
                Column("twin_decision", pa.int8(), "", "decision on the image's twin"),
                *RUN,
            ),
        ),
        Table("image_metrics", "one metric of one map", (*KEY, *IMAGE, *VALUE, *RUN)),
        Table(
            "cell_metrics",
            "one metric of one cell",
            (*KEY, *VALUE, *INTERVAL, *_ints("images", n="images the value rests on"), *RUN),
        ),
        Table(
            "tests",
            "one statistical test; paired comparisons pool the seeds (seed is missing)",
            (
                *KEY,
                Column("test", WORD, "", "rddt, det, or paired comparison with `reference`"),
                Column("reference", WORD, "", "what the method is compared with"),
                Column("metric", WORD, "", "metric that is compared"),
                *_floats("the metric's", effect="mean difference (method's minus reference's)"),
                *INTERVAL,
                *_floats("", statistic="t statistic; missing for bootstrap tests"),
                *_floats(
                    "probability",
                    p_value="p-value",
                    p_holm="p-value after Holm's correction in its family",
                ),
                *_floats("", wilcoxon_statistic="statistic of Wilcoxon's signed-rank test"),
                *_floats("probability", wilcoxon_p="p-value of Wilcoxon's signed-rank test"),
                Column("significant", pa.bool_(), "", "p below alpha (0.01 rddt, det; 0.05 Holm)"),
                *_ints("images", n="images the test rests on"),
                *RUN,
            ),
        ),
        Table(
            "runtimes",
            "one job",
            (
                *KEY,
                Column("stage", WORD, "", "stage (rule)"),
                Column("explainers", WORD, "", "set of explainers"),
                *_floats("s", seconds="wall time"),
                *_floats("MiB", max_rss="peak resident memory"),
                *_floats("%", mean_load="mean CPU load"),
                Column("device", WORD, "", "cpu, or the GPU's name"),
                *_floats("MiB", peak_gpu="peak GPU memory; missing on the CPU"),
                Column("reduced", pa.string(), "", "batch sizes that did not fit: asked > used"),
                *RUN,
            ),
        ),
        Table(
            "leaderboard",
            "one method at one level: means over seeds",
            (
                *KEY,
                *_ints("", rank="rank by equalized odds among methods that did not collapse"),
                *_floats(
                    "",
                    equalized_odds="equalized odds, lower is fairer",
                    equalized_odds_low="lower end of its 95 % interval",
                    equalized_odds_high="upper end of its 95 % interval",
                    accuracy="accuracy",
                    worst_group_accuracy="accuracy of the worst of the four groups",
                    rrf="relevance fraction in the ROI",
                    adr="mean decrease of intensity in the ROI against vanilla",
                    dif="share of ROI pixels with less intensity than vanilla's",
                    rddt="share of seeds in which the decrease is significant",
                    twin_flip_rate="share of decisions that the protected attribute flips",
                    equalized_odds_change="equalized odds minus vanilla's",
                    equalized_odds_change_p="Holm-corrected p-value of that change",
                ),
                *_ints(
                    "", n_seeds="seeds", n_collapsed="seeds where under 5 % of decisions differ"
                ),
                *RUN,
            ),
        ),
        Table(
            "associations",
            "fairness against saliency shift over all cells (RQ1): one statistic",
            (
                *KEY,
                Column("model", WORD, "", "spearman, or the regression that could be fitted"),
                Column("outcome", WORD, "", "fairness number"),
                Column("predictor", WORD, "", "saliency number"),
                *_floats("", estimate="rank correlation or slope"),
                *INTERVAL,
                *_floats("probability", p_value="p-value of no association"),
                *_ints("cells", n="cells"),
                Column("note", pa.string(), "", "what was fitted"),
                *RUN,
            ),
        ),
        Table(
            "region_calibration",
            "one patch classifier, over all patches of its validation images",
            (
                *KEY,
                *ATTRIBUTE,
                *_ints("px", size="side of the image", patch="side of a patch"),
                *_ints("positions", grid="patch positions per side of the image"),
                *_ints("", n_classes="classes of the attribute", bins="bins of the ECE"),
                *_ints("images", n_train="images trained on", n_validation="validation images"),
                *_ints("patches", patches="patches of the validation images"),
                *_floats(
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
                *_ints("", bin="number of the bin, from 0"),
                *_floats("", low="lower edge of the bin", high="upper edge of the bin"),
                *_ints("patches", n="patches in the bin"),
                *_floats(
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
                *_ints(
                    "",
                    position="number of the position, row by row from 0",
                    row="row of the grid, from the top",
                    column="column of the grid, from the left",
                ),
                *_ints("patches", n="validation patches at the position"),
                *_floats(
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
                *_ints("", row="the map's place in the file"),
                *_ints("px", size="side of the image", patch="side of a patch"),
                *_ints("positions", grid="patch positions per side: the map is grid x grid"),
                Column("confidence", WORD, "", "confidence: maximum, margin or entropy"),
                *_floats("", quantile="quantile above which the map's region lies"),
                *_floats(
                    "share",
                    mask_share="known region's share of the image; missing where none is known",
                    mask_mass="share of the normalised map's sum inside the known region",
                    iou="overlap of map's and known region: intersection over union",
                ),
                *RUN,
            ),
        ),
        Table(
            "data_attribution",
            "one model: the full grid behind `table_one`",
            (
                *KEY,
                Column("kind", WORD, "", "kind of the method: vanilla, balanced, mask_general ..."),
                *_floats("", quantile="quantile of a mask or noise; missing for the baselines"),
                *_ints("", epochs="epochs of the method; missing where they are vanilla's"),
                *_ints("images", n="test images", validation_n="validation (debias) images"),
                *_floats(
                    "share",
                    accuracy="accuracy on the test images",
                    accuracy_1="accuracy where target = 1 (men, where the target is Male)",
                    accuracy_0="accuracy where target = 0 (women, where the target is Male)",
                    gap="|accuracy_1 - accuracy_0|",
                    validation_accuracy="accuracy on the validation images",
                    validation_accuracy_1="accuracy on validation images where target = 1",
                    validation_accuracy_0="accuracy on validation images where target = 0",
                    validation_gap="|validation_accuracy_1 - validation_accuracy_0|",
                ),
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
                *_floats("", quantile="the quantile chosen"),
                Column("best", pa.bool_(), "", "the same choice prefers this scheme to the others"),
                Column("metric", WORD, "", "accuracy, accuracy_1, accuracy_0 or gap"),
                *_floats(
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
                *_ints("seeds", n_seeds="seeds that have both the scheme and the original"),
                *RUN,
            ),
        ),
        Table(
            "reliance",
            "one saliency metric of one cell, beside the model's true reliance (where twins exist)",
            (
                *KEY,
                Column("metric", WORD, "", "name of the metric (docs/metrics.md)"),
                Column("shown", WORD, "", "images: with or without the protected attribute, all"),
                Column("value", pa.float64(), "the metric's", "mean over these images"),
                *INTERVAL,
                *_ints("images", n="images the value rests on"),
                *_floats("the metric's", chance="value of the control explainer `random`"),
                Column("called", pa.bool_(), "", "the metric's claim is made: beyond the control"),
                *_floats(
                    "share",
                    flips="decisions that switching the protected attribute alone flips",
                    flips_low="lower end of its 95 % interval",
                    flips_high="upper end of its 95 % interval",
                ),
                *_floats("logits", logit_change="mean |change of the difference of logits|"),
                *_floats("share", accuracy_change="accuracy without the attribute minus with it"),
                Column("reliant", pa.bool_(), "", "the claim is true (docs/metrics.md)"),
                Column("place", pa.bool_(), "", "the ROI is where the protected attribute is"),
                Column("collapsed", pa.bool_(), "", "under 5 % of decisions differ"),
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
                *_floats("", estimate="Spearman's correlation of claim and truth over cells"),
                *INTERVAL,
                *_ints(
                    "cells",
                    cells="cells the correlation rests on",
                    n_reliant="cells where the claim is true",
                    n_not_reliant="cells where it is not, the ROI being the attribute's place",
                ),
                *_floats(
                    "share",
                    hit_rate="true claims that are made",
                    false_alarm_rate="claims made though untrue",
                    false_alarm_place_rate="claims made where the ROI is not the attribute's place",
                ),
                *_ints("", rank="rank by correlation with flips, images with the attribute"),
                *RUN,
            ),
        ),
        Table(
            "sanity",
            "one explainer after one step of making a vanilla network random, output first",
            (
                *KEY,
                Column("layer", WORD, "", "the last layer made random"),
                *_ints("layers", randomised="layers made random", of="layers of the network"),
                Column("similarity", WORD, "", "ssim or spearman, of |r| over pixels"),
                *_floats("similarity", value="mean similarity to the original maps, -1 to 1"),
                *INTERVAL,
                *_ints("images", n="images, without those with a map of zeros"),
                *RUN,
            ),
        ),
        Table(
            "provenance",
            "one run of tabulate: what `run` in the other tables stands for",
            (
                Column("run", WORD, "", "digest of this row"),
                Column("study", WORD, "", "name of the study"),
                Column("suite", pa.string(), "", "version of Right Reasons"),
                Column("config", pa.string(), "JSON", "the study's full config"),
                Column("versions", pa.string(), "JSON", "versions of the libraries"),
                Column("device", pa.string(), "", "device of the networks"),
            ),
        ),
    )
}


def conform(frame: pd.DataFrame, table: Table) -> pa.Table:
    """Return the frame in the table's schema; absent columns are missing values.

    Raises ValueError for a column that the schema does not know.
    """
    if unknown := set(frame.columns) - {column.name for column in table.columns}:
        raise ValueError(f"table {table.name} has no columns {sorted(unknown)}")
    arrays = [_array(frame, column) for column in table.columns]
    return pa.Table.from_arrays(arrays, schema=table.schema)


def write_table(parts: Iterable[pd.DataFrame], name: str, path: Path) -> None:
    """Write the parts of a table one after the other, whole or not at all."""
    table = TABLES[name]
    with (
        whole(path) as scratch,
        pq.ParquetWriter(scratch, table.schema, compression="zstd") as writer,
    ):
        for part in parts:
            if len(part):
                writer.write_table(conform(part, table))


def read_table(path: Path) -> pd.DataFrame:
    """Return a table with plain strings in place of dictionaries."""
    frame = pq.read_table(path).to_pandas()
    words = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(words, object))


def data_dictionary() -> str:
    """Return `results/README.md`: every table's rows, columns, types, units, meanings."""
    lines = [
        "# Data dictionary",
        "",
        "Results of a study lie in `results/<study>/`: one folder per stage, `logs/`,",
        "`benchmarks/` (Snakemake's), and `tables/<table>.parquet`, described here. The columns'",
        "units and meanings are in the files' column metadata too. Made from",
        "`rightreasons/tables/schema.py` by `python -m rightreasons.tables.schema`; do not edit.",
    ]
    for table in TABLES.values():
        lines += ["", f"## {table.name}", "", f"One row: {table.row}.", ""]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{c.name}` | {_type_name(c.type)} | {c.unit} | {c.meaning} |" for c in table.columns
        ]
    return "\n".join(lines) + "\n"


def _array(frame: pd.DataFrame, column: Column) -> pa.Array:
    if column.name not in frame:
        return pa.nulls(len(frame), column.type)
    values = frame[column.name]
    if column.type == WORD:
        return pa.array(values, pa.string(), from_pandas=True).dictionary_encode()
    return pa.array(values, column.type, from_pandas=True)


def _type_name(type_: pa.DataType) -> str:
    return "string" if type_ == WORD else str(type_)


if __name__ == "__main__":
    print(data_dictionary(), end="")
