"""Methods that change the training images: what they change, where, and what stays vanilla's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rightreasons.contracts.fakes import (
    CPU,
    attribution_of,
    biased_images,
    make_context,
    quiet,
    trained,
)
from rightreasons.core.errors import UserError
from rightreasons.core.seeds import derive, torch_generator
from rightreasons.debias import METHODS, Context, Debiased, _input, open_context
from rightreasons.debias._input import general_region, mask, noise, specific_region
from rightreasons.debias.balanced import resampled
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import LabelledImages
from rightreasons.learning.training import batches, predict_logits, train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from rightreasons.models.storage import save_model
from rightreasons.regions.attribution import Attribution, top

TRAINING = TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-3, augment="flip")
DATA = biased_images(44, 0.6, size=12)
REGION = [name for name in METHODS.names() if "regions" in METHODS[name].traits["needs"]]
CHANGED = ["mask_general", "mask_specific", "noise_general", "noise_specific"]


@pytest.fixture(scope="module")
def context() -> Context:
    return make_context(trained(DATA, TRAINING), DATA, training=TRAINING)


def run(name: str, context: Context, **params: Any) -> Debiased:
    return METHODS[name].run(context, METHODS[name].params(**params))


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_the_methods_that_need_maps_say_so() -> None:
    assert sorted(CHANGED) == REGION
    assert not METHODS["balanced"].traits["needs"]


@pytest.mark.parametrize("name", CHANGED)
def test_where_nothing_is_above_the_quantile_training_is_vanillas(
    name: str, context: Context
) -> None:
    assert same(run(name, context, quantile=1.0).model, context.vanilla())
    assert not same(run(name, context, quantile=0.5).model, context.vanilla())


@pytest.mark.parametrize("name", ["noise_general", "noise_specific"])
def test_without_sigma_training_is_vanillas(name: str, context: Context) -> None:
    assert same(run(name, context, quantile=0.2, sigma=0.0).model, context.vanilla())


def test_a_flat_map_leaves_vanilla(context: Context) -> None:
    flat = Attribution(np.full((44, 3, 3), 0.8, np.float16), size=12, patch=4)
    no_region = make_context(context.vanilla(), DATA, training=TRAINING, attribution=flat)
    assert same(run("mask_general", no_region).model, context.vanilla())
    assert same(run("mask_specific", no_region).model, context.vanilla())


@pytest.mark.parametrize("name", [*CHANGED, "balanced"])
def test_epochs_and_learning_rate_can_differ_from_vanillas(name: str, context: Context) -> None:
    longer = run(name, context, epochs=3)
    assert len(longer.notes["epochs"]) == 3
    assert len(run(name, context).notes["epochs"]) == TRAINING.epochs
    slower = run(name, context, learning_rate=1e-9).model
    moved = (slower.head.weight - context.fresh().head.weight).abs().max()
    assert 0 < moved < 1e-6


def slow_regions(context: Context, quantile: float) -> np.ndarray:
    """The region of every image, one after the other, by sorting its pixels."""
    regions = []
    for row in range(len(DATA)):
        values = context.attribution().specific(np.array([row]))[0]
        regions.append(values > np.quantile(np.sort(values.ravel()), quantile))
    return np.stack(regions)


@pytest.mark.parametrize("chunk", [7, 256])
def test_regions_are_those_of_the_batchs_images(
    chunk: int, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_input, "CHUNK", chunk)
    indices = torch.tensor([40, 3, 3, 0, 17])
    got = specific_region(context, 0.7)(indices)
    assert got.shape == (5, 12, 12, 1)
    assert (got[..., 0].numpy() == slow_regions(context, 0.7)[indices]).all()
    wide = general_region(context, 0.7)(indices)
    assert (wide[0, ..., 0].numpy() == top(context.attribution().general(), 0.7)).all()


def test_maps_of_another_size_are_brought_to_the_images(context: Context) -> None:
    small = Attribution(attribution_of(DATA).confidence, size=6, patch=2)
    resized = make_context(context.vanilla(), DATA, training=TRAINING, attribution=small)
    assert general_region(resized, 0.7)(torch.arange(2)).shape == (1, 12, 12, 1)
    assert specific_region(resized, 0.7)(torch.arange(2)).shape == (2, 12, 12, 1)


def recorded(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and a region of them: the upper left quarter of each."""
    region = torch.zeros(len(images), 12, 12, 1, dtype=torch.bool)
    region[:, :6, :6] = True
    return torch.from_numpy(images), region


def test_a_mask_is_mid_grey_in_the_region_and_nothing_elsewhere() -> None:
    images, region = recorded(DATA.images)
    got = mask(lambda indices: region[indices])(images, torch.arange(44))
    assert (got[:, :6, :6] == 127.5).all()
    assert torch.equal(got[:, 6:], images[:, 6:].float())
    assert torch.equal(got[:, :, 6:], images[:, :, 6:].float())


