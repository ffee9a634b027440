"""Which device, how large a batch, and the same numbers wherever images lie."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rightreasons.contracts.fakes import CPU, biased_images, make_context, quiet
from rightreasons.core.errors import UserError
from rightreasons.core.job import Job
from rightreasons.core.seeds import torch_generator
from rightreasons.debias import METHODS, Context, Debiased, apply
from rightreasons.learning.config import TrainingConfig
from rightreasons.learning.images import resident, resident_images, take
from rightreasons.learning.records import provenance
from rightreasons.learning.training import batches, extract_features, predict_logits, train
from rightreasons.models.architectures import build_classifier
from rightreasons.models.small_networks import GridAverage
from rightreasons.runtime import devices, job
from rightreasons.runtime.devices import claim, count_gpus, fit_batch, fits, pick_device
from study import Workspace, tinier

DATA = biased_images(48, 0.5)
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reduction and no refusal of residence from another test."""
    devices.reductions.clear()
    monkeypatch.setattr(devices.Residence, "allowed", True)
    monkeypatch.setattr(devices.Residence, "used", False)


def too_large(most: int) -> Any:
    """Return work that fits into memory up to a batch of `most`, and what it was called with."""
    asked: list[int] = []

    def work(size: int) -> str:
        asked.append(size)
        if size > most:
            raise torch.cuda.OutOfMemoryError(FULL)
        return f"done with {size}"

    return work, asked


@pytest.mark.parametrize(
    ("most", "sizes"),
    [(64, [64]), (20, [64, 32, 16]), (1, [64, 32, 16, 8, 4, 2, 1])],
)
def test_a_batch_that_does_not_fit_is_halved_and_said(
    most: int, sizes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    work, asked = too_large(most)
    assert fit_batch(work, 64, "train") == f"done with {sizes[-1]}"
    assert asked == sizes
    reduced = {"train": [64, sizes[-1]]} if len(sizes) > 1 else {}
    assert devices.reductions == reduced
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"train: out of memory: batches of {size} images from now on" for size in sizes[1:]
    ]


@pytest.mark.parametrize(("least", "sizes"), [(1, [8, 4, 2, 1]), (3, [8, 4])])
def test_the_least_batch_that_does_not_fit_is_an_error(least: int, sizes: list[int]) -> None:
    work, asked = too_large(0)
    with pytest.raises(UserError, match=f"train: a batch of {sizes[-1]} does not fit into the mem"):
        fit_batch(work, 8, "train", least)
    assert asked == sizes


@pytest.mark.parametrize(
    ("name", "least"), [("savani_aft", 8), ("zhang", 2), ("finetune", 2), ("mask_general", 2)]
)
def test_no_method_is_asked_for_a_smaller_batch_than_it_allows(name: str, least: int) -> None:
    seen = []

    def run(context: Context, params: Any) -> Debiased:
        seen.append(getattr(params, "batch_size", context.training.batch_size))
        raise torch.cuda.OutOfMemoryError(FULL)

    method = METHODS[name]
    training = TrainingConfig(batch_size=64)
    context = make_context(build_classifier("small_cnn"), DATA, training=training)
    with pytest.raises(UserError, match=f"{least} is the least"):
        apply(replace(method, run=run), context, method.params())
    assert min(seen) == least


@pytest.mark.parametrize("size", [2, 3])
def test_training_works_with_the_least_batch(size: int) -> None:
    model = build_classifier("small_cnn", seed=1)
    config = TrainingConfig(epochs=1, batch_size=size, learning_rate=1e-3)
    history = train(
        model, DATA, config, generator=torch_generator(0, "t"), device=CPU, progress=quiet
    )
    assert np.isfinite(history[-1]["loss"])


def test_an_inner_call_leaves_it_to_the_outer_one_to_free_its_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def inner(size: int) -> int:
        tried.append(f"inner {size}")
        if devices.Residence.allowed:
            raise torch.cuda.OutOfMemoryError(FULL)
        return size

    def outer(size: int) -> int:
        tried.append(f"outer {size}")
        monkeypatch.setattr(devices.Residence, "used", devices.Residence.allowed)
        return fit_batch(inner, 16, "features")

    assert fit_batch(outer, 64, "train") == 16
    assert tried == ["outer 64", "inner 16", "outer 64", "inner 16"]
    assert devices.Residence.depth == 0
    assert devices.reductions == {}


