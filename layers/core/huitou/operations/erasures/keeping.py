"""What an erasure deletes and clears, and what stays: the purpose, the law and how long.

`tests/services/operations/test_erasure_scan.py` fills a member's documents with values that can be
recognised, erases the member, searches every collection, and fails on a value that isn't declared
here.
"""

from __future__ import annotations

from typing import NamedTuple

# Collections that describe a member and that nobody needs once the member is erased.
BY_MEMBER = (
    "limit_uses",
    "subscriptions",
    "referral_codes",
    "notices",
    "arrivals",
    "campaign_waiting",
)
BY_ID = ("features", "positions", "code_tries")

# Of a member without order and points these tell that there is somebody all the same.
SOMEBODY = (
    "arrivals",
    "consents",
    "coupons",
    "logins",
    "points_adjustments",
    "points_holds",
    "referral_codes",
    "subscriptions",
)

# A text that a document can't be without gets these words instead.
GONE = "（已删除）"


class Cleared(NamedTuple):
    """Fields that an erasure takes off documents which stay; each of `keys` leads to the person.

    Mostly these are words that staff or the guest typed. Figures, ids and who acted stay.
    `needed` are fields that documents can't be without.
    """

    fields: tuple[str, ...]
    needed: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("member_id",)
    prefix: str = ""


CLEARED: dict[str, Cleared] = {
    "coupons": Cleared(("reason",), ("revoked.reason",)),
    "merges": Cleared((), ("reason",), keys=("from_member", "into_member")),
    "points_adjustments": Cleared(("decided_reason",), ("reason",)),
    # The only field of a ledger entry that is ever removed: no figure follows from a reason.
    "points_entries": Cleared(("reason",)),
    "referrals": Cleared(("network", "rank"), ("decision.reason",), keys=("_id",)),
    "refunds": Cleared((), ("reason",)),
    "staff_changes": Cleared(
        ("after.reason", "after.decided_reason"), keys=("target",), prefix="member "
    ),
}


class Kept(NamedTuple):
    """A personal value that stays after an erasure: why, and for how long."""

    why: str
    how_long: str


# The ledger entry of an imported balance stays under `migrate:<source>:<id>`, and the till's id
# is often a phone. This name keeps the balance from entering twice when the same file comes again,
# also where an earlier version imported it: a hash would have to be looked for beside each old
# name for ever. The accounting law wants the entry; after an erasure it leads to no identity, so
# only who has the number already can find it. A chain that doesn't want this imports with the
# till's member numbers instead of phones.
KEPT: dict[tuple[str, str], Kept] = {
    ("orders", "invoice.title"): Kept(
        "the invoice that the guest asked for (tax law)", "as long as the order"
    ),
    ("orders", "invoice.tax_number"): Kept(
        "the invoice that the guest asked for (tax law)", "as long as the order"
    ),
    ("erasures", "reason"): Kept("proof that the member asked for it (PIPL 47)", "for ever"),
}
