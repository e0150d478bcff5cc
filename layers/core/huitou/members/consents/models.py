"""Members' consents: a log of decisions, to which entries are only added (PIPL 13-17)."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored

# marketing: the member gets offers, by message or in the inbox; only with their consent.
# personalised: offers are chosen by the member's own orders; until they object (PIPL 24).
# precise_location: the member's position is compared with stores; separate consent (PIPL 28-29).
Purpose = Literal["marketing", "personalised", "precise_location"]


class Consent(Stored):
    """One decision of one member; `id` is `<member>:<purpose>:<n>`, the highest `n` is valid.

    `text_version` names the text that the mini-program showed to the member.
    """

    member_id: str
    purpose: Purpose
    n: int
    given: bool
    text_version: str
    at: datetime


class ConsentRequest(Request):
    """Give or withdraw the caller's consent; who withdraws it can use the service as before."""

    purpose: Purpose
    given: bool
    text_version: str = Field(min_length=1, max_length=32)


class ConsentsAnswer(Answer):
    """Whether the member's consent is given now, by purpose."""

    marketing: bool
    personalised: bool
    precise_location: bool
