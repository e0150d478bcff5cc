"""Computing 分账: exact to the fen, never more than WeChat Pay allows, never negative."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from huitou.payments.profit_sharing.models import (
    Held,
    ReceiverType,
    Role,
    Share,
    SharePart,
    ShareReturn,
    ShareRules,
    ShareTerms,
)
from huitou.promotions.discounts.shares import allocate
from huitou.runtime.errors import Code, Refusal

# WeChat Pay accepts a share 1 minute after the payment, or 30 s after it in brand mode.
_SHARE_AFTER = timedelta(seconds=60)
_BRAND_SHARE_AFTER = timedelta(seconds=30)

# WeChat Pay's values of 与分账方的关系类型, without those that need a text of our own, and of
# 与品牌主的关系类型.
_RELATIONS = {
    "SERVICE_PROVIDER", "STORE", "STAFF", "STORE_OWNER", "PARTNER", "HEADQUARTER", "BRAND",
    "DISTRIBUTOR", "USER", "SUPPLIER",
}  # fmt: skip
_BRAND_RELATIONS = {
    "SUPPLIER", "DISTRIBUTOR", "SERVICE_PROVIDER", "PLATFORM", "STAFF", "OTHERS",
}  # fmt: skip


# What receivers read in WeChat Pay's bill.
DESCRIPTIONS: dict[Role, str] = {
    "store": "门店分账",
    "franchisee": "加盟商分账",
    "platform": "平台服务费",
}


@dataclass(frozen=True)
class PartResult:
    """The state of one receiver's part at WeChat Pay; `result` is PENDING, SUCCESS or CLOSED."""

    type: ReceiverType
    account: str
    amount_fen: int
    result: str
    fail_reason: str | None


@dataclass(frozen=True)
class ShareState:
    """A share as WeChat Pay knows it; it doesn't change any more once it is `finished`."""

    finished: bool
    parts: list[PartResult]


@dataclass(frozen=True)
class Split:
    """A divided amount, in fen: the fee, parts in the terms' order, what the merchant keeps."""

    fee_fen: int
    parts_fen: list[int]
    kept_fen: int


def fee_fen(amount_fen: int, fee_bp: int) -> int:
    """Return WeChat Pay's fee, rounded half up to the fen."""
    return (amount_fen * fee_bp + 5_000) // 10_000


