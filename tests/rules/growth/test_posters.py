"""Posters: the code is where the design says, and an impossible design is refused."""

from __future__ import annotations

import io

import pytest
import segno
from PIL import Image, ImageChops

from huitou.growth.referrals.poster_models import PosterDesign
from huitou.growth.referrals.posters import NoPoster, draw, poster_name
from simulation.chain import POSTERS, REFERRALS


def code() -> bytes:
    drawn = io.BytesIO()
    segno.make("pages/index/index?r-ABCD2345").save(drawn, kind="png", scale=8, border=0)
    return drawn.getvalue()


def opened(image: bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)).convert("L")


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (width, height), "black").save(drawn, kind)
    return drawn.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_code_is_drawn_where_the_design_says(kind: str) -> None:
    design = PosterDesign(left=100, top=200, size=240)
    poster = opened(draw(code(), design, picture(500, 600, kind)))
    assert poster.size == (500, 600)
    found = poster.crop((100, 200, 340, 440))
    drawn = opened(code()).resize((240, 240), Image.Resampling.LANCZOS)
    apart = ImageChops.difference(found, drawn).histogram()
    assert sum(apart[64:]) < 240 * 240 / 500, "every module is where it belongs"
    assert poster.getpixel((93, 320)) > 200, "there is a white margin around it"
    assert poster.getpixel((50, 50)) < 40, "the picture is unchanged elsewhere"


def test_without_a_picture_the_code_is_drawn_on_white() -> None:
    poster = opened(draw(code(), PosterDesign(), None))
    assert poster.size == (600, 600)
    assert poster.getpixel((5, 5)) == 255


def test_the_sample_chains_design_can_be_drawn() -> None:
    design = PosterDesign.model_validate(REFERRALS["poster"])
    assert design.background
    assert opened(draw(code(), design, POSTERS[design.background])).size == (750, 1200)


@pytest.mark.parametrize(
    ("design", "background", "said"),
    [
        (PosterDesign(left=300), picture(500, 600), "doesn't fit onto 500 x 600"),
        (PosterDesign(left=10), None, "doesn't fit"),
        (PosterDesign(), b"GIF89a", "no PNG or JPEG"),
        (PosterDesign(), picture(60, 60)[:40], "no PNG or JPEG"),
        (PosterDesign(), picture(4_000, 2_001), "8,000,000 pixels"),
    ],
)
def test_a_design_that_cannot_be_drawn_is_refused_with_the_reason(
    design: PosterDesign, background: bytes | None, said: str
) -> None:
    with pytest.raises(NoPoster, match=said):
        draw(code(), design, background)


def test_another_design_gives_a_poster_another_name() -> None:
    one, other = PosterDesign(), PosterDesign(background="designs/spring.png")
    assert poster_name("ABCD2345", one) != poster_name("ABCD2345", other)
    assert poster_name("ABCD2345", one) == poster_name("ABCD2345", PosterDesign())
