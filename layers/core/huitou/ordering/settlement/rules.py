"""Which ledger entries a paid order calls for, and the tiers that imported orders lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.earning.rules import awarded, kept, points_back
from huitou.loyalty.points.models import ON_COMPLETION, LedgerEntry, RuleRef
from huitou.loyalty.points.returns import returning
from huitou.loyalty.points.rules import Award, Book, EntryOrigin, TakenBack
from huitou.loyalty.tiers.models import BY_DAY, TierChange
from huitou.loyalty.tiers.rules import MOST_DAYS_KEPT, Case
from huitou.ordering.orders.models import GivenBack
from huitou.ordering.orders.rules import SETTLED_STATES, drawn_lots
from huitou.ordering.settlement.models import AccountMove
from huitou.runtime.triggers import DONE, DUE

if TYPE_CHECKING:
    from huitou.loyalty.earning.models import EarningTerms
    from huitou.ordering.orders.ledger_models import LedgerOrder

Known = Mapping[str, LedgerEntry]


@dataclass(frozen=True)
class PaidOrder:
    """A paid order with the terms that were frozen at payment and its refunds so far."""

    order: LedgerOrder
    terms: EarningTerms
    refunds: Sequence[GivenBack]


@dataclass(frozen=True)
class RefundEffect:
    """One refund of an order, and what the ledger must hold after it.

    `left` is how many points the order still earns after this refund. `returned` is how many of
    the points used have come back, with this refund. `ends` says that nothing of the order is left.
    """

    refund: GivenBack
    left: int
    returned: int
    ends: bool


def deserving(order: LedgerOrder) -> PaidOrder | None:
    """Return the order with its terms and refunds, or None while it isn't paid."""
    if order.status not in SETTLED_STATES or order.terms is None:
        return None
    refunds = order.refunds
    if order.status == "refunded" and not refunds and order.refund_id:
        # This order was refunded before orders kept a list of their refunds.
        whole = {"refund_id": order.refund_id, "amount_fen": order.payable_fen}
        refunds = [GivenBack.model_validate(whole | {"at": order.paid_at})]
    return PaidOrder(order, order.terms, refunds)


def refund_effects(paid: PaidOrder, earned: int, bonus: int) -> Iterator[RefundEffect]:
    """Yield what the ledger must hold after each refund, in the order in which they happened.

    After each refund the order keeps the points that its rest earns, whatever was refunded before.
    So all refunds together take back exactly what was given. A bonus is taken back by the refund
    after which nothing is left.
    """
    order = paid.order
    for number, refund in enumerate(paid.refunds, 1):
        so_far = paid.refunds[:number]
        ends = order.status == "refunded" and number == len(paid.refunds)
        left = 0 if ends else _kept(paid, earned, so_far) + bonus
        refunded_fen = sum(back.amount_fen for back in so_far)
        back = points_back(order.points_used, order.payable_fen, refunded_fen, wholly=ends)
        yield RefundEffect(refund, left, back, ends)


def _kept(paid: PaidOrder, earned: int, refunds: Sequence[GivenBack]) -> int:
    by_line = paid.terms.paid_by_line
    return kept(paid.terms, by_line, paid.order.payable_fen, earned, refunds)


