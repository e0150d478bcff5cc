"""Draw a poster: a member's code on the chain's picture."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from huitou.growth.referrals.poster_models import PosterDesign

MOST_PIXELS = 8_000_000  # Of a background; in memory each pixel takes three bytes.
QUIET_PART = 16  # The white margin is 1/16 of the code's side, so that phones find its edge.
QUALITY = 90


class NoPoster(ValueError):  # noqa: N818
    """The poster can't be drawn from this design and picture; the message tells why."""


def poster_name(code: str, design: PosterDesign) -> str:
    """Return a poster's name in the bucket; it depends on the code and on the whole design."""
    drawn_by = hashlib.sha256(design.model_dump_json().encode()).hexdigest()[:16]
    return f"posters/{code}-{drawn_by}.jpg"


def draw(code_image: bytes, design: PosterDesign, background: bytes | None) -> bytes:
    """Draw a poster and return it as a JPEG; raises NoPoster if it can't be drawn."""
    from PIL import Image  # Imported late: most calls draw nothing.

    quiet = design.size // QUIET_PART
    outer = design.size + 2 * quiet
    if background is None:
        side = (design.left * 2 + design.size, design.top * 2 + design.size)
        poster = Image.new("RGB", side, "white")
    else:
        poster = _opened(background)
    box = (design.left - quiet, design.top - quiet)
    if box[0] < 0 or box[1] < 0 or box[0] + outer > poster.width or box[1] + outer > poster.height:
        raise NoPoster(
            f"a code of {design.size} pixels at {design.left}, {design.top} with the white around "
            f"it doesn't fit onto {poster.width} x {poster.height}"
        )
    code = Image.open(io.BytesIO(code_image)).convert("RGB")
    poster.paste(Image.new("RGB", (outer, outer), "white"), box)
    poster.paste(
        code.resize((design.size, design.size), Image.Resampling.LANCZOS), (design.left, design.top)
    )
    drawn = io.BytesIO()
    # Without subsampling of colours, the edges of the code stay sharp.
    poster.save(drawn, "JPEG", quality=QUALITY, subsampling=0)
    return drawn.getvalue()


def _opened(picture: bytes) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        found = Image.open(io.BytesIO(picture), formats=("PNG", "JPEG"))
        if found.width * found.height > MOST_PIXELS:
            raise NoPoster(f"the background has more than {MOST_PIXELS:,} pixels")
        return found.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise NoPoster("the background is no PNG or JPEG") from error
