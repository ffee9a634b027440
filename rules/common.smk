"""Helpers of all rules: the checked config, the grid of cells, the folders of results."""

import os
import sys
from pathlib import Path

# Planning and jobs use the library beside this workflow, whatever else is installed.
LIBRARY = str(Path(workflow.basedir) / "src")
sys.path.insert(0, LIBRARY)
os.environ.update(
    PYTHONPATH=os.pathsep.join([LIBRARY, *filter(None, [os.getenv("PYTHONPATH")])])
)

from snakemake.exceptions import WorkflowError

from rightreasons.runtime.clock import date_anew, refuse_future
from rightreasons.study.sections import ArtifactRoi, AttributionRoi
from rightreasons.study.load import load_config
from rightreasons.data import stage_params
from rightreasons.core.errors import UserError
from rightreasons.runtime.devices import count_gpus
from rightreasons.study.grid import Grid, Paths
from rightreasons.runtime.guard import forget_jobs, hold
from rightreasons.runtime.lifeline import SNAKEMAKE, this_process
from rightreasons.metrics.compute import resolve
from rightreasons.study.yaml_keys import check_keys

# Jobs end with the Snakemake that started them, killed or not.
os.environ[SNAKEMAKE] = this_process()

try:
    for configfile in workflow.configfiles:
        check_keys(Path(configfile))
    STUDY = load_config(config)
    GRID = Grid(STUDY)
    REGIONS = GRID.regions()
except UserError as error:
    raise WorkflowError(str(error))

PATHS = Paths(STUDY)
REGION = f"{PATHS.stage('region')}/{{dataset}}/{{region}}"
CELL = "{task}/{design}-{level}/seed-{seed}"


wildcard_constraints:
    dataset=r"\w+",
    task=r"\w+",
    design=r"\w+",
    level=r"-?[0-9.e]+(e-?\d+)?",
    seed=r"\d+",
    method=r"\w+",
    explainers=r"\w+",
    region=r"\w+",


def growing(amount):
    """Memory or time for a job's first attempt; the second gets twice as much, and so on."""
    return lambda wildcards, attempt: amount * attempt


def one_of(names):
    """The wildcard constraint that allows these names and no other; none at all if there are none."""
    return "|".join(names) or "(?!)"


# As many jobs on local GPUs at once as there are GPUs: --resources gpu_jobs=N for another number.
if "gpu_jobs" not in workflow.global_resources and count_gpus():
    workflow.register_resource("gpu_jobs", count_gpus())


def pool_of(wildcards, *names):
    """The files of the pool that a task uses, by name."""
    folder = PATHS.pool(GRID.dataset(wildcards.task))
    return {name: f"{folder}/{POOL_FILES[name]}" for name in names}


def artifact_params(name):
    """An artifact with its name, or None where the study has none of that name."""
    return {"name": name, **STUDY.artifacts[name]} if name in STUDY.artifacts else None


def artifact_of(wildcards):
    """The artifact that is a task's protected attribute, or None."""
    return artifact_params(STUDY.tasks[wildcards.task].protected)


def roi_artifact_of(wildcards):
    """The artifact whose place is a task's ROI, or None."""
    roi = STUDY.tasks[wildcards.task].roi
    return artifact_params(roi.artifact) if isinstance(roi, ArtifactRoi) else None


def twins_of(wildcards):
    """The twins of a task's images, or nothing where its dataset has none."""
    attribute = GRID.twins(wildcards.task)
    if attribute is None:
        return {}
    return {
        "twins": f"{PATHS.pool(GRID.dataset(wildcards.task))}/twins_{attribute}.npy"
    }


def region_files(dataset, attribute):
    """The attribution maps of an attribute: all images' confidences, their mean, what they are."""
    folder = PATHS.region(dataset, attribute)
    return {
        "region": f"{folder}/region.json",
        "confidence": f"{folder}/confidence.npy",
        "mean": f"{folder}/mean.npy",
    }


def attributes_of(dataset):
    """The attributes of a dataset that have a patch classifier."""
    return [attribute for (name, _), attribute in REGIONS.items() if name == dataset]


def attribution_of(wildcards):
    """All attribution maps of a dataset, in the order of `attributes_of`, and its pool."""
    folder = PATHS.pool(wildcards.dataset)
    files = {name: f"{folder}/{file}" for name, file in POOL_FILES.items()}
    for attribute in attributes_of(wildcards.dataset):
        for name, file in region_files(wildcards.dataset, attribute).items():
            files.setdefault(name, []).append(file)
    return files


def known_of(wildcards):
    """The known regions of a dataset's attributes, where there are any."""
    return {
        attribute: GRID.known_roi(wildcards.dataset, attribute)
        for attribute in attributes_of(wildcards.dataset)
    }


