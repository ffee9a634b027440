"""What the tables hold that every study has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pyarrow as pa

from rightreasons.core.registry import Component
from rightreasons.metrics import METRICS, ranking, utility
from rightreasons.tables.columns import (
    IMAGE,
    INTERVAL,
    KEY,
    RUN,
    VALUE,
    WORD,
    Column,
    Table,
    floats,
    ints,
)
from rightreasons.tables.leaderboard import shown_beside
from rightreasons.tables.schema_tuning import OF_METHOD


def _of_headline_metrics() -> tuple[Column, ...]:
    """Return the leaderboard's numbers: a column per metric, more of fairness and utility."""
    fairness, kept = ranking(), utility()
    standing = (
        Column(
            "takes_part",
            pa.bool_(),
            "",
            f"no seed collapsed, `{kept.name}` is better than chance, neither control nor noise",
        ),
        Column(
            "front",
            pa.bool_(),
            "",
            f"on the Pareto front of `{fairness.name}` and `{kept.name}` of those that take part",
        ),
        Column(
            "alike",
            WORD,
            "",
            f"methods that share a letter cannot be told apart by `{fairness.name}`; missing for "
            "one seed",
        ),
    )
    own = {
        f"{metric.name}{end}": meaning
        for metric in (fairness, kept)
        for end, meaning in (
            ("", _meaning(metric)),
            ("_low", "lower end of its 95 % interval by seed (over images for one seed)"),
            ("_high", "upper end"),
        )
    }
    change = {
        f"{fairness.name}_change{end}": meaning
        for end, meaning in (
            ("", f"{fairness.title}: the method's minus the original's"),
            ("_low", "lower end of its 95 % interval by seed; missing for one seed"),
            ("_high", "upper end"),
            ("_p", "Holm-corrected p-value of that change by seed"),
        )
    }
    others = [METRICS[name] for name in shown_beside(fairness.name, kept.name)]
    shown = {metric.name: _meaning(metric) for metric in others}
    return (*standing, *floats("", **own), *floats("", **shown), *floats("", **change))


def _meaning(metric: Component) -> str:
    if metric.traits["kind"] == "test":
        return f"{metric.title}: share of seeds in which it is significant"
    better = metric.traits["better"]
    return metric.title if better == "none" else f"{metric.title}; {better} is better"


def _of_probes() -> Iterator[Column]:
    """Yield AUROC and accuracy of each attribute that is probed, with their intervals."""
    named = {"target": "target", "protected": "protected attribute"}
    numbers = {"_auroc": "AUROC", "_accuracy": "mean accuracy of the four cells"}
    for (asked, attribute), (name, number) in product(named.items(), numbers.items()):
        meanings = {
            f"{asked}{name}": f"{number} of the {attribute}'s probe; 0.5 is chance",
            f"{asked}{name}_low": "lower end of its 95 % interval over images",
            f"{asked}{name}_high": "upper end of its 95 % interval over images",
        }
        yield from floats("", **meanings)


