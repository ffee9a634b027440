"""Datasets in miniature: a few images in the layout of the official files."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

#: Attributes of the CelebA in miniature.
CELEBA = ("Smiling", "Male", "Wearing_Hat")
#: Pets: name, breed, species, number in the species; as in the official lists, which are unsorted.
TRAINVAL = ("Abyssinian_100 1 1 1", "american_bulldog_7 2 2 1", "Egyptian_Mau_1 3 1 2")
TEST = ("american_bulldog_12 2 2 1", "Abyssinian_2 1 1 1", "Egyptian_Mau_10 3 1 2")
SIZES = {"Abyssinian_100": (20, 12), "american_bulldog_7": (10, 22), "Abyssinian_2": (30, 30)}


def jpeg(shade: int, width: int = 18, height: int = 22) -> bytes:
    """Return an image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 100, 255 - shade)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    """Write a zip with some files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def celeba(root: Path, n: int = 6, prefix: str = "img_align_celeba/", end: str = "\n") -> Path:
    """Write n images as CelebA's official files have them; attribute k of image i is bit k of i."""
    root.mkdir(parents=True, exist_ok=True)
    ids = [f"{i:06d}.jpg" for i in range(1, n + 1)]
    lines = [str(n), " ".join(CELEBA)]
    for i, image_id in enumerate(ids):
        lines.append(f"{image_id} " + " ".join(f"{1 if i >> k & 1 else -1:2d}" for k in range(3)))
    (root / "list_attr_celeba.txt").write_bytes((end.join(lines) + end).encode())
    people = "".join(f"{image_id} {100 + i // 2}{end}" for i, image_id in enumerate(ids))
    (root / "identity_CelebA.txt").write_bytes(people.encode())
    parts = "".join(f"{image_id} {i % 3}{end}" for i, image_id in enumerate(ids))
    (root / "list_eval_partition.txt").write_bytes(parts.encode())
    images = {prefix + image_id: jpeg(30 * i) for i, image_id in enumerate(ids)}
    write_zip(root / "img_align_celeba.zip", images)
    return root


def kaggle(root: Path) -> Path:
    """Write CelebA as Kaggle has it: lists with commas, a folder within a folder, no identities."""
    root = celeba(root)
    with zipfile.ZipFile(root / "img_align_celeba.zip") as archive:
        archive.extractall(root / "img_align_celeba")
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()[2:]
    rows = [",".join(line.split()) for line in lines]
    head = ",".join(("image_id", *CELEBA))
    (root / "list_attr_celeba.csv").write_text("\n".join([head, *rows]))
    parts = (root / "list_eval_partition.txt").read_text().splitlines()
    pairs = [",".join(line.split()) for line in parts]
    (root / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *pairs]))
    (root / "list_bbox_celeba.csv").write_text("image_id,x_1\n000001.jpg,1\n")
    for name in ("img_align_celeba.zip", "list_attr_celeba.txt", "identity_CelebA.txt"):
        (root / name).unlink()
    (root / "list_eval_partition.txt").unlink()
    return root


def fairface(root: Path) -> Path:
    """Write six images as FairFace's official files have them, with both margins."""
    root.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", 4), ("val", 2)):
        lines = ["file,age,gender,race,service_test"]
        lines += [
            f"{part}/{i}.jpg,more than 70,{'Male' if i % 2 else 'Female'},East Asian,{i == 1}"
            for i in range(1, rows + 1)
        ]
        (root / f"fairface_label_{part}.csv").write_text("\n".join(lines))
    ids = [f"train/{i}.jpg" for i in range(1, 5)] + [f"val/{i}.jpg" for i in range(1, 3)]
    for margin in ("025", "125"):
        write_zip(
            root / f"fairface-img-margin{margin}-trainval.zip",
            {image_id: jpeg(int(margin)) for image_id in ids},
        )
    return root


def own(root: Path, table: str | None = None) -> Path:
    """Write four images of one's own with a table of attributes."""
    (root / "images" / "cats").mkdir(parents=True)
    for i in range(4):
        (root / "images" / "cats" / f"{i}.jpg").write_bytes(jpeg(40 * i))
    rows = [
        f"cats/{i}.jpg,{i % 2},{2 * (i % 2) - 1},{bool(i % 2)},c{i}, p{i // 2}" for i in range(4)
    ]
    header = "file,Fluffy,Awake,Indoor,Breed,Owner"
    (root / "attributes.csv").write_text(table or "\n".join([header, *rows]))
    return root


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    """Return an array as the bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def pet(name: str) -> bytes:
    """Return a JPEG whose left half is dark."""
    width, height = SIZES.get(name, (16, 16))
    pixels = np.full((height, width, 3), 200, np.uint8)
    pixels[:, : width // 2] = len(name)
    return encoded(pixels, "JPEG")


def trimap(name: str) -> np.ndarray:
    """Return foreground in the upper left, an outline of one pixel, background elsewhere."""
    width, height = SIZES.get(name, (16, 16))
    values = np.full((height, width), 2, np.uint8)
    values[: height // 2 + 1, : width // 2 + 1] = 3
    values[: height // 2, : width // 2] = 1
    return values


def write_tar(path: Path, files: dict[str, bytes], *special: tarfile.TarInfo) -> None:
    """Write a tar.gz with some files and some other members."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in special:
            tar.addfile(info)


def pet_images() -> dict[str, bytes]:
    """Return the files of images.tar.gz."""
    names = [line.split()[0] for line in (*TRAINVAL, *TEST)]
    found = {f"images/{name}.jpg": pet(name) for name in reversed(names)}
    unlisted = {"images/Abyssinian_101.mat": b"MATLAB", "images/beagle_1.jpg": pet("beagle_1")}
    return {**unlisted, **found}


def pet_annotations() -> dict[str, bytes]:
    """Return the files of annotations.tar.gz."""
    names = [line.split()[0] for line in (*TRAINVAL, *TEST)]
    trimaps = {f"annotations/trimaps/{name}.png": encoded(trimap(name), "PNG") for name in names}
    return {
        "annotations/README": b"The annotations",
        "annotations/list.txt": b"#Image CLASS-ID SPECIES BREED ID\n",
        **trimaps,
        "annotations/trimaps/._Abyssinian_100.png": b"\x00\x05\x16\x07",
        "annotations/xmls/Abyssinian_100.xml": b"<annotation/>",
        "annotations/trainval.txt": "".join(f"{line}\n" for line in TRAINVAL).encode(),
        "annotations/test.txt": "".join(f"{line}\n" for line in TEST).encode(),
    }


def pets(root: Path, changed: dict[str, bytes | None] | None = None) -> Path:
    """Write both archives; `changed` replaces or, with None, leaves out some of their files."""
    root.mkdir(parents=True, exist_ok=True)
    for name, files in (("images", pet_images()), ("annotations", pet_annotations())):
        mine = {k: v for k, v in (changed or {}).items() if k.startswith(name)}
        kept = {k: v for k, v in {**files, **mine}.items() if v is not None}
        write_tar(root / f"{name}.tar.gz", kept)
    return root
