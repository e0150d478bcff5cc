"""Make batches of codes, write them out, and redeem a code for a coupon."""

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
from huitou.coupons.codes.rules import MOST_BATCHES, ParsedCode, batch_key, codes, is_genuine, read
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import ShownCoupon
from huitou.coupons.issuing.service import Coupons
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable

TRIES_PER_HOUR = 10
_HOUR_S = 3_600.0


class Codes:
    """Redemption codes. `key` is the chain's and never changes; codes can't be made without it."""

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._repository = CodeRepository(database)
        self._coupons = Coupons(database, clock)
        self._persons = Persons(database)
        self._clock = clock
        self._key = key

    def make_batch(self, request: MakeCodesRequest) -> ShownBatch:
        """Make a batch, or return it if the same call has made it before.

        Raises Refusal NOT_FOUND if the template doesn't exist, BATCH_REUSED if the name belongs to
        a batch with another template or count.
        """
        if not self._coupons.find_templates([request.template_id]):
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
            self._repository.insert(
                CodeBatch(
                    id=request.batch,
                    number=number,
                    template_id=request.template_id,
                    count=request.count,
                    salt=secrets.token_bytes(16),
                    actor=request.actor,
                    created_at=self._clock.now(),
                )
            )
        raise Unavailable

    def is_made(self, name: str) -> bool:
        """Tell whether there is a batch with this name."""
        return self._repository.batch(name) is not None

    def list_codes(self, request: CodesRequest) -> CodesAnswer:
        """Return one page of a batch's codes; they are the same each time."""
        batch = self._batch(request.batch)
        count = min(request.limit, batch.count - request.after)
        following = request.after + count
        key = batch_key(self._key, batch.salt)
        return CodesAnswer(
            codes=list(codes(key, batch.number, request.after, count)),
            next=following if following < batch.count else None,
        )

    def list_batches(self, limit: int) -> BatchesAnswer:
        """Return the latest batches, with how many of their codes were redeemed."""
        return BatchesAnswer(batches=self._shown(self._repository.latest(limit)))

    def revoke_batch(self, name: str, actor: str) -> ShownBatch:
        """Revoke a batch: its codes can't be redeemed any more. Coupons issued by then stay valid.

        Raises Refusal NOT_FOUND naming `batch`.
        """
        self._batch(name)
        self._repository.revoke(name, actor, self._clock.now())
        return self._shown([self._batch(name)])[0]

    def redeem_code(self, member_id: str, typed: str) -> ShownCoupon:
        """Redeem a code for a member and return its coupon; a repeated call returns the same one.

        Raises Refusal CODE_NOT_VALID for every code that the member can't have, and doesn't tell
        what is wrong with it. Raises TOO_MANY_TRIES after ten wrong but well-formed codes in an
        hour, even for a right one, and COUPON_NOT_ISSUED if the template's limits are reached; the
        member keeps the code then. Each names `code`.
        """
        code = read(typed)
        if code is None:
            # Its check letter is wrong: the member mistyped it. A guesser learns nothing from that.
            raise Refusal(CodeErrors.CODE_NOT_VALID, field="code")
        # Count the try before the code is checked, so that a hundred calls at once are a hundred
        # tries.
        if self._repository.count_try(member_id, time.time(), _HOUR_S) > TRIES_PER_HOUR:
            raise Refusal(Code.TOO_MANY_TRIES, field="code")
        batch, number = self._genuine(code)
        cause = f"code:{batch.id}:{number}"
        use = CodeUse(
            id=f"{batch.id}:{number}", batch=batch.id, member_id=member_id, at=self._clock.now()
        )
        if self._repository.hold(use) not in self._persons.ids_of(member_id):
            raise Refusal(CodeErrors.CODE_NOT_VALID, field="code")
        self._repository.uncount_try(member_id)
        template = self._coupons.find_templates([batch.template_id])[batch.template_id]
        # If the function is killed here, the member holds the code without a coupon; the same
        # call again issues it.
        outcome = self._coupons.try_issue_coupon(template, member_id=member_id, cause=cause)[1]
        if outcome in ("limit_reached", "used_up"):
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="code")
        return self._coupons.show_coupon_of_cause(cause)

    def _genuine(self, code: ParsedCode) -> tuple[CodeBatch, int]:
        batch = self._repository.batch_of(code.batch)
        held = batch and batch.status == "active" and code.number < batch.count
        if batch and held and is_genuine(batch_key(self._key, batch.salt), code):
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
                batch=batch.id,
                template_id=batch.template_id,
                count=batch.count,
                redeemed=redeemed.get(batch.id, 0),
                status=batch.status,
                actor=batch.actor,
                created_at=batch.created_at,
            )
            for batch in batches
        ]
