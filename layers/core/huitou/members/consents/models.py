"""What a member agreed to, word by word: a log that is only added to (PIPL 13-17)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored

# marketing: to be told of offers, by message or in the inbox; given or not at all.
# personalised: to have them chosen by one's own orders; held until withdrawn (PIPL 24).
# precise_location: to have one's position compared with stores; separate consent (PIPL 28-29).
Purpose = Literal["marketing", "personalised", "precise_location"]


class Consent(Stored):
    """One decision of one member; `id` is `<member>:<purpose>:<n>`, the highest `n` holds.

    `text_version` names the words that were agreed to, as the mini-program showed them.
    """

    member_id: str
    purpose: Purpose
    n: int
    given: bool
    text_version: str
    at: datetime


class ConsentRequest(Request):
    """Give or withdraw one's consent; withdrawing never costs the service itself."""

    purpose: Purpose
    given: bool
    text_version: str = Field(min_length=1, max_length=32)


class ConsentsAnswer(Answer):
    """What holds now, by purpose."""

    marketing: bool
    personalised: bool
    precise_location: bool
