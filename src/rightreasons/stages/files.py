"""Files that several stages share: those of a pool, a model, a patch classifier, of maps."""

from __future__ import annotations

from pathlib import Path

from rightreasons.core.job import Files


class Fetched(Files):
    """What `fetch` leaves of a dataset."""

    attributes: Path = Path("attributes.parquet")
    source: Path = Path("source.json")


class Pool(Files):
    """A dataset's decoded images, their masks and their attributes."""

    images: Path = Path("images.npy")
    masks: Path = Path("masks.npy")
    index: Path = Path("index.parquet")
    pool: Path = Path("pool.json")


class Split(Files):
    """Which images train, debias, select and test, and the names of their groups and classes.

    Attributes
    ----------
    names
        `protected` and `target`: the names of the groups and of the classes, in the order of the
        split's numbers.
    """

    split: Path = Path("split.parquet")
    names: Path = Path("names.json")


class Model(Files):
    """A network with its metadata, and its predictions."""

    model: Path = Path("model.safetensors")
    metadata: Path = Path("model.json")
    predictions: Path = Path("predictions.parquet")


class Trained(Model):
    """The original network, and its penultimate features of the select images."""

    features: Path = Path("features.npy")


class Maps(Files):
    """The maps of a model by a set of explainers, and a row per map."""

    maps: Path = Path("maps.npy")
    index: Path = Path("maps.parquet")


class Measures(Files):
    """The numbers of a group, and its mean maps."""

    image_metrics: Path = Path("image_metrics.parquet")
    cell_metrics: Path = Path("cell_metrics.parquet")
    tests: Path = Path("tests.parquet")
    groups: Path = Path("groups.parquet")
    mean_maps: Path = Path("mean_maps.npz")


class Region(Files):
    """A patch classifier, its calibration, and its maps of all images."""

    classifier: Path = Path("classifier.safetensors")
    region: Path = Path("region.json")
    confidence: Path = Path("confidence.npy")
    mean: Path = Path("mean.npy")
    calibration: Path = Path("calibration.parquet")
    reliability: Path = Path("reliability.parquet")
    positions: Path = Path("positions.parquet")
    maps: Path = Path("maps.parquet")


class FencedRegion(Files):
    """A patch classifier that has seen no test image of a task, and its maps of the others."""

    classifier: Path = Path("classifier.safetensors")
    region: Path = Path("region.json")
    confidence: Path = Path("confidence.npy")
    mean: Path = Path("mean.npy")


class Sanity(Files):
    """The sanity check of a set of explainers."""

    sanity: Path = Path("sanity.parquet")


class Probed(Files):
    """What probes say of the maps of a model by a set of explainers, image by image."""

    probe: Path = Path("probe.parquet")
