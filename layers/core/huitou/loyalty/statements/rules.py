"""What each entry of the ledger was for, in the member's language."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice

from huitou.loyalty.points.models import Account, DueLot, LedgerEntry
from huitou.loyalty.statements.models import MovedLot, PendingLot, ShownEntry, ShownRule, StaffEntry
from huitou.runtime.errors import Code, Lang, Refusal

MOST_DIGITS = 18  # Of a number in a cursor: the database keeps no longer ones.
_WORDS = {
    "earn": ("消费获得", "Earned with an order"),
    "bonus": ("奖励积分", "Bonus"),
    "bonus:first-order": ("首单奖励", "Bonus for the first order"),
    "bonus:check-in": ("签到奖励", "Bonus for checking in"),
    "bonus:review": ("评价奖励", "Bonus for a review"),
    "use": ("积分使用", "Used"),
    "use:order": ("消费抵扣", "Used for an order"),
    "use:mall": ("积分兑换", "Exchanged in the mall"),
    "use:game": ("游戏使用", "Used in a game"),
    "return": ("退款退回", "Returned by a refund"),
    "claw-back": ("退款扣回", "Taken back after a refund"),
    "mature": ("待入账积分到账", "Pending points became usable"),
    "expire": ("到期", "Expired"),
    "repay": ("抵还待抵扣积分", "Paid off points owed"),
    "migrate": ("原系统余额转入", "Brought over from the old system"),
    "migrate:~undo": ("原系统余额撤回", "The balance from the old system was taken back"),
    "adjust:given": ("人工补发", "Given by the store"),
    "adjust:taken": ("人工扣减", "Taken by the store"),
    "transfer:in": ("账户合并转入", "Came over from your other account"),
    "transfer:out": ("账户合并转出", "Went over to your other account"),
}


def what_for(entry: LedgerEntry, lang: Lang = "zh") -> str:
    """Return the text that says what an entry was for."""
    chinese, english = _WORDS[_topic(entry)]
    return english if lang == "en" else chinese


def _topic(entry: LedgerEntry) -> str:
    if entry.kind == "adjust":
        return "adjust:given" if entry.points > 0 else "adjust:taken"
    if entry.kind == "transfer":
        return "transfer:out" if entry.cause.endswith(":out") else "transfer:in"
    if entry.kind == "use" and entry.order_id is not None:
        return "use:order"
    # Causes of bonuses and of other uses begin with the event: check-in@…, mall:…
    event = entry.cause.replace("@", ":").partition(":")[0].replace("_", "-")
    topic = f"{entry.kind}:{event}"
    return topic if topic in _WORDS else entry.kind


def shown(entry: LedgerEntry, lang: Lang = "zh") -> ShownEntry:
    """Return an entry as its member sees it."""
    return ShownEntry(
        entry_id=entry.id,
        number=entry.number,
        kind=entry.kind,
        what=what_for(entry, lang),
        points=entry.points,
        balance=entry.balance,
        debt=entry.debt or None,
        order_id=entry.order_id,
        at=entry.at,
        lots=[MovedLot.model_validate(move.model_dump()) for move in entry.lots],
        rules_revision=entry.rules_revision,
        rules=[ShownRule.model_validate(rule.model_dump()) for rule in entry.rules],
    )


def shown_to_staff(entry: LedgerEntry, lang: Lang = "zh") -> StaffEntry:
    """Return an entry as staff see it."""
    for_member = shown(entry, lang)
    return StaffEntry(
        **{name: getattr(for_member, name) for name in ShownEntry.model_fields},
        actor=entry.actor,
        reason=entry.reason,
        approved_by=entry.approved_by,
    )


def lots_of(account: Account) -> list[DueLot]:
    """Return what can be spent, the soonest to expire first."""
    return [DueLot(expires_on=day, points=points) for day, points in sorted(account.lots.items())]


def pending_of(account: Account) -> list[PendingLot]:
    """Return what can't be spent yet, sorted by what it waits for."""
    found = []
    for key, points in sorted(account.pending.items()):
        usable, expires_on = key.split("|")
        found.append(PendingLot(usable=usable, expires_on=expires_on, points=points))
    return found


def read_cursor(after: str | None, count: int) -> list[int | None]:
    """Return for each of `count` accounts the number before which a page begins; None: the end.

    A cursor holds one number for each account, joined with dots. An account that was merged in
    since the page before has none. Raises Refusal INVALID_REQUEST naming `after`.
    """
    parts = after.split(".") if after else []
    ours = all(not part or (part.isdecimal() and len(part) <= MOST_DIGITS) for part in parts)
    if len(parts) > count or not ours:
        raise Refusal(Code.INVALID_REQUEST, field="after", detail="after")
    return [int(part) if part else None for part in (*parts, *[""] * (count - len(parts)))]


def newest_of(
    accounts: Sequence[Sequence[LedgerEntry]], before: Sequence[int | None], limit: int
) -> tuple[list[LedgerEntry], str | None]:
    """Return the newest entries of several accounts, each newest first, and the next cursor."""
    numbers = {  # By member, where the next page begins.
        entries[0].member_id: number
        for entries, number in zip(accounts, before, strict=True)
        if entries
    }
    page = list(islice(merge(*accounts, key=lambda entry: entry.at, reverse=True), limit))
    for entry in page:
        numbers[entry.member_id] = entry.number
    if sum(map(len, accounts)) <= limit:
        return page, None
    cursor = [
        numbers[entries[0].member_id] if entries else number
        for entries, number in zip(accounts, before, strict=True)
    ]
    return page, ".".join("" if number is None else str(number) for number in cursor)
