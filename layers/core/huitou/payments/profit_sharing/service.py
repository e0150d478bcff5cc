"""分账: share each paid order's money once, and have it returned before its guest is refunded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pymongo.client_session import ClientSession

from huitou.catalog.stores.models import Merchant
from huitou.payments.charges.models import Payment
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.profit_sharing.models import (
    CarryOnOutcome,
    Held,
    Share,
    ShareReturn,
    ShareTerms,
)
from huitou.payments.profit_sharing.repository import ShareRepository
from huitou.payments.profit_sharing.rules import (
    DESCRIPTIONS,
    ShareState,
    due_at,
    ended,
    frozen,
    given_up,
    held_for,
    out_order_no,
    paid_parts,
    planned,
    receiver_ids,
    returned,
    settled,
    terms_of,
    unfreeze_no,
    with_returns,
)
from huitou.payments.wechat_pay.client import WeChatPay, WeChatPayRefusal
from huitou.payments.wechat_pay.sharing_client import AskedPart, ProfitSharing, Source
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.logs import log

# WeChat Pay uses several codes for a receiver it doesn't know; then we register all of them again.
_RECEIVER_UNKNOWN = {"RECEIVER_INVALID", "NO_RELATION", "INVALID_REQUEST", "PARAM_ERROR"}
# A person may remove the cause (a missing right, an account, a typo in the rules). So we ask WeChat
# Pay for some 22 days, ever more rarely; the money would unfreeze by itself after 30 days.
MOST_REFUSALS = 14
REPORTED_AT = 3
LOOK_AGAIN = timedelta(seconds=60)


class Sharing:
    def __init__(self, database: Database, clock: Clock, gateway: WeChatPay) -> None:
        self._database = database
        self._clock = clock
        self._gateway = gateway
        self._wechat = ProfitSharing(gateway)
        self._shares = ShareRepository(database)
        self._discrepancies = Discrepancies(database, clock)

    def terms_for(self, store_id: str | None) -> ShareTerms:
        """Return the terms for a new payment of this store, to be frozen on the payment."""
        found = self._shares.rules_for(store_id)
        return terms_of(found[0]) if found else ShareTerms()

    # --- in the transactions of payments and refunds ------------------------------------------

    def open_share(
        self, payment: Payment, transaction_id: str, paid_at: datetime, session: ClientSession
    ) -> None:
        """Open the order's share, in the transaction that marks the order paid by `payment`."""
        terms = payment.sharing or ShareTerms()
        merchant = payment.merchant or self._gateway.merchant_for(None)
        not_before = due_at(paid_at, terms)
        share = Share(
            id=payment.order_id,
            member_id=payment.member_id,
            store_id=payment.store_id,
            out_trade_no=payment.id,
            transaction_id=transaction_id,
            mchid=merchant.mchid,
            sub_mchid=merchant.sub_mchid,
            paid_fen=payment.amount_fen,
            fee_fen=0,
            kept_fen=0,
            terms=terms,
            status="planned" if terms.terms else "nothing_to_share",
            out_order_no=out_order_no(payment.order_id),
            not_before=not_before,
            look_at=not_before if terms.terms else None,
        )
        self._shares.insert(planned(share), session)

    def hold_refund(
        self, order_id: str, refund_id: str, amount_fen: int, session: ClientSession
    ) -> None:
        """Keep a refund's money out of the share, in the transaction that begins the refund."""
        share = self._shares.find(order_id, session)
        if share is None or refund_id in share.refunds or held_for(share, refund_id):
            return
        held = [*share.held, Held(refund_id=refund_id, amount_fen=amount_fen)]
        self._change(share.model_copy(update={"held": held}), session)

    def release_refund(self, order_id: str, refund_id: str, session: ClientSession) -> None:
        """Release a refund's money, in the transaction that ends the refund without paying it."""
        share = self._shares.find(order_id, session)
        if share is None or not held_for(share, refund_id):
            return
        held = [other for other in share.held if other.refund_id != refund_id]
        self._change(share.model_copy(update={"held": held}), session)

    def count_refund(
        self, order_id: str, refund_id: str, amount_fen: int, session: ClientSession
    ) -> None:
        """Count a completed refund, in the transaction that completes it."""
        share = self._shares.find(order_id, session)
        if share is None or refund_id in share.refunds:
            return
        changed = share.model_copy(
            update={
                "held": [other for other in share.held if other.refund_id != refund_id],
                "refunded_fen": share.refunded_fen + amount_fen,
                "refunds": [*share.refunds, refund_id],
            }
        )
        if share.status == "planned" and changed.refunded_fen >= share.paid_fen:
            changed = planned(changed).model_copy(update={"status": "cancelled", "look_at": None})
        self._change(changed, session)

    def _change(self, share: Share, session: ClientSession) -> None:
        changed = planned(share) if share.status == "planned" else settled(share)
        if self._shares.put(changed, session) is None:
            raise Unavailable  # Another call changed it: the transaction must not go on.

    # --- before a refund ----------------------------------------------------------------------

    def collect_returns(self, order_id: str, refund_id: str) -> bool:
        """Have receivers give back what a held refund takes; True once the guest can be refunded.

        Call it outside transactions before asking WeChat Pay for the refund; if it returns False,
        call it again later. If the share wasn't asked for yet, there is nothing to give back: the
        timer shares only what the refund leaves. A receiver that can't give back doesn't stop the
        refund.
        """
        share = self._shares.find(order_id)
        if share is not None and share.status == "asked":
            self.carry_on_share(order_id)
            share = self._shares.find(order_id)
        held = held_for(share, refund_id) if share else None
        if share is None or held is None:
            return True
        if share.status == "asked":
            return False
        if share.status != "finished":
            return True
        first = not held.cleared
        if first:
            # Stored before a receiver is asked, so that the amounts are the same after a crash. The
            # version guards the write, so that two refunds at once don't both count the same fen.
            stored = self._shares.put(with_returns(share, refund_id))
            if stored is None:
                return False
            share = stored
        ours = [back for back in share.returns if back.refund_id == refund_id]
        ends = [
            back.status != "processing" or self._ask_return(share, back, first=first)
            for back in ours
        ]
        return all(ends)

    def _ask_return(self, share: Share, back: ShareReturn, *, first: bool) -> bool:
        """Ask for a return, or for its state if we asked before; True once it has ended."""
        source, number = _source(share), share.out_order_no
        state = reason = None
        try:
            if not first:
                state = self._wechat.query_return(
                    source, out_order_no=number, out_return_no=back.out_return_no
                )
        except WeChatPayRefusal as refused:  # The money may have been given back.
            raise Unavailable(detail=refused.reason) from refused
        try:
            if state is None:
                state = self._wechat.give_back(
                    source,
                    out_order_no=number,
                    out_return_no=back.out_return_no,
                    return_mchid=back.account,
                    amount_fen=back.amount_fen,
                )
        except WeChatPayRefusal as refused:
            reason = _refusal_reason(refused)
        if state is not None and state.status == "processing":
            return False
        success = state is not None and state.status == "success"
        end = back.model_copy(
            update={
                "status": "success" if success else "failed",
                "fail_reason": state.fail_reason if state else reason,
            }
        )
        return self._end_return(share.id, end)

    def _end_return(self, order_id: str, end: ShareReturn) -> bool:
        share = self._shares.find(order_id)
        if share is None:
            return True
        noted = returned(share, end)
        if noted is share:  # Another call noted this end before.
            return True
        failed = end.status == "failed"
        troubles = [("share_return_failed", end.fail_reason or "")] if failed else []
        # If another write was faster, the next call finds the same end and notes it.
        return self._store(noted, troubles) is not None

    # --- the timer's work ---------------------------------------------------------------------

    def due_shares(self) -> Iterator[str]:
        """Orders whose share the timer has to look at."""
        yield from self._shares.due(self._clock.now())

    def carry_on_share(self, order_id: str) -> CarryOnOutcome:
        """Take an order's share one step on; returns its status. Safe to repeat after a crash."""
        share = self._shares.find(order_id)
        now = self._clock.now()
        if share is None:
            return "no share"
        if share.status == "planned" and share.not_before <= now:
            share = self._freeze(share)
        if share.status in ("asked", "failed") and share.look_at and share.look_at <= now:
            # Set before the attempt: a share that always fails must not keep others waiting.
            later = {"look_at": now + LOOK_AGAIN}
            share = self._shares.put(share.model_copy(update=later)) or share
        if share.status == "asked":
            share = self._ask(share)
        if share.status == "failed" and share.look_at is not None:
            self._unfreeze_failed(share)
        return share.status

    def _freeze(self, share: Share) -> Share:
        """Freeze the parts before WeChat Pay is asked; returns a planned share if it can't yet."""
        rest_fen = share.paid_fen - share.refunded_fen - sum(h.amount_fen for h in share.held)
        if rest_fen <= 0:  # Refunds may take all of it: wait for their end.
            later = {"look_at": self._clock.now() + LOOK_AGAIN}
            return self._shares.put(share.model_copy(update=later)) or share
        # The version guards the write. A refund that begins at this moment either is in `held`, so
        # that the parts leave it out, or it finds the share asked and waits for it.
        return self._shares.put(frozen(share, self._clock.now() + LOOK_AGAIN)) or share

    def _ask(self, share: Share) -> Share:
        """Ask WeChat Pay to share, or for the share's state if it accepted the request before."""
        source = _source(share)
        state: ShareState | None
        try:
            if share.accepted:
                state = self._query(share)
            elif any(part.amount_fen for part in share.parts):
                self._introduce_receivers(source, share)
                state = self._wechat.share(
                    source,
                    transaction_id=share.transaction_id,
                    out_order_no=share.out_order_no,
                    parts=_asked_parts(share),
                )
            else:
                self._unfreeze(share)
                state = ShareState(finished=True, parts=[])
        except WeChatPayRefusal as refused:
            reason = _refusal_reason(refused)
            # WeChat Pay may have shared before and the answer was lost: then its state counts.
            state = self._query(share)
            if state is None:
                return self._refused(share, reason)
        return self._note_state(share, state)

    def _query(self, share: Share) -> ShareState | None:
        """Return the share's state at WeChat Pay, or None if WeChat Pay doesn't know it.

        Raises Unavailable if WeChat Pay refuses to answer, because then nothing can be decided.
        """
        try:
            return self._wechat.query(
                _source(share), transaction_id=share.transaction_id, out_order_no=share.out_order_no
            )
        except WeChatPayRefusal as refused:
            self._store(share, [("share_query_refused", refused.reason)])
            raise Unavailable(detail=refused.reason) from refused

    def _note_state(self, share: Share, state: ShareState | None) -> Share:
        """Note a share's state at WeChat Pay; if another write is faster, the next call does so."""
        changed = ended(share, state) if state is not None and state.finished else None
        if changed is None:
            look_at = self._clock.now() + LOOK_AGAIN
            waiting = {"accepted": state is not None, "look_at": look_at}
            return self._shares.put(share.model_copy(update=waiting)) or share
        troubles = [
            ("share_part_closed", part.fail_reason or "")
            if part.status == "closed"
            else ("share_amount_differs", part.role)
            for part in changed.parts
            if part.amount_fen != part.planned_fen
        ]
        return self._store(changed, troubles) or share

    def _refused(self, share: Share, reason: str) -> Share:
        """Try again later; after the last refusal leave all of it to the merchant."""
        if reason in _RECEIVER_UNKNOWN:
            self._shares.forget_added(receiver_ids(share))
        refusals = share.refusals + 1
        if refusals >= MOST_REFUSALS:
            return self._store(given_up(share, reason), [("share_failed", reason)]) or share
        look_at = self._clock.now() + LOOK_AGAIN * 2**refusals
        # Planned again, because WeChat Pay doesn't know the share: a refund needn't wait for it.
        later = {"status": "planned", "refusals": refusals, "look_at": look_at}
        troubles = [("share_refused", reason)] if refusals == REPORTED_AT else []
        return self._store(share.model_copy(update=later), troubles) or share

    def _introduce_receivers(self, source: Source, share: Share) -> None:
        """Register receivers at WeChat Pay that we haven't registered yet for this merchant."""
        added = self._shares.added(receiver_ids(share))
        known = {
            (receiver.type, receiver.account): receiver
            for rules in reversed(self._shares.rules_for(share.store_id))
            for receiver in rules.receivers
        }
        for part, receiver_id in zip(paid_parts(share), receiver_ids(share), strict=True):
            if receiver_id in added:
                continue
            receiver = known.get((part.type, part.account))
            if receiver is None:  # The rules have changed since; a person must decide.
                raise WeChatPayRefusal("RECEIVER_NOT_IN_RULES", 400)
            self._wechat.add_receiver(source, receiver)
            self._shares.remember_added(receiver_id, self._clock.now())

    def _unfreeze_failed(self, share: Share) -> None:
        troubles = []
        try:
            self._unfreeze(share)
        except WeChatPayRefusal as refused:
            # It unfreezes by itself after 30 days (180 in brand mode).
            troubles = [("share_unfreeze_refused", _refusal_reason(refused))]
        self._store(share.model_copy(update={"look_at": None}), troubles)

    def _unfreeze(self, share: Share) -> None:
        self._wechat.unfreeze(
            _source(share), transaction_id=share.transaction_id, out_order_no=unfreeze_no(share.id)
        )

    def _store(self, share: Share, troubles: list[tuple[str, str]]) -> Share | None:
        """Store a changed share and report its troubles (what, why) to people, in one transaction.

        This is the only place that reports a share's trouble. None if another write was faster.
        """
        over = share.status == "finished" and share.refusals > 0
        if not troubles and not over:
            return self._shares.put(share)

        def write(session: ClientSession) -> Share | None:
            stored = self._shares.put(share, session)
            if stored is not None:
                if over:
                    self._discrepancies.clear_discrepancy("share refused", share.id, session)
                for event, reason in troubles:
                    self._discrepancies.note_difference(
                        source="share",
                        kind=event.replace("_", " "),
                        reference=share.id,
                        expected="success",
                        found=reason,
                        store_id=share.store_id,
                        session=session,
                    )
            return stored

        stored = self._database.transact(write)
        for event, reason in troubles if stored is not None else []:
            log(event, order_id=share.id, reason=reason)
        return stored


def _refusal_reason(refused: WeChatPayRefusal) -> str:
    """Return a refusal's reason; raises Unavailable if our keys are at fault, not this share."""
    if refused.reason == "SIGN_ERROR":
        raise Unavailable(detail=refused.reason) from refused
    return refused.reason


def _source(share: Share) -> Source:
    merchant = Merchant(mchid=share.mchid, sub_mchid=share.sub_mchid)
    return Source(merchant, share.terms.brand_mchid)


def _asked_parts(share: Share) -> list[AskedPart]:
    return [
        AskedPart(part.type, part.account, part.amount_fen, DESCRIPTIONS[part.role])
        for part in paid_parts(share)
    ]
