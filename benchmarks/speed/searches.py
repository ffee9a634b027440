"""Whole methods that look at many networks or many batches, against plain ways of the same work."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from rightreasons.debias import METHODS, Context
from rightreasons.debias._adversaries import BatchCritic
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.decisions import probability
from rightreasons.learning.images import LabelledImages, normalise
from rightreasons.learning.training import predict_logits
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier

from .measure import Comparison
from .methods import threshold_by_threshold
from .options import Options, quiet

CPU = torch.device("cpu")


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield savani_rp and savani_aft, both as they are called by the stage `debias`."""
    count, size, copies, warmup = options.pick((1000, 64, 8, 100), (64, 16, 2, 5))
    context = made_up(count, size)
    data = f"small_cnn, {count} images of {size} px"
    perturb = METHODS["savani_rp"]
    chosen = perturb.params(copies=copies, threshold="equalized_odds")
    yield Comparison(
        group="methods",
        what=f"savani_rp: try {copies} copies",
        data=data,
        unit="copies",
        units=copies,
        ours=partial(perturb.run, context, chosen),
        other=partial(copy_by_copy, context, copies),
        against="deep copies, and a pass over the images per threshold",
        aim=1.0,
    )
    tune = METHODS["savani_aft"]
    params = tune.params(steps=5, rounds=1, critic_ratio=1.0, critic_warmup=warmup, batch_size=32)
    yield Comparison(
        group="methods",
        what=f"savani_aft: {warmup} steps of the critic, 1 round",
        data=data,
        unit="runs",
        units=1,
        ours=partial(tune.run, context, params),
        other=partial(step_by_step, context, warmup, 32),
        against="vanilla's outputs computed anew at each step, cell by cell",
        aim=1.0,
    )


def made_up(count: int, size: int) -> Context:
    """Return a method's context with noise for images and an untrained small_cnn for vanilla."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    target, protected = torch.arange(count) % 2, torch.arange(count) // 2 % 2
    data = LabelledImages(images, target, protected, [str(i) for i in range(count)])
    model = build_classifier("small_cnn").eval()
    logits = predict_logits(model, images, CPU)
    known = {"image_id": data.image_ids, "target": target.numpy(), "protected": protected.numpy()}
    scores = {"logit_0": logits[:, 0], "logit_1": logits[:, 1], "score": probability(logits)}
    context = Context(
        vanilla=lambda: copy.deepcopy(model),
        fresh=lambda: build_classifier("small_cnn"),
        debias=lambda: data,
        train=lambda: data,
        role=lambda role: data,
        pool_rows=lambda role: np.arange(count),
        attribution=lambda: (_ for _ in ()).throw(KeyError("no maps here")),
        predictions=pd.DataFrame({**known, **scores}),
        training=TrainingConfig(batch_size=64),
        vanilla_generator=lambda: torch.Generator().manual_seed(0),
        generator=lambda stream: torch.Generator().manual_seed(0),
        seed_of=lambda stream: 0,
        progress=quiet,
    )
    context.device = CPU
    return context


@torch.no_grad()
def scores_of(model: Classifier, images: np.ndarray) -> np.ndarray:
    """Return P(target = 1) of images, 64 at a time."""
    parts = [model(normalise(x, CPU)).softmax(1)[:, 1] for x in torch.from_numpy(images).split(64)]
    return torch.cat(parts).numpy()


def copy_by_copy(context: Context, copies: int) -> None:
    """Try perturbed deep copies of the network, each with its best threshold."""
    data, vanilla = context.debias(), context.vanilla()
    for _ in range(copies):
        model = copy.deepcopy(vanilla)
        with torch.no_grad():
            for weight in model.parameters():
                weight *= 1 + 0.1 * torch.randn_like(weight)
        score = scores_of(model, np.asarray(data.images))
        threshold_by_threshold(score, data.target.numpy(), data.protected.numpy())


def step_by_step(context: Context, warmup: int, batch: int) -> None:
    """Fit the critic and tune the network, every batch through the network, cell by cell."""
    data, model = context.debias(), context.vanilla()
    critic = BatchCritic(2)
    critic_optimizer = torch.optim.Adam(critic.parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    for step in range(warmup + 10):
        rows = balanced_rows(data, batch // 4)
        target, protected = data.target[rows], data.protected[rows]
        inputs = normalise(torch.from_numpy(np.asarray(data.images[rows.numpy()])), CPU)
        if step < warmup + 5:
            with torch.no_grad():
                logits = model(inputs)
            error = (critic(logits, target, protected) - gap(logits, target, protected)) ** 2
            critic_optimizer.zero_grad()
            error.backward()
            critic_optimizer.step()
        else:
            logits = model.train()(inputs)
            bias = critic(logits, target, protected)
            optimizer.zero_grad()
            (F.cross_entropy(logits, target) * (20 * (bias - 0.04) + 1).clamp(min=1)).backward()
            optimizer.step()


def balanced_rows(data: LabelledImages, each: int) -> torch.Tensor:
    """Draw `each` images of every cell of target and protected."""
    cells = [
        ((data.target == t) & (data.protected == a)).nonzero()[:, 0] for t in (0, 1) for a in (0, 1)
    ]
    return torch.cat([cell[torch.randint(len(cell), (each,))] for cell in cells])


def gap(logits: torch.Tensor, target: torch.Tensor, protected: torch.Tensor) -> torch.Tensor:
    """Return equalized odds of a batch's decisions."""
    decided = (logits[:, 1] >= logits[:, 0]).float()
    rate = [[decided[(target == t) & (protected == a)].mean() for a in (0, 1)] for t in (0, 1)]
    return max((rate[t][1] - rate[t][0]).abs() for t in (0, 1))
