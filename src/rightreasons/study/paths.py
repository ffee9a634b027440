"""Where results lie: one folder per stage below `results/<study>/`."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import GROUP_FOLDER, Group
from rightreasons.study.grid import region_name

#: A stage's folder for one job, with Snakemake's wildcards.
FOLDERS = {
    "fetch": "fetch/{dataset}",
    "pool": "pool/{dataset}",
    "twins": "pool/{dataset}-twins-{attribute}",  # of logs alone: twins lie in the pool
    "region": "region/{dataset}/{region}",
    "fenced_region": "fenced_region/{task}/{design}/seed-{seeds}/{region}",
    "split": f"split/{GROUP_FOLDER}",
    "train": f"train/{GROUP_FOLDER}",
    "debias": f"debias/{GROUP_FOLDER}/{{method}}",
    "tune": f"tune/{GROUP_FOLDER}/{{method}}",
    "choose": "choose/{task}/{design}-{at}/{method}",
    "explain": f"explain/{GROUP_FOLDER}/{{method}}/{{explainers}}",
    "witness": f"witness/{GROUP_FOLDER}/{{witness}}",
    "explain_witness": f"witness/{GROUP_FOLDER}/{{witness}}/{{explainers}}",
    "sanity": f"sanity/{GROUP_FOLDER}/{{explainers}}",
    "probe": f"probe/{GROUP_FOLDER}/{{method}}/{{explainers}}",
    "measure": f"measure/{GROUP_FOLDER}",
    "universe": f"universe/{GROUP_FOLDER}",
    "compare": "compare/{task}/{design}-{level}",
    "tables": "tables",
    "report": "report",
}


class Paths:
    """The folders of a study's results.

    Parameters
    ----------
    root
        The study's folder.
    original
        The method whose models are those of the stage `train`.
    """

    def __init__(self, root: str, original: str) -> None:
        self.root = root
        self.original = original

    def pattern(self, stage: str) -> str:
        """Return the folder of a stage's jobs, with Snakemake's wildcards."""
        return f"{self.root}/{FOLDERS[stage]}"

    def folder(self, stage: str, group: Group | None = None, **wildcards: str) -> str:
        """Return the folder of one job of a stage."""
        return self.pattern(stage).format(**_named(group), **wildcards)

    def model(self, group: Group, method: str) -> str:
        """Return the folder of a method's model."""
        if method == self.original:
            return self.folder("train", group)
        return self.folder("debias", group, method=method)

    def region(self, dataset: str, attribute: str) -> str:
        """Return the folder of the patch classifier of an attribute."""
        return self.folder("region", dataset=dataset, region=region_name(attribute))

    def fenced_region(self, task: str, design: str, seeds: str, region: str) -> str:
        """Return the folder of a patch classifier that methods look through."""
        return self.folder("fenced_region", task=task, design=design, seeds=seeds, region=region)

    def twins(self, dataset: str, attribute: str) -> str:
        """Return the file of a dataset's images with one attribute switched."""
        return f"{self.folder('pool', dataset=dataset)}/twins_{attribute}.npy"

    def table(self, name: str) -> str:
        """Return the file of a table."""
        return f"{self.root}/tables/{name}.parquet"

    def log(self, stage: str) -> str:
        """Return the pattern of a stage's logs; they mirror the stages."""
        return f"{self.root}/logs/{FOLDERS.get(stage, stage)}.log"

    def benchmark(self, stage: str) -> str:
        """Return the pattern of a stage's benchmark files; they mirror the stages."""
        return f"{self.root}/benchmarks/{FOLDERS.get(stage, stage)}.tsv"

    def timed(self, stage: str, group: Group | None = None, **wildcards: str) -> Path:
        """Return the benchmark file of one job of a stage."""
        return Path(self.benchmark(stage).format(**_named(group), **wildcards))


def _named(group: Group | None) -> dict[str, str]:
    """Return a group as Snakemake's wildcards."""
    if group is None:
        return {}
    task, design, level = group.stream
    return {"task": task, "design": design, "level": level, "seed": str(group.seed)}
