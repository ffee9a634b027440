"""Time and memory of the tables of a study as large as the published one, and of queries on them.

    python benchmarks/scale.py [--tasks 2] [--levels 10] [--seeds 5] [--maps 2000] [--jobs 2]

Makes the files that a study's tables are made of, with random numbers in place of networks and
maps: 9 methods, 2 explainers and every metric of maps. With the numbers above that are 50 million
rows of `image_metrics`, 1.2 GB on the disk with the tables. Then it runs the jobs as a study does,
each a process of its own: `compare` for every task, design and level, `--jobs` of them at a time,
then `tabulate` and `tabulate_reliance`. Last come the README's queries and three on images.
Printed are seconds of the clock and of the processor (starts of processes included), and the
highest resident memory of a process (VmHWM; Linux only).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rightreasons.core.files import write_json, write_parquet
from rightreasons.core.job import Group, Running
from rightreasons.core.seeds import numpy_rng
from rightreasons.metrics import METRICS
from rightreasons.metrics.by_group import GROUPS, OF_GROUP
from rightreasons.study.load import load_config
from rightreasons.study.plan import Plan
from rightreasons.study.plan_tables import TablePlan
from rightreasons.study.rules import Rules

Array = np.ndarray
ROOT = Path(__file__).parent.parent
ATTRIBUTES = ("Wearing_Necktie", "Wearing_Hat", "Eyeglasses", "Blond_Hair")
METHODS = ("vanilla", "finetune", "thropt", "leace", "p_clarc", "dfr", "zhang", "rrr", "mmd")
EXPLAINERS = ("lrp", "random")
#: Images that all splits draw their test images from, and those of the other role with predictions.
POOL, DEBIAS = 20_000, 500
QUERIES = {
    "one metric of all images": """
        SELECT method, level, avg(value) FROM '{tables}/image_metrics.parquet'
        WHERE metric = 'rrf' AND explainer = 'lrp' GROUP BY method, level""",
    "the images of one cell": """
        SELECT image_id, value FROM '{tables}/image_metrics.parquet'
        WHERE metric = 'rrf' AND explainer = 'lrp' AND method = 'vanilla' AND seed = 0
          AND level = (SELECT max(level) FROM '{tables}/cell_metrics.parquet')
        ORDER BY value DESC LIMIT 20""",
    "all metrics of all images": """
        SELECT metric, explainer, method, avg(value) FROM '{tables}/image_metrics.parquet'
        GROUP BY metric, explainer, method""",
}


@dataclass(frozen=True)
class Shape:
    """How large a study is."""

    tasks: int
    levels: int
    seeds: int
    methods: int
    maps: int
    test: int


def main() -> None:
    """Make the study, run its jobs, ask its tables, print."""
    options = arguments()
    if options.do:
        return do(json.loads(options.do.read_text()))
    sizes = {name: getattr(options, name) for name in Shape.__annotations__}
    shape = Shape(**sizes)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        plan = Plan(load_config(config(shape, Path(folder))))
        groups = plan.grid.groups()
        with ProcessPoolExecutor(options.jobs) as pool:
            rows = sum(pool.map(make, [(plan.study, shape, group) for group in groups]))
        print(f"{rows:,} rows of image_metrics in {len(groups)} groups of {shape}\n")
        print(run(plan, options.jobs, Path(folder)).to_markdown(index=False))
        print()
        print(pd.DataFrame(ask(plan)).to_markdown(index=False, floatfmt=".2f"))


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=2, help=f"at most {len(ATTRIBUTES)}")
    parser.add_argument("--levels", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", type=int, default=9, help=f"at most {len(METHODS)}")
    parser.add_argument("--maps", type=int, default=2000, help="explained images of each cell")
    parser.add_argument("--test", type=int, default=2000, help="test images of each cell")
    parser.add_argument("--jobs", type=int, default=2, help="jobs at a time")
    parser.add_argument("--folder", type=Path, help="where the study is made, and removed again")
    parser.add_argument("--do", type=Path, help=argparse.SUPPRESS)  # one job, described in a file
    return parser.parse_args()


def config(shape: Shape, folder: Path) -> dict[str, Any]:
    """Return a study's config."""
    tasks = {
        f"smiling_by_{attribute.lower()}": {
            "dataset": "synthfaces",
            "target": "Smiling",
            "protected": attribute,
            "roi": {"mask": attribute},
        }
        for attribute in ATTRIBUTES[: shape.tasks]
    }
    levels = np.round(np.linspace(0, 0.9, shape.levels), 6).tolist()
    return {
        "study": "scale",
        "results": str(folder),
        "seeds": list(range(shape.seeds)),
        "datasets": {"synthfaces": {"size": 64, "n_images": POOL}},
        "tasks": tasks,
        "designs": {"phi": {"levels": levels}},
        "model": {"architecture": "small_cnn"},
        "methods": {method: {} for method in METHODS[: shape.methods]},
        "controls": False,
        "explain": {"images": shape.maps, "sets": {"main": {name: {} for name in EXPLAINERS}}},
    }


# Making


