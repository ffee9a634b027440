"""On a real GPU: every method and explainer runs there, and gives what the CPU gives."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch

from rightreasons.contracts.fakes import biased_images, make_context, quiet
from rightreasons.core.seeds import torch_generator
from rightreasons.debias import METHODS, apply
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.training import predict_logits, train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.classifier import Classifier
from rightreasons.runtime import devices
from rightreasons.runtime.devices import fit_batch, pick_device
from rightreasons.saliency import EXPLAINERS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

TRAINING = TrainingConfig.model_validate({"epochs": 2, "batch_size": 32, "learning_rate": 1e-3})
CPU = torch.device("cpu")
#: Rounding of float32 sums in another order, relative to a map's largest value.
TOLERANCE = 5e-3


@pytest.fixture(scope="module")
def model() -> Classifier:
    data = biased_images(128, 0.6, size=16)
    network = build_classifier("small_cnn", seed=0).to(pick_device())
    train(
        network, data, TRAINING, generator=torch_generator(0, "t"), device=pick_device(),
        progress=quiet,
    )  # fmt: skip
    return network.eval()


@pytest.fixture
def deterministic() -> Iterator[None]:
    devices.be_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", METHODS.names())
def test_every_method_runs(name: str, model: Classifier) -> None:
    context = make_context(copy.deepcopy(model).cpu(), biased_images(96, 0.6, size=16, seed=1),
                           training=TRAINING)  # fmt: skip
    on_gpu = pick_device()
    vanilla, fresh = context.vanilla, context.fresh
    context.vanilla = lambda: vanilla().to(on_gpu)
    context.fresh = lambda: fresh().to(on_gpu)
    context.device = on_gpu
    method = METHODS[name]
    result = apply(method, context, method.params(**method.traits["small"]))
    assert (result.model is not None) == (method.traits["changes"] == "weights")
    if result.model is not None:
        assert all(value.is_cuda for value in result.model.parameters())
        assert np.isfinite(predict_logits(result.model, context.debias().images, on_gpu)).all()


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18"])
@pytest.mark.parametrize("name", EXPLAINERS.names())
def test_maps_are_the_cpus(name: str, architecture: str) -> None:
    explainer = EXPLAINERS[name]
    params = explainer.params(**explainer.traits["small"])
    if explainer.traits["only"]:
        architecture = "small_vit"
    height = 64 if architecture == "small_vit" else 48
    inputs = torch.randn(4, 3, height, 64, generator=torch.Generator().manual_seed(1))
    classes = torch.tensor([0, 1, 0, 1])
    found = []
    for device in (CPU, pick_device()):
        network = build_classifier(architecture, seed=3).eval().to(device)
        with explainer.run(network, params, torch.Generator().manual_seed(0)) as run:
            found.append(run(inputs.to(device), classes.to(device)).maps.cpu())
    scale = found[0].abs().amax((1, 2), keepdim=True)
    assert ((found[0] - found[1]).abs() / scale).max() < TOLERANCE


def test_predictions_are_the_cpus(model: Classifier) -> None:
    images = biased_images(64, 0.0, size=16, seed=2).images
    ours = predict_logits(model, images, pick_device())
    np.testing.assert_allclose(ours, predict_logits(copy.deepcopy(model).cpu(), images, CPU),
                               atol=1e-4)  # fmt: skip


def test_the_same_numbers_in_every_deterministic_run(deterministic: None) -> None:
    def weights() -> list[torch.Tensor]:
        network = build_classifier("small_cnn", seed=1).to(pick_device())
        data = biased_images(128, 0.6, size=32)
        train(network, data, TRAINING, generator=torch_generator(0, "t"), device=pick_device(),
              progress=quiet)  # fmt: skip
        return [value.cpu() for value in network.state_dict().values()]

    assert all(torch.equal(*pair) for pair in zip(weights(), weights(), strict=True))


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "reductions", {})
    monkeypatch.setattr(devices.Residence, "used", False)
    device = pick_device()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(2**30 / total, device)
    tried: list[int] = []

    def work(size: int, tried: list[int]) -> int:
        tried.append(size)
        torch.empty(size * 2**20, dtype=torch.uint8, device=device)
        return size

    try:
        assert fit_batch(partial(work, tried=tried), 4096, "a test") < 1024
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    assert tried[:3] == [4096, 2048, 1024]
    assert devices.reductions == {"a test": [4096, tried[-1]]}
