"""The inbox: members read their messages, and staff see a campaign's recipients."""

from __future__ import annotations

from typing import Any

from huitou.coupons.issuing.rules import coupon_id
from huitou.marketing.deliveries.errors import MESSAGE
from huitou.marketing.deliveries.models import (
    Exposure,
    OpenMessageRequest,
    Recipient,
    RecipientsAnswer,
    RecipientsRequest,
)
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.paging import PageRequest


class Inbox:
    """The messages that members got from campaigns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = ExposureRepository(database)
        self._clock = clock

    def list_messages(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        """Return a page of the member's messages, newest first."""
        exposures, after = self._repository.inbox(member_id, page)
        return {"messages": [_shown_message(one) for one in exposures], "next": after}

    def list_recipients(self, request: RecipientsRequest) -> RecipientsAnswer:
        """Return a page of a campaign's recipients; members of the hold-out are listed as well."""
        found = self._repository.of_campaign(request.campaign_id, request.after, request.limit)
        return RecipientsAnswer(
            recipients=[
                Recipient(
                    exposure_id=one.id,
                    member_id=one.member_id,
                    group=one.group,
                    at=one.at,
                    gift=one.gift_text or None,
                    opened=one.opened_at is not None,
                )
                for one in found
            ],
            next=found[-1].id if len(found) == request.limit else None,
        )

    def open_message(self, member_id: str, request: OpenMessageRequest) -> dict[str, bool]:
        """Note that the member opened a message.

        Raises Refusal NOT_FOUND if the message isn't theirs.
        """
        if not self._repository.open(request.message_id, member_id, self._clock.now()):
            raise Refusal(Code.NOT_FOUND, field="message_id", detail=MESSAGE)
        return {"opened": True}


def _shown_message(exposure: Exposure) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "message_id": exposure.id,
        "title": exposure.title,
        "body": exposure.body,
        "page": exposure.page,
        "at": exposure.at,
        "opened": exposure.opened_at is not None,
    }
    if exposure.gift_kind == "coupon":
        shown["coupon_id"] = coupon_id(exposure.gift_cause)
    return shown