def make(asked: tuple[Any, Shape, Group]) -> int:
    """Write a group's splits, predictions and measures; return its rows of image_metrics."""
    study, shape, group = asked
    plan = Plan(study)
    rng = numpy_rng(group.seed, "scale", *group.stream)
    images = pd.DataFrame({
        "row": rng.permutation(POOL)[: shape.test + DEBIAS],
        "role": np.repeat(["test", "debias"], [shape.test, DEBIAS]),
    })  # fmt: skip
    labels = numpy_rng(0, "scale", group.task).integers(0, 2, (2, POOL), np.int8)
    for name, known in zip(("target", "protected"), labels, strict=True):
        images[name] = known[images["row"]]
    images.insert(1, "image_id", images["row"].map("{:06d}".format))
    _write(images, plan.split(group).output.split)
    shared = rng.normal(size=len(images))
    for method in study.methods:
        files = plan.model_files(group, method)
        _write(predictions(images, shared, group, method), files.predictions)
        write_json(metadata(method), files.metadata)
    measures = plan.measure_files(group)
    measures.image_metrics.parent.mkdir(parents=True)
    key = {"study": study.study, **group.model_dump()}
    table = image_metrics(images.head(shape.maps), list(study.methods), key, rng)
    pq.write_table(table, measures.image_metrics)
    write_parquet(cell_metrics(shape, key, rng), measures.cell_metrics)
    write_parquet(map_tests(shape, key, rng), measures.tests)
    write_parquet(of_groups(key, shape, rng), measures.groups)
    return table.num_rows


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True)
    write_parquet(table, path)


def metadata(method: str) -> dict[str, Any]:
    """Return what the tables read of a model's `model.json`."""
    return {
        "device": "cpu",
        "peak_gpu_mib": None,
        "reduced_batches": {},
        "python": "3",
        "versions": {"torch": "2"},
        "method": {"kind": method},
        "labels": {"target": 1000, "protected": 0},
        "image_passes": 1000,
    }


def predictions(images: pd.DataFrame, shared: Array, group: Group, method: str) -> pd.DataFrame:
    """Return a model's predictions, which lean on the protected attribute by the level."""
    rng = numpy_rng(group.seed, "scale", *group.stream, method)
    bias = 2 * group.level / (1 + METHODS.index(method))
    place = 2 * images["target"] - 1 + shared + 0.5 * rng.normal(size=len(images))
    sign = 2 * images["protected"] - 1
    table = images.drop(columns="row")
    for prefix, logit in (("", place + bias * sign), ("twin_", place - bias * sign)):
        table[f"{prefix}logit_0"], table[f"{prefix}logit_1"] = np.float32(0), np.float32(logit)
        table[f"{prefix}score"] = 1 / (1 + np.exp(-logit))
        table[f"{prefix}decision"] = (logit > 0).astype("Int8")
        table[f"{prefix}chance"] = (logit > 0).astype(float)
    twins = [name for name in table if name.startswith("twin_")]
    return table.assign(**{name: table[name].where(table["role"] == "test") for name in twins})


def of_kinds(*kinds: str) -> list[str]:
    """Return the metrics of some kinds."""
    return [metric.name for metric in METRICS if metric.traits["kind"] in kinds]


def image_metrics(
    images: pd.DataFrame, methods: list[str], key: dict[str, Any], rng: np.random.Generator
) -> pa.Table:
    """Return random metrics of maps, in the order in which `measure` has them."""
    metrics = of_kinds("image", "pair")
    sizes = (len(methods), len(EXPLAINERS), len(metrics), len(images))
    method, explainer, metric, image = (place.ravel() for place in np.indices(sizes, np.int32))
    shift = 0.1 * rng.normal(size=sizes[:3])[..., None] + images["protected"].to_numpy()
    values = (shift + rng.normal(size=sizes)).ravel()
    values[rng.random(len(values)) < 0.01] = np.nan
    columns = {
        "image_id": _words(image, images["image_id"]),
        **{name: pa.array(images[name].to_numpy()[image]) for name in ("target", "protected")},
        "metric": _words(metric, metrics),
        "value": pa.array(values, from_pandas=True),
        "explainer": _words(explainer, EXPLAINERS),
        "method": _words(method, methods),
    }
    for name, value in key.items():
        word = isinstance(value, str)
        same = np.zeros(len(values), np.int32)
        columns[name] = _words(same, [value]) if word else pa.array(np.full(len(values), value))
    return pa.table(columns)


def _words(places: Array, words: Any) -> pa.Array:
    return pa.DictionaryArray.from_arrays(places, pa.array(words, pa.large_string())).cast(
        pa.large_string()
    )


def of_groups(key: dict[str, Any], shape: Shape, rng: np.random.Generator) -> pd.DataFrame:
    """Return random metrics of two groups of every method."""
    rows = [
        (method, code, ("no", "yes")[code], None, metric, *rng.uniform(size=3), 100)
        for method in METHODS[: shape.methods]
        for code in (0, 1)
        for metric in OF_GROUP
    ]
    return pd.DataFrame(rows, columns=["method", *GROUPS]).assign(**key)


