"""Members' posters: drawn once, kept in the chain's object storage, shown by a link that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from huitou.growth.referrals.poster_models import PosterDesign
from huitou.growth.referrals.posters import NoPoster, draw, poster_name
from huitou.runtime.errors import ConfigurationError


class Storage(Protocol):
    """The chain's object storage, where nobody reads without a link."""

    def get(self, name: str) -> bytes | None:
        """Return an object; None where there is none."""

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Keep an object."""

    def has(self, name: str) -> bool:
        """Tell whether there is such an object."""

    def link(self, name: str) -> str:
        """Return where an object can be read for an hour."""


class Posters:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def link(self, code: str, design: PosterDesign, code_image: Callable[[], bytes]) -> str:
        """Return where the poster of a member's code can be read, drawing it the first time.

        Raises ConfigurationError naming `referral_rules.poster` where the chain's design can't
        be drawn.
        """
        name = poster_name(code, design)
        if not self._storage.has(name):
            background = self._background(design)
            try:
                drawn = draw(code_image(), design, background)
            except NoPoster as error:
                raise ConfigurationError("referral_rules.poster", str(error)) from error
            self._storage.put(name, drawn, "image/jpeg")
        return self._storage.link(name)

    def _background(self, design: PosterDesign) -> bytes | None:
        if design.background is None:
            return None
        found = self._storage.get(design.background)
        if found is None:
            raise ConfigurationError(
                "referral_rules.poster.background", f"{design.background} isn't in the bucket"
            )
        return found
