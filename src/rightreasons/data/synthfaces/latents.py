"""What is drawn: one row of latent parameters per portrait, and its twins."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

from rightreasons.core.errors import UserError

ATTRIBUTES: tuple[str, ...] = (
    "Male",
    "Young",
    "Smiling",
    "Wearing_Necktie",
    "Wearing_Hat",
    "Eyeglasses",
    "Blond_Hair",
)
SWITCHABLE: tuple[str, ...] = ATTRIBUTES

SMILE_THRESHOLD = 0.5

# Collared garments come last: a necktie is only sampled together with one of them.
GARMENTS: tuple[str, ...] = ("t_shirt", "crew_sweater", "shirt", "v_sweater", "jacket")
HAIR_STYLES: tuple[str, ...] = (
    "buzz",
    "short",
    "quiff",
    "curly",
    "bob",
    "long",
    "wavy",
    "updo",
    "afro",
)
HAT_STYLES: tuple[str, ...] = ("fedora", "cap", "beanie", "sun_hat")
GLASSES_STYLES: tuple[str, ...] = ("round", "square", "half_rim")
BEARDS: tuple[str, ...] = ("none", "stubble", "moustache", "goatee", "full")
TIE_PATTERNS: tuple[str, ...] = ("plain", "stripes", "dots")

# name: (low, high)
_UNIFORM: dict[str, tuple[float, float]] = {
    "yaw": (-1.0, 1.0),
    "pitch": (-1.0, 1.0),
    "light_azimuth": (-1.2, 1.2),  # radians; positive: from the right
    "light_elevation": (0.05, 0.9),
    "light_strength": (0.30, 0.75),
    "light_warmth": (-1.0, 1.0),
    "redness": (0.0, 1.0),
    "iris": (0.0, 1.0),
    "gaze": (-1.0, 1.0),
    "brow_dark": (0.0, 1.0),
    "makeup": (0.0, 1.0),
    "wrinkles": (0.5, 1.0),
    "grey": (0.0, 1.0),
    "hair_length": (0.0, 1.0),
    "hair_part": (-1.0, 1.0),
    "hair_fringe": (0.0, 1.0),
    "hair_tone": (0.0, 1.0),
    "blond_tone": (0.0, 1.0),
    "hair_phase": (0.0, 2 * np.pi),
    "hat_hue": (0.0, 1.0),
    "hat_saturation": (0.1, 0.8),
    "hat_value": (0.15, 0.9),
    "hat_height": (0.0, 1.0),
    "frame_colour": (0.0, 1.0),
    "lens_tint": (0.0, 0.3),
    "garment_hue": (0.0, 1.0),
    "garment_saturation": (0.03, 0.62),
    "garment_value": (0.12, 0.8),
    "shirt_hue": (0.0, 1.0),
    "shirt_saturation": (0.0, 0.3),
    "shirt_value": (0.7, 1.0),
    "tie_hue": (0.0, 1.0),
    "tie_saturation": (0.55, 1.0),
    "tie_value": (0.25, 0.75),
    "tie_width": (0.0, 1.0),
    "blur": (0.0, 0.010),  # half-width of the blurring box, fraction of the image
    "noise": (0.005, 0.03),  # standard deviation, fraction of full scale
    "jpeg_quality": (40.0, 95.0),
}
# name: (mean, standard deviation, largest deviation in standard deviations)
_NORMAL: dict[str, tuple[float, float, float]] = {
    "roll": (0.0, 3.0, 2.5),  # degrees
    "scale": (1.0, 0.03, 2.0),
    "shift_x": (0.0, 0.010, 2.0),
    "shift_y": (0.0, 0.008, 2.0),
    "body_shift": (0.0, 0.012, 2.0),
    "shoulders": (0.0, 1.0, 2.0),
    "exposure": (1.0, 0.08, 2.0),
    "skin_value": (1.0, 0.03, 2.0),
    "face_width": (0.0, 1.0, 2.0),
    "jaw": (0.0, 1.0, 2.0),
    "chin": (0.0, 1.0, 2.0),
    "eye_size": (0.0, 1.0, 2.0),
    "eye_tilt": (0.0, 1.0, 2.0),
    "eye_spacing": (0.0, 1.0, 2.0),
    "brow_thickness": (0.0, 1.0, 2.0),
    "brow_arch": (0.0, 1.0, 2.0),
    "nose_width": (0.0, 1.0, 2.0),
    "nose_length": (0.0, 1.0, 2.0),
    "mouth_width": (0.0, 1.0, 2.0),
    "lips": (0.0, 1.0, 2.0),
    "mouth_rest": (0.0, 1.0, 2.5),  # how the corners lie at rest, whatever the smile
    "mouth_open": (-0.4, 0.6, 3.0),
    "hair_volume": (0.0, 1.0, 2.0),
    "hairline": (0.0, 1.0, 2.0),
    "frame_width": (0.0, 1.0, 2.0),
}
_MONK_SHARES = (0.09, 0.12, 0.13, 0.14, 0.13, 0.11, 0.10, 0.08, 0.06, 0.04)
_BLOND_BY_TONE = (0.40, 0.38, 0.34, 0.28, 0.17, 0.06, 0.03, 0.02, 0.02, 0.02)
_HAIR_OF_WOMEN = (0.02, 0.07, 0.04, 0.07, 0.23, 0.24, 0.18, 0.10, 0.05)
_HAIR_OF_MEN = (0.16, 0.34, 0.24, 0.12, 0.03, 0.03, 0.03, 0.00, 0.05)
_BEARD_SHARES = (0.45, 0.22, 0.08, 0.10, 0.15)


class _Streams:
    """One independent random stream per latent, so that image i depends only on (seed, i).

    A latent that is added later leaves all others as they are.
    """

    def __init__(self, n_images: int, seed: int) -> None:
        self.n_images, self.seed = n_images, seed

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def uniform(self, name: str) -> np.ndarray:
        return self._generator(name).random(self.n_images)

    def normal(self, name: str, limit: float) -> np.ndarray:
        return self._generator(name).standard_normal(self.n_images).clip(-limit, limit)

    def integers(self, name: str) -> np.ndarray:
        return self._generator(name).integers(0, 2**31, self.n_images)

    def happens(self, name: str, probability: np.ndarray | float) -> np.ndarray:
        return (self.uniform(name) < probability).astype(np.int8)

    def choice(self, name: str, shares: np.ndarray | tuple[float, ...]) -> np.ndarray:
        """Index drawn with the given shares: (k,) for all images or (n_images, k)."""
        edges = np.cumsum(np.atleast_2d(shares), axis=1)[:, :-1]
        return (self.uniform(name)[:, None] >= edges).sum(axis=1).astype(np.int8)


def sample_latents(n_images: int, seed: int) -> pd.DataFrame:
    """Draw latent parameters of portraits, with a plausible joint distribution of attributes.

    Image i depends only on (seed, i): ten images are the first ten of a hundred.

    Parameters
    ----------
    n_images
        Number of portraits; 0 gives an empty table.
    seed
        Of all latents.

    Returns
    -------
    DataFrame
        One row per image (index 0 to n_images - 1): the columns ATTRIBUTES (int8, 0 or 1),
        `Skin_Tone` (int8, 1 to 10 on the Monk scale), `smile` (0 to 1; Smiling is smile > 0.5) and
        the continuous and categorical latents that `render` reads.

    Raises
    ------
    UserError
        If n_images or seed is negative or no integer.
    """
    for name, value in (("n_images", n_images), ("seed", seed)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise UserError(
                f"synthfaces: {name} is {value!r}, but must be an integer of at least 0"
            )
    streams = _Streams(int(n_images), int(seed))
    columns = _attributes(streams)
    columns |= _appearance(streams, columns)
    for name, (low, high) in _UNIFORM.items():
        columns[name] = low + (high - low) * streams.uniform(name)
    for name, (mean, deviation, limit) in _NORMAL.items():
        columns[name] = mean + deviation * streams.normal(name, limit)
    columns["noise_seed"] = streams.integers("noise_seed")
    columns["backdrop_seed"] = streams.integers("backdrop_seed")
    return pd.DataFrame(columns)


def check_columns(latents: pd.DataFrame) -> None:
    """Refuse a table that lacks a latent.

    Raises
    ------
    UserError
        With the names of those that are missing.
    """
    missing = [str(name) for name in sample_latents(0, 0) if name not in latents]
    if missing:
        raise UserError(
            f"synthfaces: the table of latents lacks {', '.join(missing)}; "
            "start from the table that sample_latents returns"
        )


def _attributes(streams: _Streams) -> dict[str, np.ndarray]:
    male = streams.happens("Male", 0.46)
    young = streams.happens("Young", 0.74 - 0.12 * male)
    tone = 1 + streams.choice("Skin_Tone", _MONK_SHARES)
    smile = _smile_strength(streams, male)
    tie = streams.happens("Wearing_Necktie", np.where(male == 1, 0.58, 0.07))
    hat = streams.happens("Wearing_Hat", 0.23 + 0.09 * male - 0.05 * tie)
    blond = np.take(_BLOND_BY_TONE, tone - 1) * np.where(male == 1, 0.65, 1.3)
    return {
        "Male": male,
        "Young": young,
        "Smiling": (smile > SMILE_THRESHOLD).astype(np.int8),
        "Wearing_Necktie": tie,
        "Wearing_Hat": hat,
        "Eyeglasses": streams.happens("Eyeglasses", 0.36 - 0.16 * young),
        "Blond_Hair": streams.happens("Blond_Hair", blond),
        "Skin_Tone": tone.astype(np.int8),
        "smile": smile,
    }


def _smile_strength(streams: _Streams, male: np.ndarray) -> np.ndarray:
    """Two broad, overlapping bumps: a good part of all smiles lies close to the threshold."""
    mean = np.where(streams.happens("smiles", 0.53 - 0.07 * male) == 1, 0.78, 0.22)
    return (mean + 0.14 * streams.normal("smile", 3.0)).clip(0.0, 1.0)


def _appearance(streams: _Streams, attributes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    male, tie = attributes["Male"][:, None] == 1, attributes["Wearing_Necktie"][:, None] == 1
    garments = np.where(tie, (0.0, 0.0, 0.34, 0.26, 0.40), (0.24, 0.16, 0.28, 0.14, 0.18))
    return {
        "hair_style": streams.choice("hair_style", np.where(male, _HAIR_OF_MEN, _HAIR_OF_WOMEN)),
        "garment": streams.choice("garment", garments),
        "beard": streams.choice("beard", _BEARD_SHARES),
        "hat_style": streams.choice("hat_style", (0.28, 0.26, 0.24, 0.22)),
        "glasses_style": streams.choice("glasses_style", (0.35, 0.4, 0.25)),
        "tie_pattern": streams.choice("tie_pattern", (0.4, 0.4, 0.2)),
    }


def switch(latents: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Return twins: the latents of the same portraits with one attribute switched.

    Every other column, the seeds of noise and backdrop among them, stays as it is; for Smiling the
    smile strength is mirrored about the threshold. What is drawn for an attribute that is off
    (the colour of the tie, the shape of the beard) is in the latents of every image, so that
    switching twice gives the original.

    Male changes the shape of the face, facial hair and make-up, not hair style and clothes. Young
    changes wrinkles and greying, not blond hair.

    Parameters
    ----------
    latents
        Rows of `sample_latents`.
    attribute
        One of SWITCHABLE.

    Returns
    -------
    DataFrame
        A table of the same form.

    Raises
    ------
    UserError
        If the attribute has no twins.
    """
    if attribute not in SWITCHABLE:
        raise UserError(
            f"synthfaces: no twins for attribute {attribute!r}; choose one of: "
            + ", ".join(SWITCHABLE)
        )
    twins = latents.copy()
    twins[attribute] = 1 - latents[attribute]
    if attribute == "Smiling":
        twins["smile"] = 2 * SMILE_THRESHOLD - latents["smile"]
    return twins
