"""Exposures: each is a campaign's message to one member, or the note that it sent the member none.

The member's inbox shows the messages among them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.paging import PageRequest

Push = Literal["due", "sending", "sent", "no_consent", "refused", "failed", "unknown", "late"]
PushOutcome = Push | Literal["taken elsewhere", "busy"]


class Exposure(Stored):
    """One occasion of one member in one campaign. Members of the hold-out have exposures as well.

    `id` is `<campaign>:<member>:<occasion>`. `group` is the variant or `holdout`. `place` counts
    the member's messages of a day (`2026-03-02#1` is the first). An exposure of the hold-out has
    no words and no `delivery`. `delivery` is "withheld" if the gift could not be given: then the
    inbox doesn't show the message. `push` says what became of the subscription message, `sent_at`
    when it was handed to WeChat.
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
        """Return the document as MongoDB stores it.

        It does without pydantic's `model_dump`, which is too slow for thousands of exposures.
        """
        fields = self.__dict__.items()
        kept = {name: value for name, value in fields if value is not None}
        return {"_id": kept.pop("id"), "schema": kept.pop("schema_"), **kept}

    @property
    def gift_cause(self) -> str:
        """The cause of the gift; coupons and the points ledger serve each cause once."""
        return f"campaign:{self.id}"


class Delivery(Stored):
    """Exposures whose gifts a worker is giving; it deletes this note when all are given.

    If the worker crashes, the next one finds the note and gives the rest. All exposures of a note
    belong to one revision of one campaign.
    """

    campaign_id: str
    revision: int
    exposure_ids: list[str]
    since: datetime


class OpenMessageRequest(Request):
    """Note that the member opened a message."""

    message_id: Annotated[str, Field(min_length=1, max_length=200)]


class RecipientsRequest(PageRequest):
    """List a campaign's recipients; members of the hold-out are listed as well."""

    campaign_id: str = Field(min_length=1, max_length=40)


class Recipient(Answer):
    """A campaign's recipient: their group, when, their gift, and whether they opened the message.

    `gift` is in the words that the member read; null for the hold-out and for a message without
    a gift.
    """

    exposure_id: str
    member_id: str
    group: str
    at: datetime
    gift: str | None
    opened: bool


class RecipientsAnswer(Answer):
    """One page of the recipients, by member id; `next` is null on the last one."""

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
