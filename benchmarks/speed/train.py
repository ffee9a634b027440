"""Training: images delivered to it, its waiting for them, and a plain PyTorch loop."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F

from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import batches, train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier

from .images import Files, jpeg_files, loader
from .measure import Comparison
from .options import Options, quiet

CPU = torch.device("cpu")
BATCH = 64
WAIT = 0.02  # the share of training that may be spent on getting batches


def inputs(options: Options) -> Iterator[Comparison]:
    """Yield images delivered against a DataLoader over files, and the share of training waiting."""
    for architecture, size, count in networks(options):
        with jpeg_files(options, count) as files:
            pool = files.pool(size)
            model = build_classifier(architecture)
            data = f"{count} images ({files.name}), {size} px, batch {BATCH}"
            read = partial(deliver, pool)
            yield Comparison(
                group="input",
                what=f"normalised batches of {size} px",
                data=data,
                unit="images",
                units=count,
                ours=read,
                other=partial(drain, files, size, options.cores),
                against=f"DataLoader over image files, {options.cores} workers",
                aim=1.0,
                threads=options.cores,
            )
            yield Comparison(
                group="input",
                what=f"{architecture}: time spent on batches",
                data=data,
                unit="images",
                units=count,
                ours=read,
                other=partial(ours, model, pool),
                against="the whole of training",
                kind="cost",
                aim=WAIT,
                threads=options.cores,
            )


def training(options: Options) -> Iterator[Comparison]:
    """Yield one epoch of training against a plain loop."""
    for architecture, size, count in networks(options):
        with jpeg_files(options, count) as files:
            pool = files.pool(size)
            here = build_classifier(architecture)
            there = build_classifier(architecture)
            yield Comparison(
                group="train",
                what=f"{architecture}, one epoch",
                data=f"{count} images ({files.name}), {size} px, batch {BATCH}",
                unit="images",
                units=count,
                ours=partial(ours, here, pool),
                other=partial(plain, there, files, size, options.cores),
                against=f"plain PyTorch, DataLoader over image files, {options.cores} workers",
                aim=1.0,
                threads=options.cores,
            )


def networks(options: Options) -> list[tuple[str, int, int]]:
    """Return (architecture, size, images) of the runs."""
    if options.toy:
        return [("small_cnn", 32, 16)]
    return [("small_cnn", 64, 2048), ("resnet18", 128, 256), ("resnet18", 224, 128)]


def deliver(pool: LabelledImages) -> None:
    """Take one epoch of shuffled, mirrored, normalised batches from the memory-mapped pool."""
    generator = torch.Generator().manual_seed(0)
    for _ in batches(pool, BATCH, CPU, generator=generator, flip=True):
        pass


def drain(files: Files, size: int, workers: int) -> None:
    """Take one epoch of shuffled, normalised batches from a DataLoader."""
    for _ in loader(files, size, BATCH, workers):
        pass


def ours(model: Classifier, pool: LabelledImages) -> None:
    """Train for an epoch as the stage `train` does."""
    config = TrainingConfig(epochs=1, batch_size=BATCH, augment="flip")
    train(
        model,
        pool,
        config,
        generator=torch.Generator().manual_seed(0),
        device=CPU,
        progress=quiet,
    )


def plain(model: Classifier, files: Files, size: int, workers: int) -> None:
    """Train for an epoch as a plain script does: same network, batch, optimizer, mirroring."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    model.train()
    for images, labels in loader(files, size, BATCH, workers):
        mirrored = torch.rand(len(images)) < 0.5
        images[mirrored] = images[mirrored].flip(-1)
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
