"""What a paid order deserves, how it is written into its member's book, and tiers of the past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.earning.rules import awarded, kept, points_back
from huitou.loyalty.points.models import ON_COMPLETION, LedgerEntry, RuleRef
from huitou.loyalty.points.rules import Award, Book, EntryOrigin, TakenBack, returning
from huitou.loyalty.tiers.models import BY_DAY, TierChange
from huitou.loyalty.tiers.rules import MOST_DAYS_KEPT, Case
from huitou.ordering.orders.models import GivenBack, LedgerOrder
from huitou.ordering.orders.rules import SETTLED_STATES, drawn_lots
from huitou.ordering.settlement.models import AccountMove
from huitou.runtime.triggers import DONE, DUE

Known = Mapping[str, LedgerEntry]


@dataclass(frozen=True)
class PaidOrder:
    """An order that was paid, with the terms frozen on it then and its refunds so far."""

    order: LedgerOrder
    terms: EarningTerms
    refunds: Sequence[GivenBack]


@dataclass(frozen=True)
class Back:
    """One refund of an order, and where it leaves the ledger.

    `left` is what the order has earned after it; `returned` how many of the points used have
    come back, this refund included.
    """

    refund: GivenBack
    left: int
    returned: int
    ends: bool


def deserving(order: LedgerOrder) -> PaidOrder | None:
    """Return what the ledgers should know of the order, or None while it isn't paid."""
    if order.status not in SETTLED_STATES or order.terms is None:
        return None
    refunds = order.refunds
    if order.status == "refunded" and not refunds and order.refund_id:
        # Written before orders kept a list of their refunds.
        whole = {"refund_id": order.refund_id, "amount_fen": order.payable_fen}
        refunds = [GivenBack.model_validate(whole | {"at": order.paid_at})]
    return PaidOrder(order, order.terms, refunds)


def backs(paid: PaidOrder, earned: int, bonus: int) -> Iterator[Back]:
    """Say where each refund leaves the ledger, in the order in which they happened.

    After any of them the order has what the rest of it still earns, whatever the way there; so
    all of them together take back exactly what was given. A bonus goes with the last piece.
    """
    order = paid.order
    for number, refund in enumerate(paid.refunds, 1):
        so_far = paid.refunds[:number]
        ends = order.status == "refunded" and number == len(paid.refunds)
        left = 0 if ends else _kept(paid, earned, so_far) + bonus
        refunded_fen = sum(back.amount_fen for back in so_far)
        back = points_back(order.points_used, order.payable_fen, refunded_fen, wholly=ends)
        yield Back(refund, left, back, ends)


def _kept(paid: PaidOrder, earned: int, refunds: Sequence[GivenBack]) -> int:
    by_line = paid.terms.paid_by_line
    return kept(paid.terms, by_line, paid.order.payable_fen, earned, refunds)


def write_order(
    book: Book, paid: PaidOrder, known: Known, at: datetime, *, history: bool = False
) -> None:
    """Write into the member's book whatever the order deserves and the ledger doesn't hold yet.

    The terms were frozen when it was paid, so redelivery after a change of rules builds the same
    entries. A paid order always has its `earn` entry, of 0 points if it comes to that: it also
    carries what tiers count. `history`: entries are dated by what they stand for, not by `at`.
    """
    order, terms = paid.order, paid.terms

    def fact(cause: str, moment: datetime | None, rules: Sequence[RuleRef] = ()) -> EntryOrigin:
        return EntryOrigin(
            cause=cause, at=moment if history and moment else at, order_id=order.id,
            business_day=order.business_day, rules_revision=terms.points_rules_revision,
            rules=rules, is_test=order.is_test,
        )  # fmt: skip

    book.bring_up_to_date()
    earned, bonus = _given(order.id, known)
    if f"earn:{order.id}" not in known:
        earned = awarded(terms, order.payable_fen, _room(book, paid))
        award = Award(terms.expires_on, terms.usable)
        is_first = book.first_order_id is None
        book.earn(
            fact(order.id, order.paid_at, terms.rules), earned, award,
            spend_fen=order.payable_fen, orders=1,
        )  # fmt: skip
        if order.points_used:
            book.use(fact(order.id, order.paid_at), drawn_lots(order))
        for offered in terms.first_order if is_first else ():
            left_points = _room(book, paid)
            points = offered.points if left_points is None else min(offered.points, left_points)
            named = fact(f"first-order@{offered.rule_id}:{order.id}", order.paid_at, [offered])
            book.bonus(named, points, award)
            bonus += points
    waits_for = None if f"mature:{order.id}" in known else terms.usable
    award = Award(terms.expires_on, waits_for)
    left, returned = earned + bonus, 0
    for back in backs(paid, earned, bonus):
        refund_id = back.refund.refund_id
        if f"claw-back:{refund_id}" in known:
            left -= _taken_back(known, refund_id)
            returned += _returned(known, refund_id)
            continue
        told = fact(refund_id, back.refund.at)
        if order.points_used:
            parts = returning(drawn_lots(order), returned, back.returned)
            book.give_back(told, parts, terms.return_expired_days)
        # Entries written by an earlier reading of the rules may have taken more than is due now.
        due = TakenBack(max(0, left - back.left))
        book.claw_back(
            told, due, award, terms.claw_back,
            spend_fen=-back.refund.amount_fen, orders=-1 if back.ends else 0,
        )  # fmt: skip
        left, returned = left - due, max(returned, back.returned)
        # The next order may be the first that lasts, unless its bonus was kept by policy.
        if back.ends and book.first_order_id == order.id and not book.entries[-1].waived:
            book.first_order_id = None
    if order.status == "completed" and waits_for == ON_COMPLETION:
        points = min(left, book.pending_of(award))  # It may have ended while it waited.
        if points:
            book.mature(fact(order.id, None), points, award)
    book.bring_up_to_date()