@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUDA error: out of memory", True),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_what_says_that_memory_is_lacking(said: str, lacking: bool) -> None:
    assert devices.out_of_memory(RuntimeError(said)) == lacking


def test_another_error_passes_at_once() -> None:
    def work(size: int) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        fit_batch(work, 64, "train")


def test_images_on_the_device_make_room_before_a_batch_is_halved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices.Residence, "used", True)
    asked = []

    def work(size: int) -> int:
        asked.append((size, devices.Residence.allowed))
        if devices.Residence.allowed:
            raise torch.cuda.OutOfMemoryError(FULL)
        return size

    assert fit_batch(work, 64, "train") == 64
    assert asked == [(64, True), (64, False)]
    assert devices.reductions == {}
    assert "the images are read batch by batch" in capsys.readouterr().err
    assert not fits(1, torch.device("cuda"))


def test_a_reduced_training_is_that_of_the_smaller_batch_size() -> None:
    """Weights, order and noise are made anew, so the result is the smaller config's."""

    def fit(size: int) -> dict[str, torch.Tensor]:
        model = build_classifier("small_cnn", seed=1)
        config = TrainingConfig(epochs=2, batch_size=size, learning_rate=1e-3, augment="flip")
        steps = 0

        def loss(model: Any, batch: Any) -> torch.Tensor:
            nonlocal steps
            steps += 1
            if size > 8 and steps == 3:  # in the midst of training
                raise torch.cuda.OutOfMemoryError(FULL)
            return torch.nn.functional.cross_entropy(model(batch.inputs), batch.target)

        train(model, DATA, config, generator=torch_generator(0, "t"), device=CPU, progress=quiet,
              loss=loss)  # fmt: skip
        return model.state_dict()

    reduced, direct = fit_batch(fit, 32, "train"), fit(8)
    assert all(torch.equal(reduced[key], direct[key]) for key in direct)
    assert provenance("cpu")["reduced_batches"] == {"train": [32, 8]}


@pytest.mark.parametrize(
    ("name", "given"), [("mask_general", {}), ("finetune", {"batch_size": 64})]
)
def test_a_method_begins_anew_with_the_smaller_batch(name: str, given: dict[str, Any]) -> None:
    """The batch size is the method's own where it has one, else the study's."""
    seen = []

    def run(context: Context, params: Any) -> Debiased:
        seen.append(getattr(params, "batch_size", context.training.batch_size))
        if seen[-1] > 16:
            raise torch.cuda.OutOfMemoryError(FULL)
        return Debiased(notes={"training": context.training.batch_size})

    training = TrainingConfig(batch_size=64)
    context = make_context(build_classifier("small_cnn"), DATA, training=training)
    method = METHODS[name]
    made = apply(replace(method, run=run), context, method.params(**given))
    assert seen == [64, 32, 16]
    assert made.notes["training"] == (64 if given else 16)
    assert context.training.batch_size == 64
    assert devices.reductions == {f"methods.{name}": [64, 16]}


@pytest.mark.parametrize("flip", [False, True])
def test_resident_images_give_the_same_batches(flip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightreasons.learning.images.fits", lambda n_bytes, device: True)
    monkeypatch.setattr("rightreasons.learning.images.PART", 7)
    placed = resident(DATA, CPU)
    assert isinstance(placed.images, torch.Tensor)
    assert devices.Residence.used
    assert resident(placed, CPU).images is placed.images

    def passes(data: Any) -> list[Any]:
        return list(batches(data, 10, CPU, generator=torch_generator(0, "b"), flip=flip))

    for a, b in zip(passes(placed), passes(DATA), strict=True):
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.indices, b.indices)
        assert a.inputs.is_contiguous(memory_format=torch.channels_last)
    model = build_classifier("small_cnn", seed=1)
    for function in (predict_logits, extract_features):
        assert np.array_equal(
            function(model, placed.images, CPU), function(model, DATA.images, CPU)
        )


def test_images_stay_in_the_pool_on_the_cpu() -> None:
    assert resident_images(DATA.images, CPU) is DATA.images
    indices = torch.tensor([3, 0, 3])
    assert np.array_equal(take(DATA.images, indices, CPU).numpy(), DATA.images[[3, 0, 3]])


def test_a_split_stays_on_a_gpu_where_it_takes_a_quarter_of_free_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4000, 9000))
    assert fits(1000, torch.device("cuda"))
    assert not fits(1001, torch.device("cuda"))
    assert not fits(1, CPU)


