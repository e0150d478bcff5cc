"""Members' posters: drawn once, kept in object storage, shown through a link that expires."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from huitou.growth.referrals.posters import NoPoster, draw, poster_name
from huitou.runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from huitou.growth.referrals.poster_models import PosterDesign


class Storage(Protocol):
    """The chain's object storage; nobody can read from it without a link."""

    def get(self, name: str) -> bytes | None:
        """Return an object; None if there is none with this name."""

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Store an object under a name, or replace it."""

    def has(self, name: str) -> bool:
        """Tell whether there is an object with this name."""

    def link(self, name: str) -> str:
        """Return a link to an object for one hour."""


class Posters:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def poster_link(self, code: str, design: PosterDesign, code_image: Callable[[], bytes]) -> str:
        """Return a link to the poster of a member's code; the first call draws the poster.

        Raises ConfigurationError naming `referral_rules.poster` if the chain's design can't be
        drawn.
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
