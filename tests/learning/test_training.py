"""Training and prediction: what is random and what is not, and what explodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from rightreasons.contracts.fakes import CPU, biased_images, quiet
from rightreasons.core.errors import UserError
from rightreasons.core.seeds import torch_generator
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LabelledImages,
    Rows,
    normalise,
)
from rightreasons.learning.training import (
    batches,
    cross_entropy,
    extract_features,
    learning_rate_factor,
    make_optimizer,
    predict_logits,
    seeded,
    train,
)
from rightreasons.models.architectures import build_classifier

DATA = biased_images(40, 0.5)
CONFIG = TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-3, augment="flip")


def fit(seed: int = 0, config: TrainingConfig = CONFIG, data: LabelledImages = DATA) -> Any:
    model = build_classifier("small_cnn", seed=5)
    history = train(
        model, data, config, generator=torch_generator(seed, "t"), device=CPU, progress=quiet
    )
    return model, history


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_same_generator_same_network_bit_for_bit() -> None:
    first, history = fit(0)
    torch.manual_seed(99)  # the caller's global state must not matter: dropout, shuffling, flips
    second, again = fit(0)
    assert same(weights(first), weights(second))
    assert history == again


def test_another_generator_gives_another_network() -> None:
    assert not same(weights(fit(0)[0]), weights(fit(1)[0]))


def test_global_random_state_is_untouched() -> None:
    torch.manual_seed(3)
    np_state = np.random.get_state()[1].copy()  # noqa: NPY002
    before = torch.random.get_rng_state().clone()
    fit()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == np_state).all()  # noqa: NPY002


def test_global_random_state_is_restored_after_an_error() -> None:
    before = torch.random.get_rng_state().clone()
    with pytest.raises(ZeroDivisionError), seeded(torch_generator(0, "x"), CPU):
        raise ZeroDivisionError(float(torch.rand(1)))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 3e-3), ("sgd", 3e-2)])
def test_training_learns_and_ends_in_eval_mode(optimizer: Any, rate: float) -> None:
    config = TrainingConfig(epochs=6, batch_size=16, optimizer=optimizer, learning_rate=rate)
    model, history = fit(config=config, data=biased_images(160, 0.0, seed=2))
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert not any(module.training for module in model.modules())


def test_explosion_says_where() -> None:
    config = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e30)
    with pytest.raises(UserError, match=r"epoch \d of 3 \(learning rate 1e\+30\).*Lower"):
        fit(config=config)


def test_frozen_parameters_stay() -> None:
    model = build_classifier("small_cnn", seed=5)
    model.trunk.conv1.requires_grad_(False)
    before = weights(model)
    train(model, DATA, CONFIG, generator=torch_generator(0, "t"), device=CPU, progress=quiet)
    after = weights(model)
    assert torch.equal(before["trunk.conv1.weight"], after["trunk.conv1.weight"])
    assert not torch.equal(before["head.weight"], after["head.weight"])


@pytest.mark.parametrize(
    ("n", "size", "expected"), [(9, 4, [4, 4]), (10, 4, [4, 4, 2]), (1, 4, [1])]
)
def test_a_last_batch_of_one_is_left_out_when_shuffling(
    n: int, size: int, expected: list[int]
) -> None:
    data = LabelledImages(DATA.images[:n], DATA.target[:n], DATA.protected[:n], DATA.image_ids[:n])
    shuffled = list(batches(data, size, CPU, generator=torch_generator(0, "b")))
    assert [len(b.target) for b in shuffled] == expected
    in_order = list(batches(data, size, CPU))
    assert torch.cat([b.indices for b in in_order]).tolist() == list(range(n))


def test_training_survives_a_last_batch_of_one() -> None:
    data = LabelledImages(DATA.images[:9], DATA.target[:9], DATA.protected[:9], DATA.image_ids[:9])
    config = TrainingConfig(epochs=2, batch_size=8, learning_rate=1e-3)
    assert math.isfinite(fit(config=config, data=data)[1][-1]["loss"])


def test_batches_keep_images_and_labels_together() -> None:
    passed = list(batches(DATA, 16, CPU, generator=torch_generator(0, "b")))
    order = torch.cat([b.indices for b in passed])
    assert sorted(order.tolist()) == list(range(40))
    assert order.tolist() != list(range(40))
    for b in passed:
        expected = normalise(torch.from_numpy(DATA.images[b.indices.numpy()]), CPU)
        assert torch.equal(b.inputs, expected)
        assert torch.equal(b.target, DATA.target[b.indices])
        assert torch.equal(b.protected, DATA.protected[b.indices])


def test_flip_mirrors_about_half_of_the_images_left_to_right() -> None:
    mirrored = 0
    for b in batches(DATA, 16, CPU, generator=torch_generator(0, "b"), flip=True):
        plain = normalise(torch.from_numpy(DATA.images[b.indices.numpy()]), CPU)
        for got, image in zip(b.inputs, plain, strict=True):
            is_mirrored = torch.equal(got, image.flip(2))
            assert is_mirrored or torch.equal(got, image)
            mirrored += is_mirrored
    assert 8 <= mirrored <= 32


def _factor(schedule: str, epoch: float) -> float:
    """The factor at the beginning of `epoch` (from 0) of 10, decay 0.5, a step every 3 epochs."""
    return {
        "constant": 1.0,
        "cosine": (1 + math.cos(math.pi * epoch / 10)) / 2,
        "exponential": 0.5 ** int(epoch),
        "step": 0.5 ** int(epoch // 3),
    }[schedule]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "exponential", "step"])
def test_schedules(schedule: Any) -> None:
    config = TrainingConfig(epochs=10, schedule=schedule, decay=0.5, step_epochs=3)
    for epoch in (0, 0.5, 1.5, 2.9, 3.1, 5.2, 7.75, 9.9):
        assert learning_rate_factor(config, epoch / 10) == pytest.approx(_factor(schedule, epoch))


def test_the_learning_rate_follows_the_schedule() -> None:
    """One weight, gradient 1 in every step: Adam's first steps are each as long as its rate."""
    rates = []

    def loss(model: torch.nn.Module, batch: Any) -> torch.Tensor:
        rates.append(float(model.head.bias.detach()[0]))
        return model.head.bias[0]

    config = TrainingConfig(epochs=4, batch_size=20, learning_rate=0.1, schedule="cosine")
    model = build_classifier("small_cnn", seed=5)
    train(model, DATA, config, generator=torch_generator(0, "t"), device=CPU, progress=quiet,
          loss=loss)  # fmt: skip
    rates.append(float(model.head.bias.detach()[0]))
    expected = [0.1 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert -np.diff(rates) == pytest.approx(expected, abs=1e-5)


def test_optimizers_and_loss() -> None:
    parameter = torch.nn.Parameter(torch.ones(1))
    adam = make_optimizer([parameter], TrainingConfig(weight_decay=0.1, learning_rate=0.02))
    adamw = make_optimizer([parameter], TrainingConfig(optimizer="adamw"))
    assert (adam.decoupled, adamw.decoupled) == (False, True)
    assert adam.weight_decay == 0.1
    assert adam.param_groups[0]["lr"] == 0.02
    model = build_classifier("small_cnn").eval()
    batch = next(batches(DATA, 40, CPU))
    logits = model(batch.inputs).detach().double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    wanted = np.full((40, 2), 0.1) + 0.8 * np.eye(2)[DATA.target.numpy()]
    value = cross_entropy(TrainingConfig(label_smoothing=0.2))(model, batch)
    assert float(value.detach()) == pytest.approx(-(wanted * log_p).sum(1).mean(), rel=1e-5)


def test_normalise_is_torchvisions() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    tensor = torch.from_numpy(images)
    scaled = tensor.permute(0, 3, 1, 2).float() / 255
    expected = v2.Normalize(list(IMAGENET_MEAN), list(IMAGENET_STD))(scaled)
    assert torch.allclose(normalise(tensor, CPU), expected, atol=1e-6)
    assert (tensor.numpy() == images).all()


def test_rows_are_the_pool_indexed() -> None:
    pool = np.random.default_rng(0).integers(0, 256, (20, 4, 6, 3), dtype=np.uint8)
    rows = np.array([7, 3, 3, 19, 0])
    chosen = Rows(pool, rows)
    assert len(chosen) == 5
    assert chosen.shape == (5, 4, 6, 3)
    for which in (slice(None), slice(1, 4), slice(4, 99), np.array([4, 0, 1])):
        assert np.array_equal(chosen[which], pool[rows][which])


@pytest.mark.parametrize("kind", ["array", "rows"])
def test_predictions_do_not_depend_on_batches_or_mode(kind: str) -> None:
    model = build_classifier("small_cnn", seed=1)
    images: Any = DATA.images if kind == "array" else Rows(DATA.images, np.arange(40))
    model.train()
    whole = predict_logits(model, images, CPU)
    assert not model.training
    assert whole.shape == (40, 2)
    assert whole.dtype == np.float32
    for size in (1, 7, 39):
        model.train()
        np.testing.assert_allclose(predict_logits(model, images, CPU, size), whole, atol=1e-6)
    features = extract_features(model, images, CPU, 9)
    np.testing.assert_allclose(model.classify(features).detach().numpy(), whole, atol=1e-5)


def test_predictions_of_no_images_are_empty() -> None:
    assert predict_logits(build_classifier("small_cnn"), DATA.images[:0], CPU).shape == (0, 2)


def test_a_sampler_picks_and_orders_the_images_of_every_epoch() -> None:
    wanted = [torch.randint(40, (40,), generator=torch_generator(k, "s")) for k in range(2)]
    left, seen = list(wanted), []

    def loss(model: torch.nn.Module, batch: Any) -> torch.Tensor:
        seen.append(batch.indices)
        return model(batch.inputs).mean()

    train(
        build_classifier("small_cnn"),
        DATA,
        CONFIG,
        generator=torch_generator(0, "t"),
        device=CPU,
        progress=quiet,
        loss=loss,
        sampler=lambda generator: left.pop(0),
    )
    assert torch.equal(torch.cat(seen), torch.cat(wanted))


def test_a_sampler_of_plain_passes_changes_nothing() -> None:
    model = build_classifier("small_cnn", seed=5)
    train(
        model,
        DATA,
        CONFIG,
        generator=torch_generator(0, "t"),
        device=CPU,
        progress=quiet,
        sampler=lambda generator: torch.randperm(40, generator=generator),
    )
    assert same(weights(model), weights(fit(0)[0]))