CLAIM = """
import sys
from dataclasses import replace
from pathlib import Path
from rightreasons.runtime.devices import claim
print(claim(int(sys.argv[1]), Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""


def test_jobs_share_out_gpus_and_a_killed_one_frees_its_own(tmp_path: Path) -> None:
    def job() -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIM, "3", str(tmp_path / "gpus")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    jobs = [job() for _ in range(4)]
    try:
        assert [gpu for _, gpu in jobs] == [0, 1, 2, 0]  # the fourth shares
        jobs[1][0].kill()
        jobs[1][0].wait()
        jobs.append(job())
        assert jobs[-1][1] == 1
    finally:
        for process, _ in jobs:
            process.kill()
            process.wait()


def test_claim_without_locks_is_the_first_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(file: Any, how: int) -> None:
        raise OSError("no locks here")

    (tmp_path / "file").touch()
    assert claim(4, tmp_path / "file") == 0  # no folder
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert claim(4, tmp_path) == 0


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("-1", 0), ("0", 1), ("0,2", 2), ("GPU-a, GPU-b,GPU-c", 3)]
)
def test_gpus_are_counted_without_torch(
    visible: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == count


def test_the_device_is_the_claimed_gpu_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(devices, "claim", lambda count: count - 1)
    pick_device.cache_clear()
    try:
        assert pick_device() == torch.device("cuda", 3)
        assert pick_device() == torch.device("cuda", 3)
        assert chosen == [torch.device("cuda", 3)]
        assert not torch.backends.cudnn.allow_tf32
    finally:
        pick_device.cache_clear()


def test_determinism_is_switched_on_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    devices.be_deterministic()
    assert not torch.are_deterministic_algorithms_enabled()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        devices.be_deterministic()
        assert torch.are_deterministic_algorithms_enabled()
        monkeypatch.undo()
        assert fit_deterministic() == fit_deterministic()
    finally:
        torch.use_deterministic_algorithms(False)


def fit_deterministic() -> list[float]:
    """Train a little: no operation of the small CNN lacks a deterministic form on the CPU."""
    model = build_classifier("small_cnn", seed=1)
    config = TrainingConfig(epochs=1, batch_size=16, learning_rate=1e-3)
    generator = torch_generator(0, "t")
    history = train(model, DATA, config, generator=generator, device=CPU, progress=quiet)
    return [record["loss"] for record in history]


@pytest.mark.parametrize("size", [8, 10, 13, 28])
def test_the_grid_average_is_adaptive_average_pooling(size: int) -> None:
    x = torch.randn(2, 3, size, size, generator=torch_generator(0, "x"), requires_grad=True)
    weight = torch.randn(2, 3, 4, 4, generator=torch_generator(0, "w"))
    found = []
    for pool in (GridAverage(4), torch.nn.AdaptiveAvgPool2d(4)):
        y = pool(x)
        found.append((y, torch.autograd.grad((y * weight).sum(), x)[0]))
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs)


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_job_is_deterministic_where_the_config_says_so(
    deterministic: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    monkeypatch.setattr(devices, "be_deterministic", lambda: called.append(True))
    monkeypatch.delenv(job.SNAKEMAKE, raising=False)
    for name in ("begin_log", "limit_threads"):  # of this process they are pytest's business
        monkeypatch.setattr(job, name, lambda given: None)
    snakemake = SimpleNamespace(
        input={},
        output={},
        params=SimpleNamespace(job={"deterministic": deterministic}),
        wildcards=[],
        threads=1,
        log=[tmp_path / "job.log"],
    )
    job.run(lambda *given: called.append("main"), Job, snakemake)
    assert called == ([True, "main"] if deterministic else ["main"])


@pytest.mark.parametrize(("visible", "most"), [("", None), ("0,1", "2")])
def test_as_many_jobs_run_on_gpus_as_there_are(
    visible: str, most: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("RIGHTREASONS_TERMINAL", "snakemake")  # its own words, not ours
    space = Workspace(tmp_path)
    space.configure(tinier([0.8]))
    done = space.run("--", "results/tiny/fetch/synthfaces/source.json")
    assert done.returncode == 0, done.stdout[-2000:]
    found = re.search(r"^Provided resources:.*gpu_jobs\D*(\d+)", done.stdout, re.MULTILINE)
    assert (found and found[1]) == most