def cell_metrics(shape: Shape, key: dict[str, Any], rng: np.random.Generator) -> pd.DataFrame:
    """Return random metrics of predictions and means of metrics of maps."""
    flat = [(name, None, shape.test) for name in of_kinds("group", "reliance")]
    maps = of_kinds("image", "pair", "test")
    flat += [(name, explainer, shape.maps) for explainer in EXPLAINERS for name in maps]
    names = [(method, *one) for method in METHODS[: shape.methods] for one in flat]
    table = pd.DataFrame(names, columns=["method", "metric", "explainer", "n"])
    value = rng.random(len(table))
    flags = table["metric"].isin(["det", "rddt", "collapsed_prediction", "constant_prediction"])
    value = np.where(flags, 0.0, value)
    return table.assign(value=value, ci_low=value - 0.05, ci_high=value + 0.05, **key)


def map_tests(shape: Shape, key: dict[str, Any], rng: np.random.Generator) -> pd.DataFrame:
    """Return random significance tests of maps."""
    names = [
        (m, e, t) for m in METHODS[: shape.methods] for e in EXPLAINERS for t in of_kinds("test")
    ]
    table = pd.DataFrame(names, columns=["method", "explainer", "test"])
    numbers = {name: rng.random(len(table)) for name in ("effect", "statistic", "p_value")}
    return table.assign(
        metric="intensity", significant=numbers["p_value"] < 0.05, n=shape.maps, **numbers, **key
    )


# Running


def run(plan: Plan, jobs: int, folder: Path) -> pd.DataFrame:
    """Run the jobs that make the tables; return a row for each stage, then one for all."""
    rules, tables = Rules(plan), TablePlan(plan)
    levels = [
        {"task": task, "design": design, "level": f"{level:g}"}
        for task, design, level in tables.levels()
    ]
    rows = []
    for stage, wildcards in (("compare", levels), ("tabulate", [{}]), ("tabulate_reliance", [{}])):
        described = [
            describe(rules, stage, one, folder / f"job-{stage}-{number}.json")
            for number, one in enumerate(wildcards)
        ]
        start = time.perf_counter()
        with ThreadPoolExecutor(jobs) as pool:
            used, peaks = zip(*pool.map(start_job, described), strict=True)
        seconds = time.perf_counter() - start
        rows.append((stage, len(described), seconds, sum(used), max(peaks)))
    count, seconds, used, peaks = zip(*(row[1:] for row in rows), strict=True)
    rows.append(("all", sum(count), sum(seconds), sum(used), max(peaks)))
    names = ("stage", "jobs", "seconds", "of processors", "most memory (MiB)")
    return pd.DataFrame(rows, columns=names).round({"seconds": 1, "of processors": 1, names[4]: 0})


def describe(rules: Rules, stage: str, wildcards: dict[str, str], path: Path) -> Path:
    """Write what a job's process needs to know."""
    job = rules.job(stage, wildcards)
    for name in job.output.named().values():
        Path(str(name)).parent.mkdir(parents=True, exist_ok=True)
    kind = type(job)
    write_json(
        {
            "stage": stage,
            "kind": kind.__name__,
            "input": job.input.named(),
            "output": job.output.named(),
            "carried": job.carried(),
        },
        path,
    )
    return path


def start_job(path: Path) -> tuple[float, float]:
    """Run a job as a process; return its seconds of the processor and its peak memory in MiB."""
    command = [sys.executable, __file__, "--do", str(path)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    used, peak = said.splitlines()[-1].split()
    return float(used), float(peak)


def do(described: dict[str, Any]) -> None:
    """Do a job in this process; print its seconds of the processor and its peak memory in MiB."""
    module = importlib.import_module(f"rightreasons.stages.{described['stage']}")
    kind = getattr(module, described["kind"])
    job = kind.received(described["input"], described["output"], described["carried"])
    getattr(module, described["stage"])(job, Running(lambda items, description: items))
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    print(sum(os.times()[:2]), int(found[1]) / 1024 if found else np.nan)


# Asking


def ask(plan: Plan) -> Iterator[dict[str, Any]]:
    """Ask the README's questions and QUERIES of the tables; yield the seconds of each."""
    import duckdb

    tables = Path(plan.paths.folder("tables"))
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"\*\*([^*]+)\*\*[^*]*?```sql\n(.*?)```", text, re.S)
    asked = {name: query.replace("results/demo/tables", "{tables}") for name, query in found}
    for name, query in {**asked, **QUERIES}.items():
        needed = re.findall(r"\{tables\}/(\w+)\.parquet", query)
        if not all((tables / f"{table}.parquet").exists() for table in needed):
            continue  # of patch classifiers and run times there is nothing
        connection = duckdb.connect(config={"threads": 2})
        start = time.perf_counter()
        rows = connection.execute(query.replace("{tables}", str(tables))).fetchall()
        seconds = time.perf_counter() - start
        yield {"query": name, "of": needed[0], "rows": len(rows), "seconds": seconds}


if __name__ == "__main__":
    main()
