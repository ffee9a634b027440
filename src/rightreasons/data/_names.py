r"""Where listed images lie: by their names, or by names that differ in what cannot matter.

Differences that cannot matter are separators (`a\1.jpg`), `./`, Unicode's forms, case, blanks at
the ends, suffixes of images, the name of the folder itself before a name, and absolute paths into
it. A match counts only where it is one to one: one file for every listed image, one listed image
for every file, and one kind of suffix for another. All else is refused, with both names.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from rightreasons.core.errors import UserError
from rightreasons.data._archive import archives_in, is_system
from rightreasons.data._shown import SHOWN, listing, told_apart

#: Suffixes that images have, by the format's usual one.
SUFFIXES = {
    ".jpg": ".jpg",
    ".jpeg": ".jpg",
    ".jpe": ".jpg",
    ".png": ".png",
    ".webp": ".webp",
    ".avif": ".avif",
    ".bmp": ".bmp",
    ".gif": ".gif",
    ".tif": ".tif",
    ".tiff": ".tif",
    ".jp2": ".jp2",
}
Key = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Where listed images lie in an archive or folder.

    Attributes
    ----------
    prefix
        `prefix` + id is an image's place.
    places
        Id -> place of the images that are spelled otherwise there.
    """

    prefix: str = ""
    places: dict[str, str] = field(default_factory=dict)

    def place(self, image_id: str) -> str:
        """Return where an image lies."""
        return self.places.get(image_id, self.prefix + image_id)


def find(path: Path, names: Set[str], image_ids: Sequence[str], noun: str = "images") -> Found:
    """Return where all listed images lie.

    Parameters
    ----------
    path
        The archive or folder.
    names
        All its files.
    image_ids
        What a list calls the images: as the files are called, below one folder or another.
    noun
        What is listed, for messages.

    Raises
    ------
    UserError
        Where images are missing, where several places hold them all, and where names match but not
        one to one.
    """
    if all(image_id in names for image_id in image_ids):
        return Found()
    visible = {name for name in names if not is_system(name)}
    for within in (visible, names):
        holding = _holding(within, image_ids)
        if len(holding) > 1:
            raise _several(path, holding, len(image_ids), noun)
        if holding:
            return Found(holding[0])
    return _Spelled(path, visible, image_ids, noun).found()


def find_prefix(names: Set[str], image_ids: Sequence[str]) -> str:
    """Return the folder below which most of the listed files lie, '' for the top."""
    for first in image_ids[:20]:
        prefixes = [n.removesuffix(first) for n in names if _ends(n, first) and not is_system(n)]
        if prefixes:
            return min(prefixes, key=lambda p: (-sum(p + i in names for i in image_ids), len(p), p))
    return ""


def _holding(names: Set[str], image_ids: Sequence[str]) -> list[str]:
    """Return all folders below which every listed image lies by its name, sorted."""
    if not image_ids:
        return []
    first = image_ids[0]
    prefixes = {name.removesuffix(first) for name in names if _ends(name, first)}
    return sorted(p for p in prefixes if all(p + image_id in names for image_id in image_ids))


def _ends(name: str, image_id: str) -> bool:
    return name == image_id or name.endswith("/" + image_id)


def _several(path: Path, prefixes: Sequence[str], count: int, noun: str) -> UserError:
    places = [prefix or "its top" for prefix in prefixes]
    return UserError(
        f"{len(places)} places in {path} hold all {count} listed {noun}: {listing(places)}. Name "
        f"the one that is meant: {path}/{prefixes[0].rstrip('/')} for instance, or write the "
        "folder into the list, before the names."
    )