def protected_region_of(wildcards):
    """The maps of a task's protected attribute."""
    task = STUDY.tasks[wildcards.task]
    return region_files(task.dataset, task.protected)


def regions_of(wildcards):
    """The maps of the protected attribute for a method that looks away from it."""
    return protected_region_of(wildcards) if GRID.needs_region(wildcards.method) else {}


def roi_region_of(wildcards):
    """The maps that a task takes its ROI from, or nothing where it was drawn."""
    task = STUDY.tasks[wildcards.task]
    if not isinstance(task.roi, AttributionRoi):
        return {}
    return region_files(task.dataset, task.roi.attribution.attribute)


def vanilla_of(wildcards):
    """The vanilla model of a cell: weights, metadata, predictions."""
    folder = PATHS.model(**GRID.group(wildcards), method="vanilla")
    return {f"vanilla_{name}": f"{folder}/{file}" for name, file in MODEL_FILES.items()}


POOL_FILES = {
    "images": "images.npy",
    "masks": "masks.npy",
    "index": "index.parquet",
    "pool": "pool.json",
}
MODEL_FILES = {
    "model": "model.safetensors",
    "metadata": "model.json",
    "predictions": "predictions.parquet",
}


LOCK = Path(PATHS.root) / ".lock"


def hold_study():
    """Refuse to run beside another run of the study or its jobs in SLURM, or with a wrong clock."""
    global STUDY_LOCK
    jobs = getattr(
        workflow.scheduler._executor, "run_uuid", ""
    )  # their name in SLURM's queue
    try:
        STUDY_LOCK = hold(LOCK, jobs)
        if workflow.touch:  # the cure for wrong dates
            date_anew(LOCK.parent)
        else:
            refuse_future(LOCK.parent, LOCK.stat().st_mtime)
    except UserError as error:
        raise WorkflowError(str(error))


def dataset_params(wildcards, stage):
    """The parameters of a dataset that a stage uses: a new image size fetches nothing."""
    params = STUDY.datasets[wildcards.dataset]
    fetch, pool = stage_params(params["kind"], params)
    return fetch if stage == "fetch" else {**fetch, **pool}


def design_params(wildcards):
    """A design's parameters without its list of levels: a new level leaves the others alone."""
    params = STUDY.designs[wildcards.design]
    return {key: value for key, value in params.items() if key != "levels"}


def model_of(wildcards):
    """The model of a method in a cell: weights and metadata."""
    folder = PATHS.model(**GRID.group(wildcards), method=wildcards.method)
    return {name: f"{folder}/{MODEL_FILES[name]}" for name in ("model", "metadata")}


def predictions_of(wildcards):
    """The predictions of all methods in a group, in the study's order."""
    group = GRID.group(wildcards)
    return [
        f"{PATHS.model(m, **group)}/predictions.parquet"
        for m in GRID.methods(wildcards.task)
    ]


def maps_of(wildcards):
    """The maps of all models of a group whose weights differ, one folder per set."""
    group = GRID.group(wildcards)
    folders = [
        PATHS.maps(method, explainers, **group)
        for method in GRID.models(wildcards.task)
        for explainers in GRID.sets(wildcards.task)
    ]
    return {
        "maps": [f"{folder}/maps.npy" for folder in folders],
        "map_index": [f"{folder}/maps.parquet" for folder in folders],
    }


def normal_of(wildcards):
    """The maps of the normal model, vanilla at level 0, or nothing where there is no level 0."""
    levels = STUDY.designs[wildcards.design]["levels"]
    if 0 not in levels:
        return {}
    group = {**GRID.group(wildcards), "level": f"{levels[levels.index(0)]:g}"}
    folders = [PATHS.maps("vanilla", e, **group) for e in GRID.sets(wildcards.task)]
    return {
        "normal_maps": [f"{folder}/maps.npy" for folder in folders],
        "normal_index": [f"{folder}/maps.parquet" for folder in folders],
    }


def regions_files(file):
    """One file of every patch classifier of the study."""
    return [
        f"{PATHS.region(d, attribute)}/{file}" for (d, _), attribute in REGIONS.items()
    ]


def models_of(file):
    """One file of every model of the study."""
    return [
        f"{PATHS.model(method, **group)}/{file}"
        for group in GROUPS
        for method in GRID.methods(group["task"])
    ]


def strongest(design):
    """The level of a design that is farthest from zero."""
    return max(STUDY.designs[design]["levels"], key=lambda level: (abs(level), level))


def strongest_measures(wildcards, file):
    """One file of the measures of all seeds at the strongest level of a design."""
    level = f"{strongest(wildcards.design):g}"
    cells = [
        (wildcards.task, wildcards.design, level, str(seed)) for seed in STUDY.seeds
    ]
    keys = ("task", "design", "level", "seed")
    return [f"{PATHS.measures(**dict(zip(keys, cell)))}/{file}" for cell in cells]
