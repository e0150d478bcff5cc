"""Send subscription messages to members through WeChat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

from huitou.marketing.deliveries.models import Exposure, Push, PushOutcome
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.members.consents.service import Consents
from huitou.members.messaging.models import MessageRules
from huitou.members.messaging.rules import BUSY, CONSENT_GONE, field_values, fitted
from huitou.members.messaging.service import Messages
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable

PUSHES_AT_ONCE = 200
SENDERS = 8  # Calls to WeChat that run at the same time.
PUSH_WITHIN = timedelta(hours=3)  # After that a message is only in the inbox.
ABANDONED_AFTER = timedelta(minutes=15)  # A push that is "sending" for longer lost its sender.


class Post(Protocol):
    """The service that takes subscription messages to members: WeChat."""

    def send_message(
        self, openid: str, template_id: str, page: str, data: dict[str, dict[str, str]]
    ) -> int:
        """Hand one message over. Returns WeChat's error code, 0 for success."""


class Pushes:
    """Sends the subscription messages that wait.

    A message can't be taken back, so one that may have gone out is never sent again.
    """

    def __init__(
        self, database: Database, clock: Clock, post: Post, openid: Callable[[str], str | None]
    ) -> None:
        self._clock = clock
        self._post = post
        self._openid = openid
        self._repository = ExposureRepository(database)
        self._messages = Messages(database)
        self._consents = Consents(database, clock)

    def send_due_pushes(self, goes_on: Callable[[], bool]) -> Counter[PushOutcome]:
        """Send the messages that wait, several at a time, as long as `goes_on` says so.

        Returns how many messages had which outcome.
        """
        outcomes: Counter[PushOutcome] = Counter()
        stuck = self._repository.abandoned_pushes(self._clock.now() - ABANDONED_AFTER)
        if stuck:
            outcomes["unknown"] += stuck
        rules = self._messages.message_rules()
        with ThreadPoolExecutor(SENDERS) as pool:
            while goes_on():
                due = self._repository.push_due(PUSHES_AT_ONCE)
                if not due:
                    break
                held = self._consents.consents_of([exposure.member_id for exposure in due])
                tries = pool.map(
                    lambda e: self._send(e, rules, held[e.member_id]["marketing"]),  # noqa: B023
                    due,
                )
                found = Counter(tries)
                outcomes += found
                if found["busy"]:
                    break  # WeChat asks us to send less: the next run goes on.
        return outcomes

    def _send(self, exposure: Exposure, rules: MessageRules, consents: bool) -> PushOutcome:
        now, template_id = self._clock.now(), exposure.push_template_id or ""
        if not self._repository.take_push(exposure.id, now):
            return "taken elsewhere"
        template, openid = rules.template(template_id), self._openid(exposure.member_id)
        if now - exposure.at > PUSH_WITHIN:
            return self._ended(exposure, "late")
        if not consents:
            return self._ended(exposure, "no_consent")
        if template is None or openid is None:
            return self._ended(exposure, "failed")
        if not self._messages.spend_message(exposure.member_id, template_id):
            return self._ended(exposure, "no_consent")
        data = fitted(
            field_values(
                template,
                title=exposure.title or "",
                body=exposure.body or "",
                gift=exposure.gift_text,
                until=exposure.until,
                brand=rules.brand_name,
            )
        )
        try:
            error = self._post.send_message(openid, template_id, exposure.page or "", data)
        except Unavailable:
            # WeChat may have sent it. So we don't send it again, and count the consent as spent.
            return self._ended(exposure, "unknown")
        if error == CONSENT_GONE:
            self._messages.set_no_messages_left(exposure.member_id, template_id)
            return self._ended(exposure, "refused", error)
        if error in BUSY:
            self._messages.give_back_message(exposure.member_id, template_id)
            self._repository.end_push(exposure.id, "due")
            return "busy"
        if error:
            self._messages.give_back_message(exposure.member_id, template_id)
            return self._ended(exposure, "failed", error)
        return self._ended(exposure, "sent")

    def _ended(self, exposure: Exposure, push: Push, error: int | None = None) -> PushOutcome:
        self._repository.end_push(exposure.id, push, error)
        return push