class _Spelled:
    """The listed images by names that differ in spelling only."""

    def __init__(self, path: Path, names: Set[str], image_ids: Sequence[str], noun: str) -> None:
        self.path, self.names, self.image_ids, self.noun = path, names, image_ids, noun
        self.by_key: dict[Key, list[str]] = defaultdict(list)
        for name in sorted(names):
            self.by_key[_key(name)].append(name)
        self.own = {_plain(name) for name in (path.name, path.stem, path.resolve().name)}
        self.keys = {image_id: self._keys(image_id) for image_id in image_ids}

    def found(self) -> Found:
        """Return where the images lie; a UserError where not all match one to one."""
        before = self._folder()
        chosen = {one: self._file(one, before) for one in self.image_ids}
        files = {one: file for one, file in chosen.items() if file is not None}
        wrong = (set(chosen) - set(files)) | _shared(files) | _mixed_suffixes(files)
        if wrong:
            taken = {file for one, file in files.items() if one not in wrong}
            raise self._refused([one for one in self.image_ids if one in wrong], taken)
        return _found(files)

    def _keys(self, image_id: str) -> list[Key]:
        """Return what an id may mean: itself, and what follows the folder's own name in it."""
        whole = _key(image_id)
        rest = [whole[at + 1 :] for at, part in enumerate(whole[:-1]) if part in self.own]
        keys = rest if _is_absolute(image_id) else [whole, *rest]
        return [key for key in keys if key and ".." not in key]

    def _elsewhere(self, image_id: str, file: str) -> bool:
        """Return whether an absolute path is that of another file than the one in the folder."""
        if not _is_absolute(image_id) or not self.path.is_dir() or not os.path.exists(image_id):
            return False
        return not os.path.samefile(image_id, self.path / file)

    def _folder(self) -> Key:
        """Return the folder below which most of the images lie; several that hold all are wrong."""
        candidates: set[Key] = set()
        probed = [key for image_id in self.image_ids[:20] for key in self.keys[image_id]]
        ends = {key[-1] for key in probed}
        for known in (known for known in self.by_key if known and known[-1] in ends):
            candidates |= {known[: -len(key)] for key in probed if known[-len(key) :] == key}
        counted = {
            before: sum(
                any((*before, *key) in self.by_key for key in keys) for keys in self.keys.values()
            )
            for before in candidates
        }
        full = sorted(before for before, n in counted.items() if n == len(self.keys))
        if () in full or not counted:
            return ()
        if len(full) > 1:
            places = ["/".join(before) for before in full]
            raise _several(self.path, places, len(self.keys), self.noun)
        return min(counted, key=lambda before: (-counted[before], len(before), before))

    def _file(self, image_id: str, before: Key) -> str | None:
        """Return the one file that an id means, None where there is not one."""
        for key in self.keys[image_id]:
            if files := self.by_key.get((*before, *key)):
                file = files[0] if len(files) == 1 else _closest(image_id, files)
                return None if file is None or self._elsewhere(image_id, file) else file
        return None

    def _refused(self, missing: list[str], taken: set[str]) -> UserError:
        """Return the error for images that are missing, or matched by more or fewer than one."""
        similar = self._similar(missing, taken)
        said = (
            f"{len(missing)} of the {len(self.image_ids)} listed {self.noun} are not in "
            f"{self.path}: {listing(missing)}."
        )
        outside = [one for one in missing if ".." in _key(one) or _is_absolute(one)]
        if outside:
            return UserError(
                f"{said} {listing(outside)} points outside of {self.path}, or to a file that is "
                "not there. A name in the list is a path inside of that folder."
            )
        if similar:
            told = "; ".join(f"it says {one}, and {other} is there" for one, other in similar)
            return UserError(
                f"{said} The list calls them otherwise: {told}. Write the names alike: no such "
                "difference is passed over where it is not the same for all, or where more than "
                "one file would fit."
            )
        if inner := archives_in(set(self.names)):
            return UserError(
                f"{said} It holds archives, which are not opened: {listing(inner)}. Unpack them "
                "there, or name the one that is meant."
            )
        return UserError(
            f"{said} Complete the {self.noun}, or, for a subset on purpose, keep only its rows in "
            "the attribute list."
        )

    def _similar(self, missing: list[str], taken: set[str]) -> list[tuple[str, str]]:
        """Return names of missing images with a file of much the same name, told apart."""
        roughly: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.names - taken):
            roughly[_rough(name)].append(name)
        pairs = []
        for one in missing[:SHOWN]:
            for other in roughly.get(_rough(one), [])[:2]:
                pairs.append(told_apart(one, other))
        return pairs[:SHOWN]


def _key(name: str) -> Key:
    """Return a name without what cannot matter: a text per folder, and one for the file."""
    parts = [_plain(part) for part in name.replace("\\", "/").split("/")]
    kept: list[str] = []
    for part in parts:
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    if kept and (suffix := _suffix(kept[-1])) in SUFFIXES:
        kept[-1] = kept[-1].removesuffix(suffix).strip()
    return tuple(kept)


def _plain(part: str) -> str:
    text = part if part.isascii() else unicodedata.normalize("NFKC", part)
    return text.strip().casefold()


def _rough(name: str) -> str:
    """Return what is left of a file's name without folder, suffix, signs and leading zeros."""
    stem = (_key(name) or ("",))[-1]
    letters = re.sub(r"[^\w]|_", "", stem)
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), letters) or stem


def _is_absolute(name: str) -> bool:
    return name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name) is not None


def _suffix(name: str) -> str:
    """Return a file's suffix in small letters, as pathlib would."""
    stem, dot, end = name[name.rfind("/") + 1 :].strip().rpartition(".")
    return dot + end.lower() if stem and end else ""


def _found(files: dict[str, str]) -> Found:
    """Return where all images lie, those that are spelled alike by their folder alone."""
    folders = Counter(file.removesuffix(one) for one, file in files.items() if _ends(file, one))
    prefix = folders.most_common(1)[0][0] if folders else ""
    return Found(prefix, {one: file for one, file in files.items() if file != prefix + one})


def _closest(image_id: str, files: list[str]) -> str | None:
    """Return the file whose name differs least from an id, None where that is not one."""
    end = image_id.replace("\\", "/").rsplit("/", 1)[-1]
    for alike in (
        lambda name: name == end,
        lambda name: unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", end),
        lambda name: _plain(name) == _plain(end),
        lambda name: SUFFIXES.get(_suffix(name)) == SUFFIXES.get(_suffix(end)),
    ):
        fitting = [name for name in files if alike(name.rsplit("/", 1)[-1])]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _shared(files: dict[str, str]) -> set[str]:
    """Return the images whose file another listed image has, too."""
    owners: dict[str, list[str]] = defaultdict(list)
    for image_id, file in files.items():
        owners[file].append(image_id)
    return {
        one
        for file, several in owners.items()
        if len(several) > 1
        for one in several
        if not _ends(file, one)
    }


def _mixed_suffixes(files: dict[str, str]) -> set[str]:
    """Return the images with another suffix than listed, where that is not so for all."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for image_id, file in files.items():
        kinds[_format(image_id)].add(_format(file))
    mixed = {kind for kind, there in kinds.items() if kind and len(there) > 1}
    return {
        one
        for one, file in files.items()
        if _format(one) in mixed and _format(file) != _format(one)
    }


def _format(name: str) -> str:
    return SUFFIXES.get(_suffix(name), "")


def pairs(found: Found, most: int = 3) -> list[str]:
    """Return how the first images that are spelled otherwise are called, told apart."""
    first = list(found.places.items())[:most]
    return [" is ".join(told_apart(one, other)) for one, other in first]
