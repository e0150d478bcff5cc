"""The collection of offers: its index and retention."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (Declaration("offers", "for ever", [index("valid_until")]),)