def write_order(
    book: Book, paid: PaidOrder, known: Known, at: datetime, *, history: bool = False
) -> None:
    """Write the entries into the member's book that the order calls for and the ledger lacks.

    The terms were frozen when the order was paid, so a late event after a change of rules leads to
    the same entries. A paid order always has an `earn` entry, even of 0 points, because the entry
    also carries what tiers count. With `history`, an entry has the date of its cause instead of
    `at`.
    """
    order, terms = paid.order, paid.terms

    def origin(cause: str, moment: datetime | None, rules: Sequence[RuleRef] = ()) -> EntryOrigin:
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
            origin(order.id, order.paid_at, terms.rules), earned, award,
            spend_fen=order.payable_fen, orders=1,
        )  # fmt: skip
        if order.points_used:
            book.use(origin(order.id, order.paid_at), drawn_lots(order))
        for offered in terms.first_order if is_first else ():
            left_points = _room(book, paid)
            points = offered.points if left_points is None else min(offered.points, left_points)
            cause = f"first-order@{offered.rule_id}:{order.id}"
            book.bonus(origin(cause, order.paid_at, [offered]), points, award)
            bonus += points
    waits_for = None if f"mature:{order.id}" in known else terms.usable
    award = Award(terms.expires_on, waits_for)
    left, returned = earned + bonus, 0
    for back in refund_effects(paid, earned, bonus):
        refund_id = back.refund.refund_id
        if f"claw-back:{refund_id}" in known:
            left -= _taken_back(known, refund_id)
            returned += _returned(known, refund_id)
            continue
        of_refund = origin(refund_id, back.refund.at)
        if order.points_used:
            parts = returning(drawn_lots(order), returned, back.returned)
            book.give_back(of_refund, parts, terms.return_expired_days)
        # Entries by an older version of these rules may have taken more than is due now.
        due = TakenBack(max(0, left - back.left))
        book.claw_back(
            of_refund, due, award, terms.claw_back,
            spend_fen=-back.refund.amount_fen, orders=-1 if back.ends else 0,
        )  # fmt: skip
        left, returned = left - due, max(returned, back.returned)
        # The member's next order counts as the first again, unless this one's bonus was kept.
        if back.ends and book.first_order_id == order.id and not book.entries[-1].waived:
            book.first_order_id = None
    if order.status == "completed" and waits_for == ON_COMPLETION:
        points = min(left, book.pending_of(award))  # Points may have expired while they waited.
        if points:
            book.mature(origin(order.id, None), points, award)
    book.bring_up_to_date()


def _taken_back(known: Known, refund_id: str) -> int:
    """Return how many points a refund's claw-back took, with those that policy let the member keep.

    The figure may be negative: before fees were kept apart from dishes, some claw-backs gave
    points.
    """
    entry = known[f"claw-back:{refund_id}"]
    return entry.waived - entry.points


def _returned(known: Known, refund_id: str) -> int:
    """Return how many of the used points a refund brought back, with those that had expired."""
    entry = known.get(f"return:{refund_id}")
    return entry.points + entry.waived if entry else 0


def expected_entries(paid: PaidOrder, known: Known) -> dict[str, list[int]]:
    """Return the figures that an order's ledger entries must have.

    For each entry id: [points moved or waived, spend in fen]. If the terms have a cap per day or
    month, the order of commits decided how much this order earned; it also decided which order was
    the member's first. Then any figure up to what the terms offered is as expected.
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
    for back in refund_effects(paid, right, bonus):
        named = back.refund.refund_id
        wanted[f"claw-back:{named}"] = [had - back.left, -back.refund.amount_fen]
        # Before points had lots, used points came back only when nothing of the order was left.
        if order.points_used and (order.points_drawn or back.ends):
            wanted[f"return:{named}"] = [back.returned - returned, 0]
            returned = back.returned
        had = back.left
    if terms.usable == ON_COMPLETION and f"mature:{order.id}" in known:
        wanted[f"mature:{order.id}"] = [0, 0]
    return wanted


def _given(order_id: str, known: Known) -> tuple[int, int]:
    """Return the points that the order earned by the ledger, and its bonus points."""
    earn = known.get(f"earn:{order_id}")
    bonus = sum(entry.points for entry in known.values() if entry.kind == "bonus")
    return (earn.points if earn else 0), bonus


def _room(book: Book, paid: PaidOrder) -> int | None:
    return book.room(paid.order.business_day, paid.terms.day_points, paid.terms.month_points)


def account_move(case: Case, book: Book, now: datetime) -> AccountMove:
    """Return how the entries of imported orders change their member's tier, as of today.

    Removes the days from the book that are too old to count in any period.
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
    # The base stays as it is, because other batches may bring older days.
    changes: dict[str, Any] = {
        "tier_review": DONE, "review_on": found.review_on,
        "tier_base": case.base.model_dump(exclude_none=True),
    }  # fmt: skip
    standing = found.standing
    if found.notice:  # The timer sends the notice.
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
