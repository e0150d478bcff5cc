"""Posters: the chain's picture with a member's own code on it."""

from pydantic import Field

from huitou.runtime.documents import Record


class PosterDesign(Record):
    """How a poster looks: the chain's picture, and the place of the code on it, in pixels.

    `background` is the name of a PNG or JPEG in the chain's object storage; all texts are part of
    the picture. A changed picture needs a new name, because finished posters are kept. Without a
    picture, the code is on white. The code opens `page`.
    """

    # The length stands apart: a pattern that counts letters of all scripts takes 100 ms to build.
    background: str | None = Field(
        default=None,
        pattern=r"^[\w./-]+$",
        max_length=200,
        title="海报底图（对象存储中的文件名）",
    )
    left: int = Field(default=60, ge=0, le=4_000, title="小程序码左边距")
    top: int = Field(default=60, ge=0, le=4_000, title="小程序码上边距")
    size: int = Field(default=480, ge=120, le=1_280, title="小程序码边长")
    page: str = Field(default="pages/index/index", min_length=1, max_length=128, title="打开页面")
