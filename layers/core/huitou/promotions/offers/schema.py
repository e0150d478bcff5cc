"""Its collections: indexes, the validators that guard them, how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (Declaration("offers", "for ever", [index("valid_until")]),)
