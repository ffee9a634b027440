"""Training a patch classifier: what is drawn, from what, and what it learns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rightreasons.contracts.fakes import CPU, quiet
from rightreasons.core.errors import UserError
from rightreasons.core.seeds import torch_generator
from rightreasons.learning.images import Rows, normalise
from rightreasons.regions.geometry import corners
from rightreasons.regions.networks import PatchNetwork, build_patch_network
from rightreasons.regions.params import RegionParams
from rightreasons.regions.training import cut_patches, rate_factor, train_patch_classifier

SIZE, PATCH, POSITIONS = 24, 8, 25
PARAMS = RegionParams(
    network="dense", patch=PATCH, positions=POSITIONS, epochs=2, batch_size=16, embedding=4
)


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright corner, upper left, where the class is 1."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    images = rng.normal(110, 30, (n, SIZE, SIZE, 3))
    images[:, :8, :8] += 60 * labels[:, None, None, None]
    return images.clip(0, 255).astype(np.uint8), labels


IMAGES, LABELS = data(64)


def fit(seed: int = 0, images: Any = IMAGES, labels: Any = LABELS, **changed: Any) -> Any:
    params = PARAMS.model_copy(update=changed)
    network = build_patch_network(
        params.network, n_classes=2, size=SIZE, patch=PATCH, positions=POSITIONS, embedding=4,
        seed=5,
    )  # fmt: skip
    history = train_patch_classifier(
        network, images, labels, params,
        generator=torch_generator(seed, "t"), device=CPU, progress=quiet,
    )  # fmt: skip
    return network, history


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class Spy(PatchNetwork):
    """Notes what it is given; two weights that can learn."""

    def __init__(self) -> None:
        super().__init__(SIZE, PATCH, POSITIONS, 4)
        self.bias = nn.Parameter(torch.zeros(2))
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, patches: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        assert self.training
        self.seen.append((patches.clone(), position.clone()))
        return self.bias.expand(len(patches), 2)


def spied(n: int = 64, epochs: int = 3) -> Spy:
    spy = Spy()
    params = PARAMS.model_copy(update={"epochs": epochs})
    train_patch_classifier(
        spy, IMAGES[:n], LABELS[:n], params,
        generator=torch_generator(0, "t"), device=CPU, progress=quiet,
    )  # fmt: skip
    return spy


def test_cut_patches_are_the_slices() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 11, 9, 3), np.uint8))
    where = torch.tensor([[0, 0], [7, 5], [3, 2], [1, 5], [7, 0]])
    cut = cut_patches(images, where, 4)
    assert cut.dtype == torch.uint8
    for i, (y, x) in enumerate(where.tolist()):
        assert torch.equal(cut[i], images[i, y : y + 4, x : x + 4])


def test_each_image_gives_one_patch_per_epoch_at_a_position_of_the_grid() -> None:
    spy = spied()
    assert len(spy.seen) == 3 * 4
    where = corners(SIZE, PATCH, POSITIONS)
    patches = normalise(torch.from_numpy(IMAGES), CPU)
    for epoch in range(3):
        found = []
        for some, position in spy.seen[4 * epoch : 4 * epoch + 4]:
            for patch, (y, x) in zip(some, where[position.numpy()], strict=True):
                crops = patches[:, :, y : y + PATCH, x : x + PATCH]
                found.append(int((crops - patch).abs().amax(dim=(1, 2, 3)).argmin()))
                assert torch.equal(crops[found[-1]], patch)
        assert sorted(found) == list(range(64))


def test_positions_are_drawn_anew_and_all_of_them() -> None:
    spy = spied(epochs=20)
    counts = torch.bincount(torch.cat([p for _, p in spy.seen]), minlength=POSITIONS)
    assert counts.sum() == 64 * 20
    assert counts.min() > 0.5 * counts.float().mean()
    assert counts.max() < 1.6 * counts.float().mean()


def test_the_position_does_not_follow_the_image() -> None:
    """An image meets other positions in other epochs."""
    spy = spied(n=16, epochs=12)
    seen = torch.stack([p.sort().values for _, p in spy.seen])
    assert len(torch.unique(seen, dim=0)) == 12


@pytest.mark.parametrize("kind", ["published", "dense"])
def test_same_generator_same_network_bit_for_bit(kind: Any) -> None:
    some = {"network": kind, "images": IMAGES[:32], "labels": LABELS[:32], "epochs": 1}
    first, history = fit(0, **some)
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    second, again = fit(0, **some)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same(first, second)
    assert history == again
    assert not same(first, fit(1, **some)[0])


def test_rows_are_as_good_as_an_array() -> None:
    order = np.random.default_rng(0).permutation(64)
    pool = np.empty_like(IMAGES)
    pool[order] = IMAGES
    assert same(fit(0)[0], fit(0, images=Rows(pool, order))[0])


def test_it_learns_where_the_class_is() -> None:
    images, labels = data(400, seed=1)
    network, history = fit(0, images, labels, epochs=12, batch_size=32, learning_rate=3e-3)
    assert [record["epoch"] for record in history] == list(range(1, 13))
    assert history[-1]["loss"] < history[0]["loss"]
    assert not any(module.training for module in network.modules())
    images, labels = data(200, seed=2)
    softmax = network.image_logits(normalise(torch.from_numpy(images), CPU)).softmax(-1)
    right = (softmax.argmax(-1).numpy() == labels[:, None]).mean(axis=0).reshape(5, 5)
    assert right[0, 0] > 0.9
    assert right[2:, 2:].mean() < 0.65
    sure = softmax.amax(-1).mean(dim=0).view(5, 5)
    assert sure[0, 0] > sure[2:, 2:].max() + 0.1


def test_the_loss_and_accuracy_of_the_history() -> None:
    spy = Spy()
    params = PARAMS.model_copy(update={"learning_rate": 1e-12, "label_smoothing": 0.1})
    (record,) = train_patch_classifier(
        spy, IMAGES, LABELS, params.model_copy(update={"epochs": 1}),
        generator=torch_generator(0, "t"), device=CPU, progress=quiet,
    )  # fmt: skip
    assert record["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert 0 <= record["accuracy"] <= 1


def test_the_learning_rate_is_divided_every_step() -> None:
    params = RegionParams(decay=10, step_epochs=40)
    factors = [rate_factor(params, epoch) for epoch in (0, 39, 40, 79, 80, 89)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_last_batch_of_one_is_left_out() -> None:
    spy = spied(n=33, epochs=1)
    assert [len(p) for _, p in spy.seen] == [16, 16]
    assert math.isfinite(fit(images=IMAGES[:17], labels=LABELS[:17])[1][-1]["loss"])


def test_explosion_says_where() -> None:
    with pytest.raises(UserError, match=r"epoch \d of 3 \(learning rate 1e\+30\).*Lower"):
        fit(learning_rate=1e30, epochs=3)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:5], LABELS[:4], "5 images, but 4 labels"),
        (IMAGES[:1], LABELS[:1], "too few"),
        (IMAGES[:, :16], LABELS, "24 x 16 pixels, but the network is made for 24 x 24"),
    ],
)
def test_errors(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(images=images, labels=labels)