def _taken_back(known: Known, refund_id: str) -> int:
    """How many points a refund's claw-back took or, by policy, left alone.

    Of entries written before fees were told from dishes some gave points: those are due back.
    """
    entry = known[f"claw-back:{refund_id}"]
    return entry.waived - entry.points


def _returned(known: Known, refund_id: str) -> int:
    """How many of the points used a refund brought back, those that had expired included."""
    entry = known.get(f"return:{refund_id}")
    return entry.points + entry.waived if entry else 0


def expected_entries(paid: PaidOrder, known: Known) -> dict[str, list[int]]:
    """Return what the ledger must say of an order: points moved or waived, and spend, by entry.

    Where caps of a day or month stand in its terms the commit order decided how much it earned,
    and which order was its member's first: anything within what was offered is as expected.
    """
    order, terms = paid.order, paid.terms
    earned, bonus = _given(order.id, known)
    whole = awarded(terms, order.payable_fen)
    capped = (terms.day_points, terms.month_points) != (None, None)
    right = min(whole, max(0, earned)) if capped else whole
    wanted = {f"earn:{order.id}": [right, order.payable_fen]}
    if order.points_used:
        wanted[f"use:{order.id}"] = [order.points_used, 0]
    for offered in terms.first_order:
        name = f"bonus:first-order@{offered.rule_id}:{order.id}"
        if name in known:
            wanted[name] = [min(known[name].points, offered.points), 0]
    had, returned = right + bonus, 0
    for back in backs(paid, right, bonus):
        named = back.refund.refund_id
        wanted[f"claw-back:{named}"] = [had - back.left, -back.refund.amount_fen]
        # Before points had lots, those used came back with the last piece only.
        if order.points_used and (order.points_drawn or back.ends):
            wanted[f"return:{named}"] = [back.returned - returned, 0]
            returned = back.returned
        had = back.left
    if terms.usable == ON_COMPLETION and f"mature:{order.id}" in known:
        wanted[f"mature:{order.id}"] = [0, 0]
    return wanted


def _given(order_id: str, known: Known) -> tuple[int, int]:
    """What the ledger says the order earned, and what bonus came with it."""
    earn = known.get(f"earn:{order_id}")
    bonus = sum(entry.points for entry in known.values() if entry.kind == "bonus")
    return (earn.points if earn else 0), bonus


def _room(book: Book, paid: PaidOrder) -> int | None:
    return book.room(paid.order.business_day, paid.terms.day_points, paid.terms.month_points)


def account_move(case: Case, book: Book, now: datetime) -> AccountMove:
    """Say what was written into a book of the past makes of its member's tier, as of today.

    Days of before any period that still counts are forgotten by the book.
    """
    account = case.account
    days = {name: dict(getattr(account, name)) for name in BY_DAY}
    for name, figures in book.figures.items():
        for day, figure in figures.items():
            days[name][day] = days[name].get(day, 0) + figure
    book.forget_before(shifted(case.today, -MOST_DAYS_KEPT))
    if account.tier_review == DUE or account.forgotten:
        return AccountMove(account.id, {"tier_review": DUE})
    case = replace(case, account=account.model_copy(update=days))
    found = case.judged()
    # The base stays where it is: other batches may bring days that are older.
    changes: dict[str, Any] = {
        "tier_review": DONE, "review_on": found.review_on,
        "tier_base": case.base.model_dump(exclude_none=True),
    }  # fmt: skip
    standing = found.standing
    if found.notice:  # The timer gives it.
        standing = standing.model_copy(update={"noticed_for": account.tier.noticed_for})
        changes["review_on"] = case.today
    if standing != account.tier:
        changes["tier"] = standing.model_dump(exclude_none=True)
    if standing.level == account.tier.level:
        return AccountMove(account.id, changes)
    change = TierChange(
        id=f"{account.id}:{account.version}", member_id=account.id, before=account.tier.level,
        after=standing.level, cause=found.cause or "figures", spend_fen=found.figures.spend_fen,
        rules_revision=case.rules.revision, at=now,
    )  # fmt: skip
    return AccountMove(account.id, changes, change)
