"""A semi-transparent text or logo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from rightreasons.artifacts import ARTIFACTS, Colour, PlacedParams, Stamp, colour_of
from rightreasons.core.errors import UserError
from rightreasons.regions.rois import pixel_rectangle

if TYPE_CHECKING:
    from PIL.Image import Image

#: Points of the type that a text is drawn in before it is brought to its size.
POINTS = 96
#: Fainter traces than this at a letter's edge are left out: they would round to nothing.
FAINTEST = 0.02


class WatermarkParams(PlacedParams):
    """Parameters of `watermark`."""

    text: str = Field("(c) photo.org", min_length=1, description="what is written")
    logo: str | None = Field(
        None, description="an image file instead of text; its transparency is kept"
    )
    colour: Colour = Field(
        default_factory=lambda: [255, 255, 255], description="colour of the text, red green blue"
    )
    opacity: float = Field(0.6, gt=0, le=1, description="1 covers what is below")


@ARTIFACTS.register(
    "watermark",
    title="Watermark",
    paper="Searching for Unintended Biases With Saliency",
    params=WatermarkParams,
)
def watermark(size: int, params: WatermarkParams) -> Stamp:
    """Return the text or logo, stretched to its rectangle.

    Parameters
    ----------
    size
        The side of the images in pixels.
    params
        The artifact's parameters.

    Returns
    -------
    Stamp
        Its mask is where letters are, not the rectangle.

    Raises
    ------
    UserError
        For a logo that cannot be read, and for one (or a text) that leaves no visible pixel.

    References
    ----------
    Searching for Unintended Biases With Saliency.
    """
    import numpy as np

    box = pixel_rectangle(params.position, height=size, width=size)
    picture = _logo(params.logo) if params.logo else _text(params.text)
    small = np.asarray(picture.resize((box.width, box.height)), np.float32)
    alpha = small[..., 3] / 255 * params.opacity
    alpha[alpha < FAINTEST] = 0
    if not alpha.any():
        raise UserError(
            f"artifacts: the watermark leaves no visible pixel at {box.width} x {box.height} "
            "pixels. Give it a larger `position`, another text, or more `opacity`."
        )
    colour = small[..., :3] if params.logo else colour_of(params.colour)
    return Stamp(alpha, colour, box.x0, box.y0)


def _text(text: str) -> Image:
    """Return a text as an RGBA image that just holds it."""
    from PIL import Image as images
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(POINTS)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text, stroke_width=2))
    picture = images.new("RGBA", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(picture).text((-left, -top), text, font=font, fill="white", stroke_width=2)
    return picture


def _logo(path: str) -> Image:
    from PIL import Image as images
    from PIL import UnidentifiedImageError

    try:
        with images.open(Path(path)) as picture:
            return picture.convert("RGBA")
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(
            f"artifacts: the logo {path} cannot be read ({error}). Give the path of an image file."
        ) from error