TABLES = (
    Table(
        "splits",
        "one role of one split",
        (
            *KEY,
            Column("role", WORD, "", "train, debias, select, test or balanced"),
            Column(
                "composition",
                WORD,
                "",
                "what the role holds by the design: the association of the level, equal cells, or "
                "natural (drawn without regard to the protected attribute)",
            ),
            *ints(
                "images",
                n="images",
                n11="protected 1, target 1; these and what follows are missing of more than two "
                "groups or classes",
                n10="protected 1, target 0",
                n01="protected 0, target 1",
                n00="protected 0, target 0",
            ),
            *floats(
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
            *floats("", logit_0="logit of class 0", logit_1="logit of class 1"),
            *floats(
                "probability",
                score="P(target = 1); of more than two classes the probability of the decided one, "
                "for a twin of the class decided for the image (all classes': the model's "
                "predictions.parquet)",
            ),
            Column("decision", pa.int8(), "", "decision of the model's rule, drawn if by lot"),
            *floats(
                "probability",
                chance="how often 1 is decided: measures count this; of more than two classes how "
                "often the class decided for the image is, so that it is 1",
            ),
            *floats(
                "",
                twin_logit_0="logit of class 0 of the image's twin",
                twin_logit_1="logit of class 1 of the image's twin",
            ),
            *floats("probability", twin_score="P(target = 1) of the image's twin"),
            Column("twin_decision", pa.int8(), "", "decision on the image's twin, the same draw"),
            *floats("probability", twin_chance="how often 1 is decided on the image's twin"),
            Column(
                "watched",
                pa.int8(),
                "",
                "the watched attribute, 0 or 1; this and what follows is missing where none is",
            ),
            *floats(
                "",
                watched_twin_logit_0="logit of class 0 of the twin in the watched attribute",
                watched_twin_logit_1="logit of class 1 of the twin in the watched attribute",
            ),
            *floats("probability", watched_twin_score="P(target = 1) of that twin"),
            Column("watched_twin_decision", pa.int8(), "", "decision on that twin, the same draw"),
            *floats("probability", watched_twin_chance="how often 1 is decided on that twin"),
            *RUN,
        ),
    ),
    Table("image_metrics", "one metric of one map", (*KEY, *IMAGE, *VALUE, *RUN)),
    Table(
        "cell_metrics",
        "one metric of one cell",
        (*KEY, *VALUE, *INTERVAL, *ints("images", n="images the value rests on"), *RUN),
    ),
    Table(
        "groups",
        "one metric of one protected group of one model, on test images",
        (
            *KEY,
            Column("group_code", pa.int64(), "", "the group's number: `protected` elsewhere"),
            Column("group_name", WORD, "", "its name: Male, not Male; of an intersection A & B"),
            Column(
                "class_name",
                WORD,
                "",
                "of more than two classes the one that is told from all others; missing of two, "
                "where rates are of class 1, and of the accuracy",
            ),
            Column("metric", WORD, "", "accuracy, selection_rate, tpr, fpr or auroc"),
            Column("value", pa.float64(), "", "value; missing where no image has part in it"),
            *INTERVAL,
            *ints("images", n="images the value rests on; 0 for a group without any"),
            *RUN,
        ),
    ),
    Table(
        "tests",
        "one statistical test; comparisons of methods are over all seeds (seed is missing)",
        (
            *KEY,
            Column(
                "test",
                WORD,
                "",
                "significance test of maps; or `paired` (with `reference`), `all pairs`, `mean` "
                "(no test, the method's own mean)",
            ),
            Column(
                "unit",
                WORD,
                "",
                "what a comparison speaks of: `seed`, other training runs and images; `image`, "
                "these models on other images",
            ),
            Column("reference", WORD, "", "what the method is compared with"),
            Column("metric", WORD, "", "metric that is compared"),
            *floats("the metric's", effect="mean difference (method's minus reference's)"),
            *INTERVAL,
            *floats(
                "",
                statistic="t statistic; missing for bootstrap tests",
                df="its degrees of freedom",
            ),
            *floats(
                "probability",
                p_value="p-value",
                p_holm="p-value after Holm's correction in its family",
            ),
            Column(
                "at_floor",
                pa.bool_(),
                "",
                "p is the smallest that the replicates can give: a bound",
            ),
            *floats("", wilcoxon_statistic="statistic of Wilcoxon's signed-rank test"),
            *floats("probability", wilcoxon_p="p-value of Wilcoxon's signed-rank test"),
            Column("significant", pa.bool_(), "", "p below alpha (a test's own; 0.05 after Holm)"),
            *ints("images", n="images the test rests on, of all seeds"),
            *ints("seeds", n_seeds="seeds the test rests on"),
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
            *floats("s", seconds="wall time"),
            *floats("MiB", max_rss="peak resident memory"),
            *floats("%", mean_load="mean CPU load"),
            Column("device", WORD, "", "cpu, or the GPU's name"),
            *floats("MiB", peak_gpu="peak GPU memory; missing on the CPU"),
            Column("reduced", pa.string(), "", "batch sizes that did not fit: asked > used"),
            *RUN,
        ),
    ),
    Table(
        "leaderboard",
        "one method at one level: means over seeds",
        (
            *KEY,
            *OF_METHOD,
            _of_headline_metrics,
            *ints("", n_seeds="seeds", n_collapsed="seeds in which the model collapsed"),
            *RUN,
        ),
    ),
    Table(
        "feasibility",
        "one split: what a balanced linear probe of the original's features tells of its select "
        "images, cross-validated; splits without select have no row",
        (*KEY, *_of_probes(), *ints("images", n="select images"), *RUN),
    ),
    Table(
        "associations",
        "change of an outcome against a shift of saliency over all cells (RQ1): one statistic",
        (
            *KEY,
            Column("model", WORD, "", "spearman, or the regression that could be fitted"),
            Column("outcome", WORD, "", "change of a number of predictions"),
            Column("predictor", WORD, "", "shift of a number of maps"),
            *floats("", estimate="rank correlation or slope"),
            *INTERVAL,
            *floats("probability", p_value="p-value of no association"),
            *ints("cells", n="cells"),
            Column("note", pa.string(), "", "what was fitted"),
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
            Column(
                "commit",
                pa.string(),
                "",
                "commit of Right Reasons, with + where files differ from it; missing without git",
            ),
            Column("code", pa.string(), "", "digest of the code of Right Reasons, prose left out"),
            Column("config", pa.string(), "JSON", "the study's full config"),
            Column("versions", pa.string(), "JSON", "versions of the libraries"),
            Column("device", pa.string(), "", "device of the networks"),
        ),
    ),
)
