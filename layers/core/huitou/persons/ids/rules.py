"""How many ids a person may have, and the names that a fact has under each of them."""

from __future__ import annotations

from collections.abc import Sequence

MOST_IDS = 20  # A merge beyond it is refused.


def names_of(name: str, member_id: str, earlier: Sequence[str]) -> list[str]:
    """Return how a fact that names the member would be named under the person's earlier ids.

    Example: `claim:<member>:<template>:1`. Ids are opaque and long, so none stands in a name by
    chance. A fact that doesn't name the member has no other names.
    """
    return [name.replace(member_id, other) for other in earlier] if member_id in name else []
