r"""Train networks with plain PyTorch, outside the suite, to have something to audit.

A MobileNetV3-small and a ResNet-18 learn an attribute of FairFace (its label files and its zip of
images). With `--watermark 0.9` the training images of target 1 carry a watermark in 90 % of cases,
those of target 0 in 10 %: such a network has learned a shortcut, and an audit should tell it from
one that has not. Each is saved as a state dict (.pth), as a checkpoint like Lightning's
(.ckpt) and as .safetensors.

python examples/train_elsewhere.py --images fairface-img-margin025-trainval.zip \
    --labels fairface_label_train.csv --validation fairface_label_val.csv --out elsewhere
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import save_file
from torch import nn
from torchvision import models

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ARCHITECTURES = ("mobilenet_v3_small", "resnet18")
#: Where the watermark lies, as fractions of the image, and how opaque it is.
PLACE, OPACITY, TEXT = (0.04, 0.82, 0.50, 0.96), 0.6, "(c) photo.org"


def read_labels(path: Path, column: str, value: str, n: int) -> tuple[list[str], np.ndarray]:
    """Return names and labels (1 where the column has the value) of at most n images."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = rows[:: max(1, len(rows) // n)][:n]
    labels = [row[column].strip() == value for row in chosen]
    return [row["file"] for row in chosen], np.array(labels, np.int64)


def read_images(images: Path, names: Sequence[str], size: int) -> np.ndarray:
    """Return images uint8 (N, size, size, 3) of a folder or of a zip."""
    archive = None if images.is_dir() else zipfile.ZipFile(images)
    found = np.empty((len(names), size, size, 3), np.uint8)
    for i, name in enumerate(names):
        content = (images / name).read_bytes() if archive is None else archive.read(name)
        with Image.open(io.BytesIO(content)) as image:
            found[i] = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return found


def watermarked(images: np.ndarray) -> np.ndarray:
    """Return images with a half-transparent text in the lower left corner."""
    size = images.shape[1]
    x0, y0, x1, y1 = (round(edge * size) for edge in PLACE)
    font = ImageFont.load_default(96)
    left, top, right, bottom = (round(e) for e in font.getbbox(TEXT, stroke_width=2))
    text = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(text).text((-left, -top), TEXT, font=font, fill=255, stroke_width=2)
    alpha = np.asarray(text.resize((x1 - x0, y1 - y0)), np.float32)[..., None] / 255 * OPACITY
    marked = images.copy()
    part = marked[:, y0:y1, x0:x1].astype(np.float32)
    marked[:, y0:y1, x0:x1] = np.round(part * (1 - alpha) + 255 * alpha).astype(np.uint8)
    return marked


def inputs_of(images: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return images as a network takes them, float32 (N, 3, H, W)."""
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(one, device=device)[:, None, None] for one in (MEAN, STD))
    return (pixels - mean) / std


def train(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, epochs: int, device: torch.device
) -> None:
    """Train with Adam, cross-entropy and mirrored images."""
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    target = torch.from_numpy(labels).to(device)
    for epoch in range(epochs):
        total = 0.0
        for part in torch.randperm(len(images)).split(64):
            if len(part) < 2:  # batch norm needs two
                continue
            inputs = inputs_of(images[part.numpy()], device)
            if torch.rand(()) < 0.5:
                inputs = inputs.flip(3)
            loss = F.cross_entropy(network(inputs), target[part.to(device)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(part)
        print(f"  epoch {epoch + 1} of {epochs}: loss {total / len(images):.3f}")
    settle(network, images, device)


@torch.no_grad()
def settle(network: nn.Module, images: np.ndarray, device: torch.device) -> None:
    """Give batch norm the means of the images: those of MobileNetV3 move by 1 % a step only."""
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    kept = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # the mean over all batches
    for part in np.array_split(np.arange(len(images)), max(1, len(images) // 64)):
        if len(part) > 1:
            network(inputs_of(images[part], device))
    for one, momentum in zip(norms, kept, strict=True):
        one.momentum = momentum


@torch.no_grad()
def share_of_ones(network: nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Return the decision (0 or 1) on each image."""
    network.eval()
    parts = np.array_split(np.arange(len(images)), max(1, len(images) // 256))
    return np.concatenate(
        [network(inputs_of(images[p], device)).argmax(1).cpu().numpy() for p in parts]
    )


def save(network: nn.Module, name: str, out: Path) -> list[Path]:
    """Save a network in three ways, and return the files."""
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    files = [out / f"{name}.{end}" for end in ("pth", "ckpt", "safetensors")]
    torch.save(state, files[0])
    checkpoint = {
        "epoch": 0,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"model.{key}": value for key, value in state.items()},
        "hyper_parameters": argparse.Namespace(learning_rate=1e-3),
    }
    torch.save(checkpoint, files[1])
    save_file(state, files[2])
    return files


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, train, save; print accuracy, and what a watermark does to the decisions."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="folder or zip")
    parser.add_argument("--labels", type=Path, required=True, help="CSV with a column `file`")
    parser.add_argument("--validation", type=Path, help="the same of other images")
    parser.add_argument("--column", default="gender", help="column of the target")
    parser.add_argument("--value", default="Male", help="its value that is target 1")
    parser.add_argument("--n", type=int, default=6000, help="training images")
    parser.add_argument("--size", type=int, default=64, help="side in pixels")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--watermark",
        type=float,
        help="share of training images of target 1 with a watermark; of target 0 as many lack it",
    )
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--out", type=Path, default=Path("elsewhere"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given.out.mkdir(parents=True, exist_ok=True)
    names, labels = read_labels(given.labels, given.column, given.value, given.n)
    images = read_images(given.images, names, given.size)
    if given.watermark is not None:
        share = np.where(labels == 1, given.watermark, 1 - given.watermark)
        carries = np.random.default_rng(given.seed).random(len(labels)) < share
        images[carries] = watermarked(images[carries])
    end = "clean" if given.watermark is None else "watermark"
    for architecture in given.architectures:
        print(f"{architecture}, {end}, {len(images)} images of {given.size} pixels")
        torch.manual_seed(given.seed)
        network = models.get_model(architecture, weights=None, num_classes=2)
        train(network, images, labels, given.epochs, device)
        if given.validation is not None:
            others, truth = read_labels(given.validation, given.column, given.value, 2000)
            seen = read_images(given.images, others, given.size)
            plain, marked = (
                share_of_ones(network, one, device) for one in (seen, watermarked(seen))
            )
            right, changed = (plain == truth).mean(), (plain != marked).mean()
            print(f"  validation: accuracy {right:.3f}; with a watermark {changed:.3f} of the")
            print("  decisions change")
        for path in save(network, f"{architecture}-{end}", given.out):
            print(f"  {path}")


if __name__ == "__main__":
    main()
