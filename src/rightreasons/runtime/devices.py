"""Which device computes: a GPU per job, batches that fit its memory, determinism."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from rightreasons.core.errors import UserError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

#: Locks that this process holds for as long as it lives, one at most.
_held: list[IO[bytes]] = []
#: The share of a GPU's free memory that a split's images may take; the network needs the rest.
RESIDENT_SHARE = 0.25
#: What of this job did not fit: what was done -> [batch size asked for, batch size used].
reductions: dict[str, list[int]] = {}


def count_gpus() -> int:
    """Return how many GPUs a job on this machine would see, without importing torch.

    CUDA_VISIBLE_DEVICES counts where it is set, else NVIDIA's driver (Linux). 0 where neither
    says anything.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return len([name for name in names if name and name != "-1"])
    driver = Path("/proc/driver/nvidia/gpus")
    return len(list(driver.iterdir())) if driver.is_dir() else 0


@cache
def pick_device() -> torch.device:
    """Return the device of this job: the CPU, the only GPU, or the one that fewest jobs use.

    It stays the same for the life of the process. Its convolutions do not use TF32, whose factors
    have 10 bits, so that maps and predictions are as exact as the CPU's.
    """
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    count = torch.cuda.device_count()
    device = torch.device("cuda", claim(count) if count > 1 else 0)
    torch.cuda.set_device(device)
    return device


def claim(count: int, folder: Path | None = None) -> int:
    """Return which of `count` GPUs this process shall use, and keep it until the process ends.

    Jobs lock files in a folder of this machine and user, the first the free GPUs, then each GPU a
    second time, and so on: no GPU has two jobs while another has none. The operating system drops
    the lock of a process that dies. Jobs with another CUDA_VISIBLE_DEVICES number their GPUs
    differently, and are not told apart.

    Parameters
    ----------
    count
        How many GPUs this process sees.
    folder
        Of the locks; one of this machine and user by default.

    Returns
    -------
    int
        From 0 to count - 1; 0 where there are no such locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return 0
    if folder is None:
        user = os.getuid()
        folder = Path(tempfile.gettempdir()) / f"rightreasons-gpus-{user}"
    with suppress(OSError):  # no such folder can be made, or a file system without locks
        folder.mkdir(mode=0o700, exist_ok=True)
        for turn, gpu in itertools.product(range(1000), range(count)):
            file = open(folder / f"{gpu}-{turn}", "wb")  # noqa: SIM115 - open while we live
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            return gpu
    return 0


def be_deterministic() -> None:
    """Make torch give the same numbers in every run on the same GPU with the same software.

    To be called before CUDA is first used. Convolutions and sums whose fastest way depends on the
    order of threads take another; an operation that has no other raises RuntimeError. Nothing
    changes where there is no GPU: the CPU gives the same numbers anyway.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if not torch.cuda.is_available():
        return
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


class Residence:
    """Whether images may stay on the GPU, and whether some do, in this process."""

    allowed = True
    used = False
    depth = 0


def fits(n_bytes: int, device: torch.device) -> bool:
    """Return whether images shall stay on the device, rather than pass through.

    On a GPU if they take at most RESIDENT_SHARE of its free memory, and memory has not been lacking
    so far. Never on the CPU, where the pool is a file that the operating system keeps in memory.

    Parameters
    ----------
    n_bytes
        What the images take.
    device
        Where to.
    """
    import torch

    if device.type != "cuda" or not Residence.allowed:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= RESIDENT_SHARE * free


def fit_batch(work: Callable[[int], T], batch_size: int, what: str, least: int = 1) -> T:
    """Return work(batch_size), or of the largest half, quarter ... of it that fits into memory.

    Images that stayed on the GPU make room first; where an outer call put them there, it is the one
    that begins anew. A reduction is said in the terminal and the log, and kept in `reductions`.
    Errors other than a lack of memory pass.

    Parameters
    ----------
    work
        Does everything anew each time, so that the result is what a config with the smaller batch
        size gives.
    batch_size
        The size to begin with.
    what
        What messages call the work.
    least
        The smallest batch that `work` can do.

    Raises
    ------
    UserError
        Where a batch so small does not fit.
    """
    size = batch_size
    while True:
        try:
            with _nested() as depth:
                result = work(size)
        except RuntimeError as error:
            if not out_of_memory(error) or (depth > 1 and Residence.used):
                raise
            if size // 2 < least and not Residence.used:
                raise UserError(
                    f"{what}: a batch of {size} does not fit into the memory of the device, and "
                    f"{least} is the least. Use smaller images, a smaller network, or a device "
                    "with more memory."
                ) from error
        else:
            if size != batch_size:
                reductions[what] = [batch_size, size]
            return result
        size = _make_room(size, what)


@contextmanager
def _nested() -> Iterator[int]:
    """Give how many calls of `fit_batch` this one is in, itself counted."""
    Residence.depth += 1
    try:
        yield Residence.depth
    finally:
        Residence.depth -= 1


def _make_room(size: int, what: str) -> int:
    """Send images off the GPU, or halve the batch size; return it, and say so."""
    if Residence.used:
        Residence.allowed = Residence.used = False
        done = "the images are read batch by batch from now on"
    else:
        size //= 2
        done = f"batches of {size} images from now on"
    _free()
    message = f"{what}: out of memory: {done}"
    logging.getLogger(__name__).warning(message)
    print(message, file=sys.stderr)
    return size


def out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error of torch says that memory is lacking, of a GPU or of the CPU."""
    import torch

    text = str(error)
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(
        said in text for said in ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    )


def _free() -> None:
    """Give the memory of what has been let go back to the device."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
