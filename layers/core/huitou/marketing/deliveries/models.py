"""Exposures: who was told what by which campaign, or would have been; the inbox is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.paging import PageRequest

Push = Literal["due", "sending", "sent", "no_consent", "refused", "failed", "unknown", "late"]
PushOutcome = Push | Literal["taken elsewhere", "busy"]


class Exposure(Stored):
    """One occasion of one member in one campaign, for members who got it and the hold-out alike.

    `id` is `<campaign>:<member>:<occasion>`. `group` is the variant or `holdout`, `place` which of
    the member's messages of the day it is (`2026-03-02#1`). The hold-out has no words and no
    `delivery`; "withheld" is one whose gift had run out. `push` says what became of the
    subscription message; `sent_at` when it was handed to WeChat.
    """

    campaign_id: str
    revision: int
    member_id: str
    occasion: str
    at: datetime
    day: str
    group: str
    place: str | None = None
    title: str | None = None
    body: str | None = None
    page: str | None = None
    gift_kind: Literal["coupon", "points"] | None = None
    gift_template_id: str | None = None
    gift_points: int | None = None
    gift_text: str = ""
    until: str = ""
    push_template_id: str | None = None
    delivery: Literal["done", "withheld"] | None = None
    push: Push | None = None
    push_error: int | None = None
    sent_at: datetime | None = None
    opened_at: datetime | None = None

    def document(self) -> dict[str, Any]:
        """Return the document as MongoDB stores it: plainly, since many are written at once."""
        fields = self.__dict__.items()
        kept = {name: value for name, value in fields if value is not None}
        return {"_id": kept.pop("id"), "schema": kept.pop("schema_"), **kept}

    @property
    def gift_cause(self) -> str:
        """Why the gift was given: served once in coupons and in the ledger."""
        return f"campaign:{self.id}"


class Delivery(Stored):
    """Exposures whose gifts are being given: kept until they are, for whoever comes after a crash.

    All are of one revision of one campaign.
    """

    campaign_id: str
    revision: int
    exposure_ids: list[str]
    since: datetime


class OpenMessageRequest(Request):
    """Note that the member opened a message."""

    message_id: Annotated[str, Field(min_length=1, max_length=200)]


class RecipientsRequest(PageRequest):
    """List the members whom a campaign met; those of the hold-out, too."""

    campaign_id: str = Field(min_length=1, max_length=40)


class Recipient(Answer):
    """A member whom a campaign met: in which group, when, what they got and whether they opened it.

    `gift` is as it was told; null for the hold-out and where there was none.
    """

    exposure_id: str
    member_id: str
    group: str
    at: datetime
    gift: str | None
    opened: bool


class RecipientsAnswer(Answer):
    """A page of them by member; `next` is null at the end."""

    recipients: list[Recipient]
    next: str | None


class ShownMessage(Answer):
    """A message as its member reads it; `coupon_id` is the coupon that came with it."""

    message_id: str
    title: str
    body: str
    page: str
    at: datetime
    opened: bool
    coupon_id: str | None = None


class InboxAnswer(Answer):
    """One page of the member's messages, newest first; `next` is null on the last one."""

    messages: list[ShownMessage]
    next: str | None


class OpenedAnswer(Answer):
    """The message counts as opened."""

    opened: bool
