"""The collection of the inputs that prices share."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration

DECLARATIONS = (
    Declaration("price_inputs", "for ever (orders name them, and their prices follow from them)"),
)
