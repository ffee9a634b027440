"""Cost of attribution maps: patch by patch, the fast way, and in one pass over the image.

    python benchmarks/regions.py [--threads 1] [--images 4] [--train 1500] [--epochs 30]

First the seconds per image (processor time of all threads, best of `--repeats`) of

- naive: the published network's `forward` on cut patches, 256 at a time;
- published: the same network, `image_logits`;
- dense: the dense network, `image_logits`;

beside two bounds: the multiply-adds of the published network as an ordinary stack of convolutions,
and those that `published` cannot do without, each over the rate of a large float32 matrix product
on the same threads. `published` should stay below 1.3 times the first, `dense` below naive / 20.

Then coarser grids: how far a pixel map is from that of all positions when h x h of them are
classified and the rest is interpolated. The network is trained on synthfaces first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from rightreasons.data.synthfaces import render, sample_latents
from rightreasons.regions.folded import FoldedResNet, SmallConv
from rightreasons.regions.geometry import normalised, spread
from rightreasons.regions.maps import confidence_maps
from rightreasons.regions.networks import PatchNetwork, PublishedNetwork, build_patch_network
from rightreasons.regions.params import RegionParams
from rightreasons.regions.training import train_patch_classifier

SETTINGS = [(128, 32, 2025), (64, 16, 225)]
GRIDS = (45, 23, 15, 11, 7)
ATTRIBUTE = "Wearing_Hat"
CPU = torch.device("cpu")


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of `repeats` runs, after one run to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def matmul_rate(repeats: int, side: int = 2048) -> float:
    """Return multiply-adds per second of processor time of a float32 matrix product."""
    a, b = torch.randn(2, side, side, generator=torch.Generator().manual_seed(0))
    return side**3 / best_seconds(lambda: a @ b, repeats)


def quiet(iterable: Iterable[Any], description: str) -> Iterable[Any]:
    """Show no progress bar."""
    return iterable


@torch.no_grad()
def naive(network: PatchNetwork, images: torch.Tensor) -> None:
    """Classify all patches of each image, 256 at a time, with the network as it was trained."""
    k = network.patch
    for image in images:
        for position in torch.arange(network.positions).split(256):
            where = network.corners[position].tolist()
            patches = torch.stack([image[:, y : y + k, x : x + k] for y, x in where])
            network(patches, position)


def ordinary_work(network: PublishedNetwork) -> int:
    """Return the multiply-adds of one patch, padding and position channels included."""
    work = [0]

    def count(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        work[0] += output.numel() * layer.get_parameter("weight")[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network(torch.zeros(1, 3, network.patch, network.patch), torch.zeros(1, dtype=torch.long))
    for hook in hooks:
        hook.remove()
    return work[0]


def needed_work(network: PublishedNetwork) -> int:
    """Return the multiply-adds of one patch that the fast way does, its convolutions counted whole.

    What the positions add is left out: it is shared by images.
    """
    resnet = FoldedResNet(network.resnet, network.patch)
    work = resnet.weight.numel() * resnet.responses.shape[1] ** 2
    for block in resnet.blocks:
        convs = [block.first, block.second, block.shortcut]
        work += sum(_work(conv) for conv in convs if conv is not None)
    return work + resnet.head[0].numel()


def _work(conv: SmallConv) -> int:
    if conv.matrix is not None:
        return conv.matrix.numel()
    return conv.conv.weight.numel() * conv.side**2


def speed(size: int, patch: int, positions: int, n: int, repeats: int) -> None:
    """Print the seconds per image of each way, and the bounds."""
    build = partial(build_patch_network, n_classes=2, size=size, patch=patch, positions=positions,
                    embedding=8, seed=0)  # fmt: skip
    published, dense = build("published").eval(), build("dense").eval()
    assert isinstance(published, PublishedNetwork)
    images = torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))
    rate = matmul_rate(repeats)
    works = [ordinary_work(published), needed_work(published)]
    bound, least = (work * positions / rate for work in works)
    times = {
        "naive": best_seconds(lambda: naive(published, images[:1]), repeats),
        "published": best_seconds(partial(published.prepared(), images), repeats) / n,
        "dense": best_seconds(partial(dense.prepared(), images), repeats) / n,
    }
    print(f"I = {size}, k = {patch}, p = {positions}; matrix products {rate / 1e9:.0f} G/s")
    print(f"  bound      {bound:8.4f} s   {works[0] / 1e6:.1f} M multiply-adds per patch")
    print(f"  needed     {least:8.4f} s   {works[1] / 1e6:.1f} M of them")
    for name, seconds in times.items():
        ratios = f"{seconds / bound:5.2f} x bound   naive / {times['naive'] / seconds:.1f}"
        print(f"  {name:<10} {seconds:8.4f} s   {ratios}")


def trained(kind: str, n: int, epochs: int) -> tuple[PatchNetwork, np.ndarray]:
    """Return a network trained on n synthfaces of 128 px, and 16 other images."""
    latents = sample_latents(n + 16, seed=0)
    images, _ = render(latents, 128)
    labels = latents[ATTRIBUTE].to_numpy(np.int64)
    params = RegionParams(epochs=epochs, step_epochs=max(1, epochs * 3 // 4), batch_size=64)
    network = build_patch_network(
        kind, n_classes=2, size=128, patch=params.patch, positions=params.positions,
        embedding=params.embedding, seed=0,
    )  # fmt: skip
    train_patch_classifier(network, images[:n], labels[:n], params, device=CPU, progress=quiet,
                           generator=torch.Generator().manual_seed(0))  # fmt: skip
    return network, images[n:]


def coarser_grids(kind: str, n: int, epochs: int, n_images: int, repeats: int) -> None:
    """Print time against error of the pixel maps, per image and of the mean map."""
    network, images = trained(kind, n, epochs)
    images = images[:n_images]
    print(f"{kind}, {ATTRIBUTE} of synthfaces: pixel maps of coarser grids against 45 x 45")
    print("  positions  s per image  error  correlation  (mean map: error  correlation)")
    exact = None
    for side in GRIDS:
        ask = partial(confidence_maps, network, images, "maximum", device=CPU, progress=quiet,
                      coarse=side)  # fmt: skip
        seconds = best_seconds(ask, repeats) / len(images)
        found = ask().astype(np.float32)
        maps = normalised(spread(np.stack([*found, found.mean(axis=0)]), 128, network.patch))
        exact = maps if exact is None else exact
        error = np.abs(maps - exact).mean(axis=(1, 2))
        same = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps, exact, strict=True)]
        print(f"  {side * side:>9}  {seconds:>11.4f}  {error[:-1].mean():.3f}  "
              f"{np.mean(same[:-1]):>11.3f}  {error[-1]:>17.3f}  {same[-1]:>11.3f}")  # fmt: skip


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3, help="0: no speeds")
    parser.add_argument("--train", type=int, default=1500, help="images to train on; 0: no grids")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--networks", nargs="+", default=["published", "dense"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for setting in SETTINGS if arguments.repeats else ():
        speed(*setting, arguments.images, arguments.repeats)
    for kind in arguments.networks if arguments.train else ():
        coarser_grids(kind, arguments.train, arguments.epochs, arguments.images, 1)


if __name__ == "__main__":
    main()