def split(amount_fen: int, terms: ShareTerms) -> Split:
    """Divide a payment: the fee, then fixed amounts, then ratios of the net; the rest is kept.

    Fixed amounts come first, in the order of the terms. The ratios' parts add up to Σratio_bp of
    the net and are rounded by largest remainder. Both together stay within `max_share_bp` of the
    amount and within the net. What a cap cuts off stays with the merchant.
    """
    fee = fee_fen(amount_fen, terms.fee_bp)
    net = amount_fen - fee
    left = min(net, amount_fen * terms.max_share_bp // 10_000)
    parts = []
    for term in terms.terms:
        fixed = min(term.fixed_fen, left)
        left -= fixed
        parts.append(fixed)
    by_ratio = _by_ratio(net, left, [term.ratio_bp for term in terms.terms])
    parts = [fixed + ratio for fixed, ratio in zip(parts, by_ratio, strict=True)]
    parts = [
        part if term.cap_fen is None else min(part, term.cap_fen)
        for part, term in zip(parts, terms.terms, strict=True)
    ]
    return Split(fee, parts, net - sum(parts))


def _by_ratio(net_fen: int, limit_fen: int, ratios_bp: list[int]) -> list[int]:
    """Divide the net by ratios; if that exceeds the limit, divide the limit in their proportion."""
    together_fen = net_fen * sum(ratios_bp) // 10_000
    if together_fen > limit_fen:
        return allocate(limit_fen, ratios_bp)
    # By the remainder of each exact part, not of the rounded sum, so that no part is a fen off.
    parts = [net_fen * ratio // 10_000 for ratio in ratios_bp]
    by_remainder = sorted(range(len(parts)), key=lambda i: (-(net_fen * ratios_bp[i] % 10_000), i))
    for i in by_remainder[: together_fen - sum(parts)]:
        parts[i] += 1
    return parts


def terms_of(rules: ShareRules) -> ShareTerms:
    """Return the terms of these rules, to be frozen on a payment."""
    return ShareTerms(
        rules_revision=rules.revision,
        fee_bp=rules.fee_bp,
        max_share_bp=rules.max_share_bp,
        brand_mchid=rules.brand_mchid,
        terms=rules.terms,
    )


def due_at(paid_at: datetime, terms: ShareTerms) -> datetime:
    """Return when WeChat Pay first accepts the share of a payment."""
    return paid_at + (_BRAND_SHARE_AFTER if terms.brand_mchid else _SHARE_AFTER)


def out_order_no(order_id: str) -> str:
    """Return the number of the order's share at WeChat Pay; an order has one."""
    return f"{order_id}s"


def unfreeze_no(order_id: str) -> str:
    """Return the number of the request that ends the order's sharing; it must be another number."""
    return f"{order_id}u"


def out_return_no(refund_id: str, account: str) -> str:
    """Return the number of what an account gives back for a refund; it follows from these two."""
    return "r" + hashlib.sha256(f"{refund_id}|{account}".encode()).hexdigest()[:40]


def planned(share: Share) -> Share:
    """Plan the parts anew from what is paid and neither refunded nor held for a refund."""
    rest_fen = share.paid_fen - share.refunded_fen - sum(held.amount_fen for held in share.held)
    parts_fen = split(rest_fen, share.terms).parts_fen
    parts = [
        SharePart(
            account=term.account,
            type=term.type,
            role=term.role,
            planned_fen=part_fen,
            amount_fen=part_fen,
        )
        for term, part_fen in zip(share.terms.terms, parts_fen, strict=True)
    ]
    return settled(share.model_copy(update={"parts": parts}))


def frozen(share: Share, look_at: datetime) -> Share:
    """Freeze the parts, before WeChat Pay is asked for them; they leave out refunds under way.

    So these refunds are marked as cleared: when a later refund computes what receivers give back,
    it must count them like refunds that have taken their money.
    """
    held = [held.model_copy(update={"cleared": True}) for held in share.held]
    asked = {"status": "asked", "held": held, "look_at": look_at}
    return planned(share).model_copy(update=asked)


def settled(share: Share) -> Share:
    """Compute `fee_fen` and `kept_fen` of a changed share, so that it adds up again.

    WeChat Pay gives the refunded part of its fee back, so the fee is that of the rest.
    """
    rest_fen = share.paid_fen - share.refunded_fen
    fee = fee_fen(rest_fen, share.terms.fee_bp)
    shared_fen = sum(part.amount_fen - part.returned_fen for part in share.parts)
    return share.model_copy(update={"fee_fen": fee, "kept_fen": rest_fen - fee - shared_fen})


def held_for(share: Share, refund_id: str) -> Held | None:
    """Return what is held for a refund, if it has begun and not ended."""
    return next((held for held in share.held if held.refund_id == refund_id), None)


def paid_parts(share: Share) -> list[SharePart]:
    """Return the parts that somebody gets anything of."""
    return [part for part in share.parts if part.amount_fen > 0]


def receiver_ids(share: Share) -> list[str]:
    """Return the receivers of the paid parts as merchant|type|account, as WeChat Pay knows them."""
    merchant = share.terms.brand_mchid or share.sub_mchid or share.mchid
    return [f"{merchant}|{part.type}|{part.account}" for part in paid_parts(share)]


def give_backs(share: Share, amount_fen: int) -> list[tuple[SharePart, int]]:
    """Return what each receiver gives back before the guest is refunded `amount_fen` more.

    Each keeps its part of what is left. What it is giving back already counts as given back. We can
    ask merchants only: a person keeps what they got.
    """
    coming_fen = {
        part.account: sum(
            back.amount_fen
            for back in share.returns
            if back.account == part.account and back.status == "processing"
        )
        for part in share.parts
    }
    left_fen = split(share.paid_fen - share.refunded_fen - amount_fen, share.terms).parts_fen
    backs = [
        (part, part.amount_fen - part.returned_fen - coming_fen[part.account] - keeps_fen)
        for part, keeps_fen in zip(share.parts, left_fen, strict=True)
        if part.type == "MERCHANT_ID" and part.status == "success"
    ]
    return [(part, back_fen) for part, back_fen in backs if back_fen > 0]


def with_returns(share: Share, refund_id: str) -> Share:
    """Note what receivers are to give back for a held refund, and mark the refund as cleared.

    Refunds under way that were cleared before count as refunded; the others come after this one.
    """
    amount_fen = sum(
        held.amount_fen for held in share.held if held.cleared or held.refund_id == refund_id
    )
    returns = [
        ShareReturn(
            refund_id=refund_id,
            account=part.account,
            out_return_no=out_return_no(refund_id, part.account),
            amount_fen=back_fen,
        )
        for part, back_fen in give_backs(share, amount_fen)
    ]
    held = [
        held.model_copy(update={"cleared": held.cleared or held.refund_id == refund_id})
        for held in share.held
    ]
    return share.model_copy(update={"held": held, "returns": [*share.returns, *returns]})


def ended(share: Share, state: ShareState) -> Share | None:
    """Note the end of a share at WeChat Pay; None if a receiver's part hasn't ended yet.

    A part that was closed stays with the merchant. The amounts that WeChat Pay reports count.
    """
    results = {(result.type, result.account): result for result in state.parts}
    parts = []
    for part in share.parts:
        if part.amount_fen == 0:
            parts.append(part.model_copy(update={"status": "success"}))
            continue
        result = results.get((part.type, part.account))
        if result is None or result.result not in ("SUCCESS", "CLOSED"):
            return None
        success = result.result == "SUCCESS"
        change = {
            "status": "success" if success else "closed",
            "amount_fen": result.amount_fen if success else 0,
            "fail_reason": result.fail_reason,
        }
        parts.append(part.model_copy(update=change))
    end = {"parts": parts, "status": "finished", "accepted": True, "look_at": None}
    return settled(share.model_copy(update=end))


def given_up(share: Share, reason: str) -> Share:
    """Leave all of it to the merchant, since WeChat Pay won't share it.

    The caller still has to unfreeze the money.
    """
    parts = [
        part.model_copy(update={"amount_fen": 0, "status": "closed", "fail_reason": reason})
        for part in share.parts
    ]
    return settled(
        share.model_copy(update={"parts": parts, "status": "failed", "fail_reason": reason})
    )


def returned(share: Share, end: ShareReturn) -> Share:
    """Note the end of a return; what came back is the merchant's again.

    Returns the share itself if this end was noted before.
    """
    if not any(
        known.out_return_no == end.out_return_no and known.status == "processing"
        for known in share.returns
    ):
        return share
    returns = [
        end if known.out_return_no == end.out_return_no else known for known in share.returns
    ]
    came_fen = end.amount_fen if end.status == "success" else 0
    parts = [
        part.model_copy(update={"returned_fen": part.returned_fen + came_fen})
        if (part.account, part.type) == (end.account, "MERCHANT_ID")
        else part
        for part in share.parts
    ]
    return settled(share.model_copy(update={"returns": returns, "parts": parts}))


def check_rules(rules: ShareRules) -> None:
    """Check rules; raises Refusal INVALID_REQUEST naming the field that WeChat Pay would refuse."""
    ratio_bp = sum(term.ratio_bp for term in rules.terms)
    if ratio_bp > rules.max_share_bp:
        raise _invalid("terms", f"Σ ratio_bp {ratio_bp} > max_share_bp {rules.max_share_bp}")
    named = {(receiver.type, receiver.account): receiver for receiver in rules.receivers}
    if len(named) < len(rules.receivers):
        raise _invalid("receivers", "an account twice")
    seen = set()
    for number, term in enumerate(rules.terms):
        field, key = f"terms.{number}", (term.type, term.account)
        if key in seen:
            raise _invalid(f"{field}.account", "twice")
        seen.add(key)
        if not term.ratio_bp and not term.fixed_fen:
            raise _invalid(f"{field}.ratio_bp", "neither ratio_bp nor fixed_fen")
        if key not in named:
            raise _invalid(f"{field}.account", "not among receivers")
    relations = _BRAND_RELATIONS if rules.brand_mchid else _RELATIONS
    for number, receiver in enumerate(rules.receivers):
        if receiver.type == "MERCHANT_ID" and not receiver.name:
            raise _invalid(f"receivers.{number}.name", "a merchant's full name is required")
        if receiver.relation_type not in relations:
            raise _invalid(f"receivers.{number}.relation_type", "not one of WeChat Pay's")


def _invalid(field: str, detail: str) -> Refusal:
    return Refusal(Code.INVALID_REQUEST, field=f"share_rules.{field}", detail=detail)
