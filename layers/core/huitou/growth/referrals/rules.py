"""Which terms a referral has, when it counts, and what makes it suspicious."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from huitou.catalog.stores.rules import brand_day
from huitou.growth.referrals.models import (
    CODE_LENGTH,
    CODE_LETTERS,
    FriendState,
    Reason,
    Referral,
    ReferralRules,
    ReferralTerms,
)
from huitou.runtime.errors import Lang

if TYPE_CHECKING:
    from huitou.ordering.orders.models import Order

REFUND_WINDOW = timedelta(hours=24)  # So long after its completion the order may be refunded.
BURST_WINDOW = timedelta(hours=1)
LOOK_ALIKES = 3  # So many similar friends of one inviter are suspicious, this one included.
_WORDS: dict[Reason, tuple[str, str]] = {
    "risk_rank": ("微信判定新会员账号有风险", "WeChat counts this account as risky"),
    "burst": ("邀请人一小时内邀请过多", "many friends within an hour"),
    "ring": ("互相邀请", "they brought each other"),
    "same_network": ("多位好友来自同一网络", "several friends from one network"),
    "look_alike": ("多位好友同日同店下了同样金额的单", "several friends with the same order"),
}


def code_from(randomness: bytes) -> str:
    """Return a personal code from random bytes: 8 of 32 letters, so some 10^12 codes."""
    return "".join(CODE_LETTERS[byte % len(CODE_LETTERS)] for byte in randomness[:CODE_LENGTH])


def terms_on(rules: ReferralRules, at: datetime) -> ReferralTerms:
    """Return the terms for a friend who registers at a moment."""
    day = brand_day(at)
    points = (rules.inviter_points, rules.invited_points)
    for activity in rules.activities:
        if activity.valid_from.isoformat() <= day <= activity.valid_until.isoformat():
            points = (activity.inviter_points, activity.invited_points)
    return ReferralTerms(
        inviter_points=points[0],
        invited_points=points[1],
        rules_revision=rules.revision,
        min_order_fen=rules.min_order_fen,
        invite_set=rules.invite_set,
    )


def look_again(order: Order, now: datetime) -> datetime | None:
    """Return when to process a referral's order again; None if its refund window is over."""
    if order.completed_at is not None:
        ends = order.completed_at + REFUND_WINDOW
        return ends if now < ends else None
    # At `complete_by` the order completes by itself. If that isn't known, try again in a day.
    expected = max(order.complete_by or now, now)
    return expected + REFUND_WINDOW


def counts(referral: Referral, order: Order) -> bool:
    """Tell whether the order is complete and its amount, without refunds, is high enough."""
    return order.status == "completed" and order.left_fen >= max(1, referral.terms.min_order_fen)


def suspicions(
    referral: Referral, rules: ReferralRules, friends: Sequence[Referral], inviters: Sequence[str]
) -> list[Reason]:
    """Return why a person should look at a referral; empty if nothing is suspicious.

    `friends` are the inviter's other referrals; `inviters` are the inviter's inviter, that one's
    inviter, and so on.
    """
    others = [friend for friend in friends if friend.id != referral.id]
    near = [f for f in others if abs(f.bound_at - referral.bound_at) <= BURST_WINDOW]
    network = [f for f in others if f.network is not None and f.network == referral.network]
    alike = [
        f
        for f in others
        if f.order_fen is not None
        and (f.order_day, f.order_store_id, f.order_fen)
        == (referral.order_day, referral.order_store_id, referral.order_fen)
    ]
    found: list[Reason] = []
    if referral.rank is not None and referral.rank >= rules.hold_from_rank:
        found.append("risk_rank")
    if len(near) + 1 > rules.burst_per_hour:
        found.append("burst")
    if referral.id in inviters:
        found.append("ring")
    if len(network) + 1 >= LOOK_ALIKES:
        found.append("same_network")
    if len(alike) + 1 >= LOOK_ALIKES:
        found.append("look_alike")
    return found


def reason_words(reasons: Sequence[Reason], lang: Lang) -> list[str]:
    """Return the reasons in words, for the person who decides."""
    return [_WORDS[reason][lang == "en"] for reason in reasons]


def set_of(seq: int, count: int) -> tuple[int, range]:
    """Return the number of the set to which a friend's `seq` belongs, and all seqs of the set."""
    number = (seq - 1) // count
    return number + 1, range(number * count + 1, (number + 1) * count + 1)


def free_seq(taken: Sequence[int]) -> int:
    """Return the lowest number from 1 on that is not taken."""
    used = set(taken)
    return next(number for number in range(1, len(used) + 2) if number not in used)


def numbers_anew(friends: Sequence[Referral], count: int) -> dict[str, int]:
    """Return new numbers, by friend, for those who share theirs with another inviter's friend.

    `friends` are those of all ids of an inviter, after a merge. Whole sets keep their numbers, for
    these have brought their coupons.
    """
    numbers: dict[str, set[int]] = {}
    for friend in friends:
        numbers.setdefault(friend.inviter_id, set()).add(friend.seq or 0)

    def is_in_whole_set(friend: Referral) -> bool:
        return numbers[friend.inviter_id] >= set(set_of(friend.seq or 1, count)[1])

    taken = {friend.seq for friend in friends if is_in_whole_set(friend)}
    shared = []
    for friend in sorted(friends, key=lambda one: (one.bound_at, one.id)):
        if is_in_whole_set(friend):
            continue
        if friend.seq in taken:
            shared.append(friend.id)
        taken.add(friend.seq)
    anew: dict[str, int] = {}
    for name in shared:
        anew[name] = free_seq([number for number in (*taken, *anew.values()) if number])
    return anew


def state_of(referral: Referral) -> FriendState:
    """Return the state that the inviter may see; it never tells that a person looks at it."""
    match referral.status:
        case "bound":
            return "ordered" if referral.order_id is not None else "registered"
        case "settled":
            return "rewarded"
        case "held" | "refused":
            return "processing"
        case "void" | "clawed_back":
            return "not_counted"
        case _:
            assert_never(referral.status)


def promise(terms: ReferralTerms, set_name: str, lang: Lang) -> str:
    """Return in words what an invitation brings, and for how many friends there is a coupon."""
    mine, theirs = terms.inviter_points, terms.invited_points
    if lang == "en":
        words = f"When a friend's first order is complete you get {mine} points and they {theirs}"
        if terms.invite_set:
            words += f"; for {terms.invite_set.count} friends who order: {set_name}"
        return words
    words = (
        f"好友首单完成后，双方各得 {mine} 积分"
        if mine == theirs
        else f"好友首单完成后，您得 {mine} 积分，好友得 {theirs} 积分"
    )
    if terms.invite_set:
        words += f"；邀请 {terms.invite_set.count} 位好友下单，得{set_name}一份"
    return words
