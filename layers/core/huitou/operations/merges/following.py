"""How each collection that names a member follows a merge: the one table of it.

A merge ends one member id and goes on with another. Afterwards everything must still belong to the
person: what moved has the id that goes on, what stays is found through all of the person's ids, or
needs no finding. `tests/services/operations/test_following.py` fills every collection and fails
where a member's id stands in a field that this table doesn't know.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

How = Literal["moves", "moves by its area", "found through all ids", "stays"]


class Following(NamedTuple):
    """How documents with a member's id in `fields` follow a merge, and why so.

    A move removes the fields in `drops`: both members may have had the same value in them, and an
    index keeps them apart.
    """

    fields: tuple[str, ...]
    how: How
    why: str
    drops: tuple[str, ...] = ()


_MINE = ("member_id",)
FOLLOWING: dict[str, Following] = {
    # One write gives these to the id that goes on.
    "arrivals": Following(_MINE, "moves", "counts in the day's limit", drops=("place",)),
    "campaign_waiting": Following(_MINE, "moves", "the message goes to the person"),
    "code_uses": Following(_MINE, "moves", "a repeated call finds the code's holder"),
    "exposures": Following(_MINE, "moves", "counts in the limits", drops=("place",)),
    "logins": Following(_MINE, "moves", "the person is active, not the id"),
    "notices": Following(_MINE, "moves", "the person reads them"),
    "payments": Following(_MINE, "moves", "its order moves"),
    "points_adjustments": Following(_MINE, "moves", "one that waits is decided for the person"),
    "refunds": Following(_MINE, "moves", "its order moves"),
    "shares": Following(_MINE, "moves", "its order moves"),
    # These need more than that one write.
    "accounts": Following(("_id",), "moves by its area", "a pair of ledger entries empties it"),
    "coupons": Following(
        (*_MINE, "issued_to", "given_by"), "moves by its area", "all count in the limits"
    ),
    "features": Following(("_id", "moved_to", "sources"), "moves by its area", "are added up"),
    "identities": Following((*_MINE, "before"), "moves by its area", "the person logs in with all"),
    "limit_uses": Following(("_id", *_MINE), "moves by its area", "the counts are added up"),
    "mall_exchanges": Following(_MINE, "moves by its area", "get the numbers that follow"),
    "members": Following(("_id", "merged_into", "merged_ids"), "moves by its area",
                         "phone, birthday and name move where the other has none"),
    "orders": Following((*_MINE, "placed_by"), "moves by its area",
                        "the person sees, pays and gives back; `placed_by` keeps who paid"),
    "points_holds": Following(_MINE, "moves by its area",
                              "what is held moves; a used one stays beside its ledger entry"),
    "subscriptions": Following(("_id", *_MINE), "moves by its area",
                               "moves to one without a WeChat of their own: a prompt allows "
                               "messages to the WeChat that answered it"),
    # The person's ids find these where they are.
    "referral_codes": Following(_MINE, "found through all ids", "a printed code goes on working"),
    "referrals": Following(("_id", "inviter_id"), "found through all ids",
                           "a record of a promotion: who invited whom stays as it was"),
    "points_entries": Following(_MINE, "found through all ids",
                                "append-only; a pair of entries carries the balance over"),
    # These stay, and nobody looks for them under the id that goes on.
    "code_tries": Following(("_id",), "stays", "wrong codes of one hour"),
    "consents": Following(_MINE, "stays", "proof of what was said; what holds is said again"),
    "erasures": Following(("_id", "ids"), "stays", "proof"),
    "limit_pools": Following(("taken",), "stays", "a unit in flight finds the person by itself"),
    "merges": Following(("from_member", "into_member"), "stays", "the record of the merge"),
    "import_batches": Following(("entries.member_id", "tier_member_ids"), "stays",
                                "names entries of the ledger; an undo finds who the person is now"),
    "phone_moves": Following(("from_member", "to_member"), "stays", "an audit record"),
    "positions": Following(("_id",), "stays", "24 hours"),
    "staff_changes": Following(("target", "before", "after", "request"), "stays",
                               "who of the staff did what"),
    "tier_changes": Following(_MINE, "stays", "the history of one account; the tier itself moves"),
}  # fmt: skip
MOVED = {name: one.drops for name, one in FOLLOWING.items() if one.how == "moves"}
