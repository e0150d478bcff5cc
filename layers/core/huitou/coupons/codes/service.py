"""Make batches of codes, write them out, and turn a code into its holder's coupon."""

from __future__ import annotations

import secrets
import time

from huitou.coupons.codes.errors import CodeErrors
from huitou.coupons.codes.models import (
    BatchesAnswer,
    CodeBatch,
    CodesAnswer,
    CodesRequest,
    CodeUse,
    MakeCodesRequest,
    ShownBatch,
)
from huitou.coupons.codes.repository import MOST_TRIES, CodeRepository
from huitou.coupons.codes.rules import MOST_BATCHES, batch_key, codes, is_genuine, read
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import ShownCoupon
from huitou.coupons.issuing.service import Coupons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable

TRIES_PER_HOUR = 10
_HOUR_S = 3_600.0


class Codes:
    """`key` is the chain's own, which never changes; without it no code can be made or read."""

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._repository = CodeRepository(database)
        self._coupons = Coupons(database, clock)
        self._clock = clock
        self._key = key

    def make(self, request: MakeCodesRequest) -> ShownBatch:
        """Make a batch, or return it if it was made by the same call before.

        Raises Refusal NOT_FOUND without the template, BATCH_REUSED where the name stands for
        other codes.
        """
        if not self._coupons.templates([request.template_id]):
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=request.template_id)
        for _ in range(MOST_TRIES):
            batch = self._repository.batch(request.batch)
            if batch is not None:
                if (batch.template_id, batch.count) != (request.template_id, request.count):
                    raise Refusal(CodeErrors.BATCH_REUSED, field="batch")
                return self._shown([batch])[0]
            number = self._repository.next_number()
            if number >= MOST_BATCHES:
                raise Refusal(Code.INVALID_REQUEST, field="batch", detail=f"≤ {MOST_BATCHES}")
            self._repository.insert(CodeBatch(
                id=request.batch, number=number, template_id=request.template_id,
                count=request.count, salt=secrets.token_bytes(16), actor=request.actor,
                created_at=self._clock.now(),
            ))  # fmt: skip
        raise Unavailable

    def page(self, request: CodesRequest) -> CodesAnswer:
        """Write out some of a batch's codes; the same ones each time."""
        batch = self._batch(request.batch)
        count = min(request.limit, batch.count - request.after)
        following = request.after + count
        key = batch_key(self._key, batch.salt)
        return CodesAnswer(
            codes=list(codes(key, batch.number, request.after, count)),
            next=following if following < batch.count else None,
        )

    def batches(self, limit: int) -> BatchesAnswer:
        """Return the latest batches with their counters."""
        return BatchesAnswer(batches=self._shown(self._repository.latest(limit)))

    def revoke(self, name: str, actor: str) -> ShownBatch:
        """Let nobody use a batch's codes any more; coupons that came of them stay."""
        self._batch(name)
        self._repository.revoke(name, actor, self._clock.now())
        return self._shown([self._batch(name)])[0]

    def redeem(self, member_id: str, typed: str) -> ShownCoupon:
        """Make a code the member's and return its coupon; the holder gets the same one again.

        Every code that the member can't have is CODE_NOT_VALID, whatever is wrong with it.
        Refusal TOO_MANY_TRIES after ten wrong ones in an hour, even for a right one; and
        COUPON_NOT_ISSUED where the template's limits are reached: the code stays the member's.
        """
        # Counted before it is looked at: a hundred at once are a hundred tries.
        if self._repository.count_try(member_id, time.time(), _HOUR_S) > TRIES_PER_HOUR:
            raise Refusal(Code.TOO_MANY_TRIES, field="code")
        batch, number = self._genuine(typed)
        cause = f"code:{batch.id}:{number}"
        use = CodeUse(
            id=f"{batch.id}:{number}", batch=batch.id, member_id=member_id, at=self._clock.now()
        )
        if self._repository.hold(use) != member_id:
            raise Refusal(CodeErrors.CODE_NOT_VALID, field="code")
        self._repository.uncount_try(member_id)
        template = self._coupons.templates([batch.template_id])[batch.template_id]
        # Held but not issued: a crash came between, and the same call again issues it.
        outcome = self._coupons.try_issue(template, member_id=member_id, cause=cause)[1]
        if outcome in ("limit_reached", "used_up"):
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="code")
        return self._coupons.of_cause(cause)

    def _genuine(self, typed: str) -> tuple[CodeBatch, int]:
        code = read(typed)
        batch = self._repository.batch_of(code.batch) if code else None
        held = code and batch and batch.status == "active" and code.number < batch.count
        if code and batch and held and is_genuine(batch_key(self._key, batch.salt), code):
            return batch, code.number
        raise Refusal(CodeErrors.CODE_NOT_VALID, field="code")

    def _batch(self, name: str) -> CodeBatch:
        batch = self._repository.batch(name)
        if batch is None:
            raise Refusal(Code.NOT_FOUND, field="batch", detail=name)
        return batch

    def _shown(self, batches: list[CodeBatch]) -> list[ShownBatch]:
        redeemed = self._repository.redeemed([batch.id for batch in batches])
        return [
            ShownBatch(
                batch=batch.id, template_id=batch.template_id, count=batch.count,
                redeemed=redeemed.get(batch.id, 0), status=batch.status, actor=batch.actor,
                created_at=batch.created_at,
            )
            for batch in batches
        ]  # fmt: skip