def test_noise_has_its_deviation_is_clipped_and_stays_in_the_region() -> None:
    grey = np.full((200, 12, 12, 3), 128, np.uint8)
    images, region = recorded(grey)
    change = noise(lambda indices: region[indices], 0.1, torch.Generator().manual_seed(0))
    got = change(images, torch.arange(200))
    inside = (got[:, :6, :6] - 128) / 255
    assert inside.mean().abs() < 0.002
    assert abs(float(inside.std()) - 0.1) < 0.002
    assert len(inside.unique()) > 15_000  # every channel of every pixel by itself
    assert (got[:, 6:] == 128).all()
    strong = noise(lambda indices: region[indices], 5.0, torch.Generator().manual_seed(0))
    clipped = strong(images, torch.arange(200))
    assert clipped.min() == 0
    assert clipped.max() == 255
    assert not torch.equal(change(images, torch.arange(200)), got)  # drawn anew at every step


@pytest.mark.parametrize("flip", [False, True])
def test_the_network_sees_grey_at_the_right_place_also_in_mirrored_images(flip: bool) -> None:
    """A pixel of the batch is normalised mid-grey exactly where the mirrored map says so."""
    regions = torch.from_numpy(np.random.default_rng(0).uniform(size=(44, 12, 12, 1)) < 0.4)
    grey = (0.5 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)

    def passes(change: Any) -> Any:
        return batches(DATA, 16, CPU, generator=torch_generator(3, "f"), flip=flip, change=change)

    mirrored = 0
    for plain, changed in zip(
        passes(None), passes(mask(lambda indices: regions[indices])), strict=True
    ):
        assert torch.equal(plain.indices, changed.indices)
        for i, index in enumerate(plain.indices):
            image = torch.from_numpy(DATA.images[index]).float() / 255
            image = (image - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
            turned = not torch.allclose(plain.inputs[i], image.permute(2, 0, 1), atol=1e-5)
            mirrored += turned
            region = regions[index, ..., 0].flip(-1) if turned else regions[index, ..., 0]
            wanted = torch.where(region, grey[:, None, None], plain.inputs[i])
            torch.testing.assert_close(changed.inputs[i], wanted, atol=1e-5, rtol=0)
    assert 10 < mirrored < 34 if flip else mirrored == 0


def test_a_change_never_touches_the_images_it_was_given() -> None:
    before = DATA.images.copy()
    fixed = torch.from_numpy(DATA.images[:16].copy()).float()
    kept = fixed.clone()
    list(batches(DATA, 16, CPU, change=lambda images, indices: fixed[: len(images)]))
    list(batches(DATA, 16, CPU, change=mask(lambda indices: torch.ones(1, 12, 12, 1).bool())))
    assert (DATA.images == before).all()
    assert torch.equal(fixed, kept)


@pytest.mark.parametrize("name", CHANGED)
def test_a_covered_corner_is_not_learnt(name: str) -> None:
    """Red corner and target go together in training; where the map covers it, the target wins."""
    data = biased_images(200, 0.95, size=12)
    test = biased_images(200, 0.0, size=12, seed=9)
    config = TrainingConfig(epochs=6, batch_size=16, learning_rate=3e-3)
    confidence = np.full((200, 3, 3), 0.5, np.float16)
    confidence[:, 2, 2] = 1
    known = Attribution(confidence, size=12, patch=4)
    vanilla = trained(data, config)
    covered = run(name, make_context(vanilla, data, training=config, attribution=known)).model

    def gap_and_accuracy(model: torch.nn.Module) -> tuple[float, float]:
        logits = predict_logits(model, test.images, CPU)
        score = logits[:, 1] - logits[:, 0]
        group = test.protected.numpy() == 1
        gap = abs(score[group].mean() - score[~group].mean()) / score.std()
        return float(gap), float(((score > 0) == test.target.numpy()).mean())

    before, after = gap_and_accuracy(vanilla), gap_and_accuracy(covered)
    assert before[0] > 0.8
    assert after[0] < 0.6 * before[0]
    assert after[1] > before[1] + 0.03


def test_balanced_trains_on_the_role_of_that_name(context: Context) -> None:
    equal = biased_images(44, 0.0, size=12, seed=4)
    own = make_context(context.vanilla(), DATA, training=TRAINING, balanced=equal)
    assert same(run("balanced", own).model, trained(equal, TRAINING))
    assert not same(run("balanced", context).model, context.vanilla())


def cells_of(data: LabelledImages) -> list[int]:
    return torch.bincount(data.target * 2 + data.protected, minlength=4).tolist()


@pytest.mark.parametrize(("n", "phi"), [(44, 0.6), (43, 0.6), (40, 0.0), (44, 0.9)])
def test_resampled_data_has_equal_cells_and_as_many_images(n: int, phi: float) -> None:
    data = biased_images(44, phi, size=12)
    data = LabelledImages(data.images[:n], data.target[:n], data.protected[:n], data.image_ids[:n])
    got = resampled(data, torch.Generator().manual_seed(0))
    assert len(got) == len(got.target) == len(got.image_ids) == n
    assert max(cells_of(got)) - min(cells_of(got)) <= 1
    where = {name: i for i, name in enumerate(data.image_ids)}
    uses = pd.Series(0, index=data.image_ids)
    for k, name in enumerate(got.image_ids):
        i = where[name]
        assert (got.images[np.array([k])][0] == data.images[i]).all()
        assert (got.target[k], got.protected[k]) == (data.target[i], data.protected[i])
        uses[name] += 1
    cell = (data.target * 2 + data.protected).numpy()
    for number in range(4):
        assert np.ptp(uses[cell == number]) <= 1


def test_an_empty_cell_cannot_be_resampled() -> None:
    data = biased_images(40, 1.0, size=12)
    with pytest.raises(UserError, match=r"methods.balanced: .*no image with target = 0 and protec"):
        resampled(data, torch.Generator().manual_seed(0))


# The context that the workflow opens.

KEY = ("smile", "phi", "0.6", "mask_general")
MODEL = {"architecture": "small_cnn", "weights": "none"}


def opened(folder: Path, regions: Path | None = None, method: str = "mask_general") -> Context:
    """A cell on disk: 44 images, of which some are train, debias and balanced; vanilla trained."""
    order = np.random.default_rng(1).permutation(44)
    split = pd.DataFrame(
        {
            "row": [*order, *order[:8]],
            "image_id": [DATA.image_ids[i] for i in [*order, *order[:8]]],
            "role": ["train"] * 30 + ["debias"] * 14 + ["balanced"] * 8,
            "target": DATA.target.numpy()[[*order, *order[:8]]].astype(np.int8),
            "protected": DATA.protected.numpy()[[*order, *order[:8]]].astype(np.int8),
        }
    )
    context = open_context(
        vanilla_file=folder / "model.safetensors",
        vanilla={"model": MODEL, "training": TRAINING.model_dump()},
        predictions=split.assign(score=0.5),
        images=DATA.images,
        split=split,
        seed=7,
        key=(*KEY[:3], method),
        progress=quiet,
        regions=regions,
    )
    context.device = CPU
    return context


def stored_maps(folder: Path, n: int = 44) -> Path:
    np.save(folder / "confidence.npy", attribution_of(DATA).confidence[:n])
    meta = {"size": 12, "patch": 3, "positions": 16, "attribute": "Hat", "confidence": "maximum"}
    (folder / "region.json").write_text(json.dumps(meta))
    return folder


def test_the_opened_context_repeats_the_stage_train(tmp_path: Path) -> None:
    """As `train.py` does it: these streams, these images, in this order."""
    model = build_classifier(**MODEL, seed=derive(7, "init", *KEY[:3]))
    context = opened(tmp_path, stored_maps(tmp_path))
    train(
        model,
        context.train(),
        TRAINING,
        generator=torch_generator(7, "train", *KEY[:3]),
        device=CPU,
        progress=quiet,
    )
    save_model(model, tmp_path / "model.safetensors")
    assert same(context.vanilla(), model)
    assert same(run("mask_specific", context, quantile=1).model, model)
    assert same(run("noise_general", context, quantile=0, sigma=0).model, model)
    assert not same(run("mask_general", context).model, model)


def test_specific_maps_follow_the_rows_of_the_pool(tmp_path: Path) -> None:
    context = opened(tmp_path, stored_maps(tmp_path))
    rows = context.pool_rows("train")
    assert len(rows) == 30
    got = specific_region(context, 0.6)(torch.arange(30))[..., 0].numpy()
    assert (got == top(context.attribution().specific(rows), 0.6)).all()
    assert not (got == top(context.attribution().specific(np.arange(30)), 0.6)).all()


def test_roles_by_name(tmp_path: Path) -> None:
    context = opened(tmp_path)
    assert len(context.role("balanced")) == 8
    assert context.role("train").image_ids == context.train().image_ids
    with pytest.raises(UserError, match="'test' is closed to methods"):
        context.role("test")


@pytest.mark.parametrize("name", ["noise_general", "noise_specific"])
def test_noise_comes_from_the_cells_seed(name: str, tmp_path: Path) -> None:
    maps = stored_maps(tmp_path)
    first, again, other = (
        run(name, opened(tmp_path, maps, method)).model for method in ("a", "a", "b")
    )
    assert same(first, again)
    assert not same(first, other)


def test_a_cell_without_maps_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no attribution maps.*needs="):
        run("mask_general", opened(tmp_path))


def test_maps_of_another_pool_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="maps of 20 images and the pool has 44"):
        run("noise_specific", opened(tmp_path, stored_maps(tmp_path, 20)))
